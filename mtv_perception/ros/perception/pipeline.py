"""From an image message to published results: cameras, worker and model of a configured node."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode

from mtv_perception.errors import ImageError
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.perception.camera import Camera
from mtv_perception.ros.perception.config import Settings
from mtv_perception.ros.perception.engine import Engine
from mtv_perception.ros.perception.watchdog import Watchdog
from mtv_perception.ros.perception.worker import NewestFrameWorker, Outcome

_LOG_PERIOD = 5.0


class Pipeline:
    """Convert, perceive, publish.

    Args:
        node: whose topics, clock and log are used.
        settings: all of them.
        running: whether images are to be processed and results published.

    Raises:
        ArtefactError, ConfigError: the model can't be used.
    """

    def __init__(
        self, node: LifecycleNode, settings: Settings, running: Callable[[], bool]
    ) -> None:
        self.settings, self.engine = settings, Engine(settings)
        config = settings.node
        self.worker: NewestFrameWorker[Any] = NewestFrameWorker(
            config.camera_names, self._work, config.camera_weights, config.camera_max_rates
        )
        self.watchdog = Watchdog(node, self.worker, self.engine, self.announce)
        self.cameras: dict[str, Camera] = {}
        self._node, self._running = node, running
        try:
            for name in config.camera_names:
                self.cameras[name] = Camera(node, name, settings, self._submit)
        except Exception:
            self.close()
            raise

    def configure(self, settings: Settings) -> None:
        """Take changed settings over, but for the model."""
        self.settings = settings
        self.worker.configure(settings.node.camera_weights, settings.node.camera_max_rates)
        for camera in self.cameras.values():
            camera.configure(settings)
        self.engine.configure(settings.perceiver)

    def activate(self) -> None:
        """Begin anew."""
        self.worker.reset_counters()
        for camera in self.cameras.values():
            camera.activate()
        self.announce()

    def set_enabled(self, enabled: bool) -> None:
        """Drop what waits when disabled, and wait for images anew when enabled again."""
        if not enabled:
            self.worker.discard()
        for camera in self.cameras.values():
            camera.received_at = time.monotonic()

    def announce(self) -> None:
        """Publish the latched descriptions of labels and model."""
        for camera in self.cameras.values():
            camera.outputs.announce(self.engine.spec, self.settings.perceiver, self.engine.version)

    def close(self) -> None:
        """End the worker and take the topics away."""
        if not self.worker.stop():
            self._node.get_logger().error("the network did not return; its thread is left behind")
        for camera in self.cameras.values():
            camera.destroy()
        self.cameras = {}

    def _submit(self, camera: str, message: Any) -> None:
        if self._running():
            self.worker.submit(camera, message)

    def _work(self, name: str, message: Any) -> Outcome:
        """One frame, in the worker's thread."""
        camera = self.cameras.get(name)
        if not (self._running() and camera):
            return "dropped"
        if not camera.admit(message):
            return "stale"
        try:
            published = self._perceive(camera, message)
        except Exception as error:  # The thread must outlive whatever one frame does to it.
            if self.worker.deliver():
                self._fail(camera, error)
            return "failed"
        if published:
            camera.last_error, self.watchdog.failures = "", 0
        return "processed" if published else "dropped"

    def _fail(self, camera: Camera, error: Exception) -> None:
        log = self._node.get_logger()
        if isinstance(error, ImageError):
            camera.last_error = str(error)
            log.warning(f"image refused: {error}", throttle_duration_sec=_LOG_PERIOD)
        else:
            camera.last_error = f"{type(error).__name__}: {error}"
            self.watchdog.failures += 1
            log.error(f"frame failed: {camera.last_error}", throttle_duration_sec=_LOG_PERIOD)

    def _perceive(self, camera: Camera, message: Any) -> bool:
        """False where the result was not published: the node fell silent meanwhile, or the frame was given up."""
        begun = time.perf_counter()
        # Before decoding: a frame that is given up meanwhile must never touch its successor's
        # network.
        perceiver = self.engine.current()
        image = camera.to_rgb(message)
        decoded = time.perf_counter()
        result = perceiver(image)
        # After a reload the labels announced are the new model's: with others a last result of the
        # old is misread.
        if not (
            self._running() and self.engine.means_the_same(perceiver) and self.worker.deliver()
        ):
            return False
        ready = time.perf_counter()
        stamp = stamp_ns(message.header)
        track_ids = camera.tracks.ids(result.detections, stamp, perceiver)
        camera.outputs.publish(
            result, image, message.header, perceiver.spec.labels, camera.info, track_ids
        )
        published = time.perf_counter()
        latency = (self._node.get_clock().now().nanoseconds - stamp) / 1e6
        camera.latency.add(latency)
        counters = self.worker.counters[camera.name]
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
            received=counters.received,
            processed=counters.processed + 1,
            dropped=counters.dropped,
            stale=counters.stale,
            failed=counters.failed,
        )
        camera.outputs.publish_status(status)
        return True
