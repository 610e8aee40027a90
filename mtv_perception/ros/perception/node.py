"""The perception node: lifecycle, services and parameters around a Pipeline."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from mtv_perception.ros.diagnostics import diagnostic_array, make_status
from mtv_perception.ros.parameters import NodeParameters
from mtv_perception.ros.perception.config import FIELD_SECTION, Settings
from mtv_perception.ros.perception.diagnosis import camera_diagnoses
from mtv_perception.ros.perception.pipeline import Pipeline

_DIAGNOSTICS_PERIOD = 1.0


class PerceptionNode(LifecycleNode):
    """Images in, detections and masks out.

    Args:
        kwargs: of rclpy's LifecycleNode (context, parameter overrides, ...).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("perception", **kwargs)
        self._declared = NodeParameters(self, Settings)
        self._declared.add_check(self._check_settings)
        self.add_post_set_parameters_callback(self._apply)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 5)
        # On a clock of its own: a paused simulation or bag is when people look at diagnostics.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_DIAGNOSTICS_PERIOD, self._diagnose, clock=steady)
        self.create_service(SetBool, "~/set_enabled", self._set_enabled)
        self.create_service(Trigger, "~/reload_model", self._reload)
        self._pipeline: Pipeline | None = None
        self._active = False
        self._enabled = True
        self._state = "unconfigured"
        self._failure = ""

    # Lifecycle

    def autostart(self) -> bool:
        """Configure and activate without a lifecycle manager; False (and an error logged) where that fails."""
        return self.trigger_configure() is TransitionCallbackReturn.SUCCESS and (
            self.trigger_activate() is TransitionCallbackReturn.SUCCESS
        )

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Read the parameters, load and warm up the model, create the topics."""
        try:
            self._pipeline = Pipeline(self, self._declared.read(), self._is_running)
        except Exception as error:  # rclpy would swallow it without a word.
            self._failure = f"can't configure: {str(error) or type(error).__name__}"
            self.get_logger().error(self._failure)
            return TransitionCallbackReturn.FAILURE
        self._pipeline.worker.start()
        self._state, self._failure = "inactive", ""
        slot = self._pipeline.engine
        self.get_logger().info(f"model {slot.spec.model_id} ready; engine: {slot.backend}")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Begin to process and to publish."""
        result = super().on_activate(state)
        if self._pipeline:
            self._pipeline.activate()
        self._active, self._state = True, "active"
        return result

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Fall silent."""
        self._active, self._state = False, "inactive"
        if self._pipeline:
            self._pipeline.worker.discard()
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Forget the model and the topics."""
        self._release()
        self._state, self._failure = "unconfigured", ""
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """The same, for good."""
        self._release()
        self._state = "shut down"
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: State) -> TransitionCallbackReturn:
        """Back to unconfigured after an unexpected error in a transition."""
        return self.on_cleanup(state)

    def _release(self) -> None:
        self._active = False
        if self._pipeline:
            self._pipeline.close()
        self._pipeline = None

    def close(self) -> None:
        """End the worker before the node is destroyed."""
        self._release()

    def _is_running(self) -> bool:
        return self._active and self._enabled

    # Services and parameters

    def _set_enabled(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        self._enabled = bool(request.data)
        if self._pipeline:
            self._pipeline.set_enabled(self._enabled)
        response.success, response.message = (
            True,
            "enabled" if self._enabled else "disabled: nothing is published",
        )
        return response

    def _reload(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self._pipeline:
            response.success, response.message = False, "the node is not configured"
            return response
        self._pipeline.engine.reload_async(self._declared.read(), self._reloaded)
        response.success, response.message = (
            True,
            "loading; see the log, vision_info and diagnostics",
        )
        return response

    def _reloaded(self, error: str) -> None:
        """Called by the engine's loading thread when the new model serves, or was refused."""
        self._failure = f"model not reloaded: {error}" if error else ""
        if error:
            self.get_logger().error(self._failure)
        elif self._pipeline:
            self.get_logger().info(f"model {self._pipeline.engine.spec.model_id} serves")
            self._pipeline.announce()

    def _check_settings(self, settings: Settings) -> None:
        if self._pipeline:
            spec = self._pipeline.engine.spec
            settings.perceiver.thresholds(spec)
            settings.perceiver.suppressed(spec)

    def _apply(self, changed: list[Parameter]) -> None:
        """Take accepted parameters into use; a new model path loads in the background."""
        if not self._pipeline or not any(p.name in FIELD_SECTION for p in changed):
            return
        old, new = self._pipeline.settings, self._declared.read()
        if old.node.model != new.node.model:
            self._pipeline.engine.reload_async(new, self._reloaded)
        self._pipeline.configure(new)
        self._pipeline.announce()

    # Diagnostics

    def _diagnose(self) -> None:
        name, pipeline = self.get_fully_qualified_name(), self._pipeline
        if pipeline:
            pipeline.watchdog.check(pipeline.settings.node.network_timeout)
        if pipeline and self._active:
            statuses = camera_diagnoses(name, pipeline, self._enabled, self._failure)
        else:
            level = DiagnosticStatus.ERROR if self._failure else DiagnosticStatus.WARN
            statuses = [make_status(name, "", level, self._failure or self._state, {})]
        self._diagnostics.publish(diagnostic_array(self.get_clock().now().to_msg(), statuses))
