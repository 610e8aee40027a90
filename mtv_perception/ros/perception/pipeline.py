"""A frame's path: a camera takes it in, the worker runs it, its result is published and booked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.exceptions import InvalidHandle
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from mtv_perception.errors import ImageError
from mtv_perception.messages.builder import FrameCost, FrameCount, FrameNotes
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.conversions import stamp_ns, status_message
from mtv_perception.ros.diagnostics import shorten
from mtv_perception.ros.perception.camera import Camera
from mtv_perception.ros.perception.config import Settings
from mtv_perception.ros.perception.gate import Gate
from mtv_perception.ros.perception.health.image_health import PictureHealth
from mtv_perception.ros.perception.health.watchdog import Watchdog
from mtv_perception.ros.perception.slot import ModelSlot
from mtv_perception.ros.perception.worker import NewestFrameWorker, Outcome
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.types import Result

_LOG_PERIOD = 5.0


@dataclass(frozen=True)
class PendingFrame:
    """An image message and the opening of the gate in which it arrived."""

    message: Any
    opening: int


@dataclass(frozen=True)
class Seen:
    """What was found in a frame.

    Attributes:
        perceiver: that found it.
        image_rgb: `(H, W, 3)` uint8.
        result: of the perceiver.
        decode_ms: what decoding took.
        health: problems of the picture.
    """

    perceiver: Perceiver
    image_rgb: np.ndarray
    result: Result
    decode_ms: float
    health: PictureHealth


class Pipeline:
    """Cameras, worker and model of a configured node.

    Transitions and the exchange of the model happen in the executor's thread, frames are worked on
    in the worker's thread; the gate keeps a result from going out after the transition that ended
    its epoch.

    Args:
        node: whose topics, clock and log are used.
        settings: all of them.
        meanwhile: called again and again while the model is tested.

    Raises:
        ArtefactError, ConfigError: the model can't be used.
    """

    def __init__(
        self, node: LifecycleNode, settings: Settings, meanwhile: Callable[[], None] | None = None
    ) -> None:
        self._node, self.settings, config = node, settings, settings.node
        self.cameras: dict[str, Camera] = {}
        self._speaks = False
        self.slot = ModelSlot(settings, self._wake, meanwhile)
        # The loading thread wakes the executor with this.
        self._loaded = node.create_guard_condition(self._exchange)
        self.worker: NewestFrameWorker[PendingFrame] = NewestFrameWorker(
            config.camera_names, self._work, config.camera_weights, config.camera_max_rates
        )
        self.gate = Gate(self.worker.deliver)
        self.watchdog = Watchdog(node, self.worker, self.slot)
        try:
            for name in config.camera_names:
                self.cameras[name] = Camera(node, name, settings, self.slot.spec, self._take)
        except Exception:
            self.close()
            raise

    # Transitions, in the executor's thread

    def configure(self, settings: Settings) -> None:
        """Take over changed settings, except the model."""
        self.settings = settings
        self.worker.configure(settings.node.camera_weights, settings.node.camera_max_rates)
        for camera in self.cameras.values():
            camera.configure(settings)
        self.slot.configure(settings.perceiver)

    def activate(self, enabled: bool) -> None:
        """Start again from zero; images are taken in if enabled."""
        self._speaks = True
        self.worker.reset_counters()
        for camera in self.cameras.values():
            camera.begin()
        self.announce()
        self.gate.set_open(enabled)

    def deactivate(self) -> None:
        """Fall silent: when this returns, no result goes out any more."""
        self._speaks = False
        self.gate.set_open(False)
        self.worker.discard()

    def set_enabled(self, enabled: bool) -> None:
        """Take images in or not, while active."""
        if not self._speaks or not self.gate.set_open(enabled):
            return
        if not enabled:
            self.worker.discard()
        for camera in self.cameras.values():
            camera.account.wait_from_now()

    def announce(self) -> None:
        """Publish the latched descriptions of labels and model."""
        for camera in self.cameras.values():
            camera.outputs.announce(self.slot.spec, self.settings.perceiver, self.slot.version)

    def reload(self, settings: Settings, done: Callable[[str], None]) -> None:
        """Load a model in the background; `done` is called in the executor's thread with "" or what went wrong."""
        self.slot.reload(settings, done)

    def check(self) -> None:
        """Look after the worker and the loading of models; called every second."""
        self.slot.check(self.settings.node.model_timeout)
        self.watchdog.check(self.settings.node.network_timeout)
        if self._speaks and not self.watchdog.error:
            for camera in self.cameras.values():
                camera.outputs.assert_alive()
        patience = self.settings.node.camera_timeout
        for name, camera in self.cameras.items():
            if error := camera.account.situation(patience).stamps:
                prefix = f"{name}: " if name else ""
                self._node.get_logger().error(f"{prefix}{error}", throttle_duration_sec=_LOG_PERIOD)

    def poll(self) -> None:
        """Keep images flowing while a callback keeps the executor's thread busy."""
        for camera in self.cameras.values():
            camera.poll()

    def close(self) -> None:
        """End the worker and remove the topics."""
        self.deactivate()
        if not self.worker.stop():
            self._node.get_logger().error("the network did not return; its thread is left behind")
        for camera in self.cameras.values():
            camera.destroy()
        self.cameras = {}
        self.slot.close()
        self._node.destroy_guard_condition(self._loaded)

    def _wake(self) -> None:
        """Called in the loading thread, perhaps after the node has been cleaned up."""
        with contextlib.suppress(InvalidHandle):
            self._loaded.trigger()

    def _exchange(self) -> None:
        """A model has been loaded or was refused."""
        self.slot.collect(lambda put: self.gate.exchange(lambda: self._put_in_service(put)))

    def _put_in_service(self, put: Callable[[], None]) -> None:
        """Labels go out before the first result of the new model."""
        put()
        for camera in self.cameras.values():
            camera.outputs.fit(self.slot.spec)
            if self._speaks:
                camera.outputs.activate()
        self.announce()

    # A frame's path

    def _take(self, camera: str, message: Any) -> None:
        """Step 1, in the executor's thread."""
        opening = self.gate.opening
        if opening is not None:
            self.worker.submit(camera, PendingFrame(message, opening))

    def _work(self, name: str, frame: PendingFrame) -> Outcome:
        """Steps 2 to 5, in the worker's thread."""
        camera, epoch = self.cameras.get(name), self.gate.enter(frame.opening)
        if camera is None or epoch is None:
            return "dropped"
        if not camera.admit(frame.message):
            return "stale"
        try:
            seen = self._perceive(camera, frame.message)
            published = self.gate.pass_through(
                epoch, lambda: self._publish(camera, frame.message, seen, epoch)
            )
        except Exception as error:  # The thread must outlive whatever one frame does to it.
            reason = error
            self.gate.pass_through(epoch, lambda: self._book_failure(camera, reason))
            return "failed"
        return "processed" if published else "dropped"

    def _perceive(self, camera: Camera, message: Any) -> Seen:
        begun = time.perf_counter()
        # Before decoding: a frame that is given up meanwhile must never touch its successor's
        # network.
        perceiver = self.slot.current()
        image = camera.to_rgb(message)
        decode_ms = (time.perf_counter() - begun) * 1e3
        return Seen(perceiver, image, perceiver(image), decode_ms, camera.health(image))

    def _publish(self, camera: Camera, message: Any, seen: Seen, epoch: int) -> None:
        """Publish and book a result; only inside the gate.

        Zones wait for detections and status, so both go out before the pictures.
        """
        begun = time.perf_counter()
        stamp, header, outputs = stamp_ns(message.header), message.header, camera.outputs
        track_ids = camera.tracks.ids(seen.result.detections, stamp, seen.perceiver)
        labels = seen.perceiver.spec.labels
        outputs.publish_detections(seen.result.detections, header, labels, track_ids)
        publish_ms = (time.perf_counter() - begun) * 1e3
        latency = (self._node.get_clock().now().nanoseconds - stamp) / 1e6
        cost = FrameCost(seen.decode_ms, publish_ms, latency)
        outputs.publish_status(self._status(camera, header, seen, cost, epoch))
        info = camera.calibration(seen.result.size_hw, header.frame_id)
        outputs.publish_pictures(seen.result, seen.image_rgb, header, labels, info)
        health, figures = seen.health.lasting
        camera.account.published(latency, f"{health}: {figures}" if health else "")
        self.watchdog.succeeded()

    def _status(
        self, camera: Camera, header: Header, seen: Seen, cost: FrameCost, epoch: int
    ) -> PerceptionStatus:
        return status_message(
            header,
            seen.perceiver.reading,
            seen.result,
            cost,
            self._count(camera.name),
            FrameNotes(*seen.health.at_once, epoch, camera.account.images_lost),
        )

    def _count(self, camera: str) -> FrameCount:
        """The camera's totals, this frame included."""
        counters = vars(self.worker.counters[camera])
        return FrameCount(**{**counters, "processed": counters["processed"] + 1})

    def _book_failure(self, camera: Camera, error: Exception) -> None:
        """Book what ended a frame; nothing is published for it. Only inside the gate."""
        log = self._node.get_logger()
        if isinstance(error, ImageError):
            camera.account.failed(str(error))
            log.warning(f"image refused: {shorten(str(error))}", throttle_duration_sec=_LOG_PERIOD)
            return
        text = f"{type(error).__name__}: {error}"
        camera.account.failed(text)
        self.watchdog.failed()
        log.error(f"frame failed: {shorten(text)}", throttle_duration_sec=_LOG_PERIOD)
