"""The perception node: a lifecycle shell around the runtime. Convert, perceive, publish; the rest is bookkeeping."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from mtv_perception.errors import ConfigError, ImageError
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.camera import Camera
from mtv_perception.ros.config import FIELD_SECTION, Settings
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.diagnostics import camera_status, diagnostic_array, make_status
from mtv_perception.ros.engine import Engine
from mtv_perception.ros.parameters import NodeParameters
from mtv_perception.ros.worker import NewestFrameWorker, Outcome

_DIAGNOSTICS_PERIOD = 1.0


class PerceptionNode(LifecycleNode):
    """Images in, detections and masks out.

    Args:
        kwargs: of rclpy's LifecycleNode (context, parameter overrides, ...).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("perception", **kwargs)
        self._declared = NodeParameters(self)
        self._declared.add_check(self._check_settings)
        self.add_post_set_parameters_callback(self._apply)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 5)
        # On a clock of its own: a paused simulation or bag is when people look at diagnostics.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_DIAGNOSTICS_PERIOD, self._diagnose, clock=steady)
        self.create_service(SetBool, "~/set_enabled", self._set_enabled)
        self.create_service(Trigger, "~/reload_model", self._reload)
        self._settings: Settings | None = None
        self._engine: Engine | None = None
        self._worker: NewestFrameWorker[Any] | None = None
        self._cameras: dict[str, Camera] = {}
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
            self._settings = self._declared.read()
            self._engine = Engine(self._settings)
            names = self._settings.node.cameras or ("",)
            self._worker = NewestFrameWorker(names, self._work)
            for name in names:
                self._cameras[name] = Camera(self, name, self._settings.node, self._submit)
        except Exception as error:  # rclpy would swallow it without a word.
            self._release()
            self._failure = f"can't configure: {str(error) or type(error).__name__}"
            self.get_logger().error(self._failure)
            return TransitionCallbackReturn.FAILURE
        self._worker.start()
        self._state, self._failure = "inactive", ""
        self.get_logger().info(f"model {self._engine.spec.model_id} ready")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Begin to process and to publish."""
        result = super().on_activate(state)
        if self._worker:
            self._worker.reset_counters()
        for camera in self._cameras.values():
            camera.received_at = time.monotonic()
        self._announce()
        self._active, self._state = True, "active"
        return result

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Fall silent."""
        self._active, self._state = False, "inactive"
        if self._worker:
            self._worker.discard()
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
        if self._worker and not self._worker.stop():
            self.get_logger().error("the network did not return; its thread is left behind")
        for camera in self._cameras.values():
            camera.destroy()
        self._cameras, self._worker, self._engine = {}, None, None

    def close(self) -> None:
        """End the worker before the node is destroyed."""
        self._release()

    # Frames

    @property
    def _running(self) -> bool:
        return self._active and self._enabled

    def _submit(self, camera: str, message: Any) -> None:
        if self._running and self._worker:
            self._worker.submit(camera, message)

    def _work(self, name: str, message: Any) -> Outcome:
        """One frame, in the worker's thread."""
        engine, camera = self._engine, self._cameras.get(name)
        if not (self._running and engine and camera):
            return "dropped"
        if not camera.admit(message):
            return "stale"
        try:
            published = self._perceive(camera, engine, message)
        except ImageError as error:
            camera.last_error = str(error)
            self.get_logger().warning(f"image refused: {error}", throttle_duration_sec=5.0)
            return "failed"
        except Exception as error:  # The thread must outlive whatever one frame does to it.
            camera.last_error = f"{type(error).__name__}: {error}"
            self.get_logger().error(f"frame failed: {camera.last_error}", throttle_duration_sec=5.0)
            return "failed"
        camera.last_error = ""
        return "processed" if published else "dropped"

    def _perceive(self, camera: Camera, engine: Engine, message: Any) -> bool:
        """False where the node was disabled or deactivated meanwhile and the result was not published."""
        begun = time.perf_counter()
        image = camera.to_rgb(message)
        decoded = time.perf_counter()
        perceiver = engine.current()
        result = perceiver(image)
        if not self._running:
            return False
        ready = time.perf_counter()
        camera.outputs.publish(result, image, message.header, perceiver.spec.labels, camera.info)
        published = time.perf_counter()
        latency = (self.get_clock().now().nanoseconds - stamp_ns(message.header)) / 1e6
        camera.latency.add(latency)
        counters = self._worker.counters[camera.name] if self._worker else None
        status = PerceptionStatus(
            header=message.header,
            model_id=perceiver.spec.model_id,
            decode_ms=(decoded - begun) * 1e3,
            preprocess_ms=result.timing.preprocess_ms,
            network_ms=result.timing.network_ms,
            postprocess_ms=result.timing.postprocess_ms,
            publish_ms=(published - ready) * 1e3,
            stamp_to_publish_ms=latency,
            detections=len(result.detections),
        )
        if counters:
            status.received, status.processed = counters.received, counters.processed + 1
            status.dropped, status.stale, status.failed = counters.dropped, counters.stale, counters.failed
        camera.outputs.publish_status(status)
        return True

    # Services and parameters

    def _set_enabled(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = bool(request.data)
        if not self._enabled and self._worker:
            self._worker.discard()
        for camera in self._cameras.values():
            camera.received_at = time.monotonic()
        response.success, response.message = (
            True,
            "enabled" if self._enabled else "disabled: nothing is published",
        )
        return response

    def _reload(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self._engine:
            response.success, response.message = False, "the node is not configured"
            return response
        self._engine.reload_async(self._declared.read(), self._reloaded)
        response.success, response.message = True, "loading; see the log, vision_info and diagnostics"
        return response

    def _reloaded(self, error: str) -> None:
        """Called by the engine's loading thread when the new model serves, or was refused."""
        self._failure = f"model not reloaded: {error}" if error else ""
        if error:
            self.get_logger().error(self._failure)
        elif self._engine:
            self.get_logger().info(f"model {self._engine.spec.model_id} serves")
            self._announce()

    def _announce(self) -> None:
        engine, settings = self._engine, self._settings
        if engine and settings:
            for camera in self._cameras.values():
                camera.outputs.announce(engine.spec, settings.perceiver, engine.version)

    def _check_settings(self, settings: Settings) -> None:
        if self._engine:
            settings.perceiver.thresholds(self._engine.spec)
            unknown = set(settings.perceiver.suppress_absent) - set(self._engine.spec.classes)
            if unknown:
                raise ConfigError(f"suppress_absent: expected known classes, got {sorted(unknown)}.")

    def _apply(self, changed: list[Parameter]) -> None:
        """Take accepted parameters into use; a new model path loads in the background."""
        if not self._engine or not any(p.name in FIELD_SECTION for p in changed):
            return
        old, self._settings = self._settings, self._declared.read()
        for camera in self._cameras.values():
            camera.configure(self._settings.node)
        if old and old.node.model != self._settings.node.model:
            self._engine.reload_async(self._settings, self._reloaded)
        self._engine.configure(self._settings.perceiver)
        self._announce()

    # Diagnostics

    def _diagnose(self) -> None:
        name, settings = self.get_fully_qualified_name(), self._settings
        worker, engine = self._worker, self._engine
        if not (self._active and worker and engine and settings):
            level = DiagnosticStatus.ERROR if self._failure else DiagnosticStatus.WARN
            statuses = [make_status(name, "", level, self._failure or self._state, {})]
        else:
            statuses = [
                self._camera_diagnosis(name, camera, settings, worker, engine.spec.model_id)
                for camera in self._cameras.values()
            ]
        self._diagnostics.publish(diagnostic_array(self.get_clock().now().to_msg(), statuses))

    def _camera_diagnosis(
        self, name: str, camera: Camera, settings: Settings, worker: NewestFrameWorker[Any], model_id: str
    ) -> DiagnosticStatus:
        fault = ""
        if not self._enabled:
            pass
        elif worker.busy_seconds() > settings.node.network_timeout:
            fault = f"the network has been running for {worker.busy_seconds():.1f} s"
        elif camera.silent_seconds() > settings.node.camera_timeout:
            fault = f"no image for {camera.silent_seconds():.1f} s"
        elif camera.last_error:
            fault = f"last image failed: {camera.last_error}"
        warning = self._failure
        if not self._enabled:
            warning = "disabled by ~/set_enabled"
        elif camera.last_was_stale:
            warning = warning or "last image was stale: older than max_age, or than the newest result"
        title = f"{name}: {camera.name}" if camera.name else name
        return camera_status(title, model_id, worker.counters[camera.name], camera.latency, fault, warning)
