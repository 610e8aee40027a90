"""The perception node: lifecycle, services and parameters around a Pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from std_srvs.srv import SetBool, Trigger

from mtv_perception.config import to_plain
from mtv_perception.errors import ConfigError, MtvError
from mtv_perception.ros.bond import Bond
from mtv_perception.ros.clock import guard_clock
from mtv_perception.ros.diagnostics import diagnostic_array, make_status
from mtv_perception.ros.parameters import NodeParameters
from mtv_perception.ros.perception.config import FIELD_SECTION, Settings
from mtv_perception.ros.perception.health.diagnosis import camera_diagnoses
from mtv_perception.ros.perception.health.notify import Notifier
from mtv_perception.ros.perception.pipeline import Pipeline
from mtv_perception.ros.qos import overridable
from mtv_perception.runtime.loading import check_model

_DIAGNOSTICS_PERIOD = 1.0
# Between the answer to a shutdown transition and the end of the process, so that the answer and the
# last state are heard.
_FAREWELL = 1.0
_REST = 0.002
# Calls that come at once; the default of 10 would lose some of them without an answer.
_MANY_CALLS = QoSProfile(depth=1000)


class PerceptionNode(LifecycleNode):
    """Images in, detections and masks out.

    Args:
        kwargs: of rclpy's LifecycleNode (context, parameter overrides, ...).

    Attributes:
        finished: True when the process is to end.
        failed: True when it is to end with status 1.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("perception", **kwargs)
        guard_clock(self)
        self.finished = self.failed = False
        self._pipeline: Pipeline | None = None
        self._declared = NodeParameters(self, Settings)
        self._declared.add_check(self._check_settings)
        self.add_post_set_parameters_callback(self._apply)
        self._diagnostics = overridable(self.create_publisher, DiagnosticArray, "/diagnostics", 5)
        # On a clock of its own: people look at diagnostics when a simulation or bag is paused.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_DIAGNOSTICS_PERIOD, self._watch, clock=self._steady)
        self.create_service(SetBool, "~/set_enabled", self._set_enabled, qos_profile=_MANY_CALLS)
        # A call that waits for a model must not keep other callbacks from running.
        self.create_service(
            Trigger,
            "~/reload_model",
            self._reload,
            qos_profile=_MANY_CALLS,
            callback_group=ReentrantCallbackGroup(),
        )
        self._notifier, self._bond = Notifier(), Bond(self)
        self._active = False
        self._enabled = True
        self._state = "unconfigured"
        self._failure = ""

    # Lifecycle

    def autostart(self) -> bool:
        """Configure and activate without a lifecycle manager.

        False, and an error logged, if that fails.
        """
        return self.trigger_configure() is TransitionCallbackReturn.SUCCESS and (
            self.trigger_activate() is TransitionCallbackReturn.SUCCESS
        )

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Read the parameters, load and warm up the model, create the topics."""
        try:
            self._pipeline = Pipeline(self, self._declared.read(), self._meanwhile())
        except Exception as error:  # rclpy would swallow it without a word.
            self._failure = f"can't configure: {str(error) or type(error).__name__}"
            self.get_logger().error(self._failure)
            return TransitionCallbackReturn.FAILURE
        self._pipeline.worker.start()
        self._state, self._failure = "inactive", ""
        slot = self._pipeline.slot
        self.get_logger().info(f"model {slot.spec.model_id} ready; engine: {slot.backend}")
        if people := self._pipeline.settings.perceiver.people(slot.spec):
            self.get_logger().info(f"pixelated in every picture: {', '.join(people)}")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Begin to process and to publish."""
        result = super().on_activate(state)
        if self._pipeline:
            self._pipeline.activate(self._enabled)
        self._active, self._state = True, "active"
        if not self.get_parameter("autostart").value:
            self._bond.form()
        return result

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Fall silent."""
        self._active, self._state = False, "inactive"
        self._bond.end()
        if self._pipeline:
            self._pipeline.deactivate()
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Forget the model and the topics."""
        self.close()
        self._state, self._failure = "unconfigured", ""
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """The same, for good: the process ends."""
        self.close()
        self._state = "shut down"
        self.create_timer(_FAREWELL, self._finish, clock=self._steady)
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: State) -> TransitionCallbackReturn:
        """Back to unconfigured after an unexpected error in a transition."""
        return self.on_cleanup(state)

    def close(self) -> None:
        """End the worker before the node is destroyed."""
        self._active = False
        self._bond.end()
        pipeline, self._pipeline = self._pipeline, None
        if pipeline:
            pipeline.close()

    def _finish(self) -> None:
        self.finished = True

    # Services and parameters

    def _set_enabled(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        self._enabled = bool(request.data)
        if self._pipeline:
            self._pipeline.set_enabled(self._enabled)
        response.success = True
        response.message = "enabled" if self._enabled else "disabled: nothing is published"
        return response

    async def _reload(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Answers when the model has been loaded or refused.

        Calls meanwhile share one more load.
        """
        if not self._pipeline:
            response.success, response.message = False, "the node is not configured"
            return response
        if self._is_locked(self._pipeline):
            response.success, response.message = False, "lock_parameters: deactivate the node first"
            return response
        answers: list[str] = []
        self._begin_reload(self._pipeline, answers.append)
        await _Patience(answers)
        error = answers[0]
        response.success = not error
        response.message = error or f"model {self._model_id()} serves"
        return response

    def _begin_reload(self, pipeline: Pipeline, done: Any = None) -> None:
        def reloaded(error: str) -> None:
            self._failure = f"model not reloaded: {error}" if error else ""
            if error:
                self.get_logger().error(self._failure)
            else:
                self.get_logger().info(f"model {self._model_id()} serves")
            if done:
                done(error)

        pipeline.reload(self._declared.read(), reloaded)

    def _model_id(self) -> str:
        return self._pipeline.slot.spec.model_id if self._pipeline else "none"

    def _is_locked(self, pipeline: Pipeline) -> bool:
        return self._active and pipeline.settings.node.lock_parameters

    def _check_settings(self, settings: Settings) -> None:
        """Raise ConfigError for settings that can't be taken into use.

        A new model is tested first.
        """
        pipeline = self._pipeline
        old = pipeline.settings if pipeline else None
        if pipeline and old and self._is_locked(pipeline):
            _refuse_changes(old, settings)
        if pipeline:
            settings.perceiver.thresholds(pipeline.slot.spec)
            settings.perceiver.suppressed(pipeline.slot.spec)
        if settings.node.model != self.get_parameter("model").value:
            self._check_model(settings, pipeline)

    def _check_model(self, settings: Settings, pipeline: Pipeline | None) -> None:
        try:
            check_model(
                settings.node.source,
                settings.perceiver,
                self._meanwhile(pipeline.poll if pipeline else None),
            )
        except MtvError as error:
            raise ConfigError(f"model: {error}") from error

    def _meanwhile(self, poll: Callable[[], None] | None = None) -> Callable[[], None]:
        """A function to call again and again while a callback tests a model.

        It takes waiting images in, and once a second does what `_watch` does.
        """
        watched_at = time.monotonic()

        def act() -> None:
            nonlocal watched_at
            if poll:
                poll()
            if time.monotonic() - watched_at >= _DIAGNOSTICS_PERIOD:
                watched_at = time.monotonic()
                self._watch()

        return act

    def _apply(self, changed: list[Parameter]) -> None:
        """Take accepted parameters into use; a new model loads in the background."""
        if not self._pipeline or not any(p.name in FIELD_SECTION for p in changed):
            return
        old, new = self._pipeline.settings, self._declared.read()
        self._pipeline.configure(new)
        self._pipeline.announce()
        if old.node.model != new.node.model:
            self._begin_reload(self._pipeline)

    # Diagnostics

    def _watch(self) -> None:
        """Once a second: recover what hangs, tell systemd, publish diagnostics."""
        pipeline = self._pipeline
        if pipeline:
            pipeline.check()
        if pipeline and pipeline.watchdog.exhausted:
            self.get_logger().fatal(pipeline.watchdog.error)
            self.finished = self.failed = True
        elif not (pipeline and pipeline.watchdog.error):
            self._notifier.send("WATCHDOG=1")
        if self._active or not self.get_parameter("autostart").value:
            self._notifier.send_once("READY=1")
        self._diagnostics.publish(
            diagnostic_array(self.get_clock().now().to_msg(), self._statuses())
        )

    def _statuses(self) -> list[DiagnosticStatus]:
        name, pipeline = self.get_fully_qualified_name(), self._pipeline
        if pipeline and self._active:
            return camera_diagnoses(name, pipeline, self._enabled, self._failure)
        level = DiagnosticStatus.ERROR if self._failure else DiagnosticStatus.WARN
        return [make_status(name, "", level, self._failure or self._state, {})]


class _Patience:
    """Awaits the first item of a list.

    The executor steps a waiting coroutine without a pause, so this makes one.

    Args:
        answers: filled by another callback.
    """

    _rested_at = 0.0

    def __init__(self, answers: list[str]) -> None:
        self._answers = answers

    def __await__(self) -> Generator[None, None, None]:
        while not self._answers:
            if time.monotonic() - _Patience._rested_at > _REST:  # One rest for all who wait.
                time.sleep(_REST)
                _Patience._rested_at = time.monotonic()
            yield


def _refuse_changes(old: Settings, new: Settings) -> None:
    """Raise ConfigError if settings differ."""
    before, after = to_plain(old), to_plain(new)
    changed = [
        name
        for section, values in before.items()
        for name, value in values.items()
        if after[section][name] != value
    ]
    if changed:
        raise ConfigError(
            f"{', '.join(changed)}: can't be changed while the node is active, because lock_parameters is set; "
            "deactivate the node first."
        )
