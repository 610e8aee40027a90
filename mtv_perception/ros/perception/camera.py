"""One camera of the node: its subscription, its outputs, its clockwork of stamps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo

from mtv_perception.ros.conversions import TO_RGB, stamp_ns
from mtv_perception.ros.perception.config import Settings
from mtv_perception.ros.perception.diagnostics import LatencyWindow
from mtv_perception.ros.perception.outputs import CameraOutputs
from mtv_perception.ros.qos import RELIABILITY
from mtv_perception.tracking.tracker import Tracker
from mtv_perception.types import NANOSECONDS, Detections

_QUEUE_DEPTH = 10


@dataclass(frozen=True)
class Freshness:
    """Decides by its stamp whether a frame may still be processed.

    Attributes:
        max_age: seconds; 0 for no limit.
        time_jump: seconds back that mean a new timeline.
    """

    max_age: float
    time_jump: float

    def accepts(self, stamp: int, newest: int | None, now: int) -> bool:
        """Whether a frame of `stamp` may follow a result of stamp `newest` at time `now` (all nanoseconds)."""
        if self.max_age and now - stamp > self.max_age * NANOSECONDS:
            return False
        if newest is None or stamp > newest:
            return True
        return newest - stamp > self.time_jump * NANOSECONDS


class Tracks:
    """The ids of one camera's detections; but for `forget` and `configure` only of the worker's thread.

    Args:
        settings: whether and how to track.
    """

    def __init__(self, settings: Settings) -> None:
        self._tracker = Tracker(settings.tracker)
        self._model: object = None
        self.forget()
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take changed settings over."""
        self._on, self._tracker.config = settings.node.track, settings.tracker

    def forget(self) -> None:
        """Begin anew with the next frame, as when the node is activated."""
        self._model = None

    def ids(self, detections: Detections, stamp_ns: int, model: object) -> np.ndarray | None:
        """The ids of a frame's detections (see Tracker.update), None where tracking is off.

        Args:
            detections: of the frame.
            stamp_ns: of the image; an earlier one than before is a new timeline.
            model: that found them; another than before means other objects.
        """
        if not self._on or model is not self._model:
            self._tracker.clear()
        self._model = model
        return self._tracker.update(detections, stamp_ns) if self._on else None


class Camera:
    """A camera's subscription, outputs and memory.

    Args:
        node: the lifecycle node.
        name: of the camera; empty for the only one.
        settings: topics, timing and tracking.
        submit: called with the camera's name and an image message, in the executor's thread.
    """

    def __init__(
        self, node: LifecycleNode, name: str, settings: Settings, submit: Callable[[str, Any], None]
    ) -> None:
        self.name, config = name, settings.node
        prefix = f"{name}/" if name else ""
        self.outputs = CameraOutputs(node, prefix, config)
        self.latency = LatencyWindow()
        self.tracks = Tracks(settings)
        self.info: CameraInfo | None = None
        self.last_error = ""
        self.last_was_stale = False
        self.received_at = time.monotonic()
        self._newest: int | None = None
        self._freshness = Freshness(config.max_age, config.time_jump)
        kind, topic, self.to_rgb = TO_RGB[config.transport]
        # Deep enough that the middleware drops nothing unseen: the worker drops old images, and
        # counts them.
        qos = QoSProfile(depth=_QUEUE_DEPTH, reliability=RELIABILITY[config.image_reliability])
        self._subscriptions = [node.create_subscription(kind, prefix + topic, self._receive, qos)]
        if config.camera_info:
            self._subscriptions.append(
                node.create_subscription(CameraInfo, f"{prefix}camera_info", self._keep_info, qos)
            )
        self._node, self._submit = node, submit

    def configure(self, settings: Settings) -> None:
        """Take changed settings over."""
        self._freshness = Freshness(settings.node.max_age, settings.node.time_jump)
        self.tracks.configure(settings)
        self.outputs.configure(settings.node)

    def activate(self) -> None:
        """Wait for images from now on."""
        self.received_at = time.monotonic()
        self.tracks.forget()

    def destroy(self) -> None:
        """Take subscription and topics away."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self.outputs.destroy()

    def _receive(self, message: Any) -> None:
        self.received_at = time.monotonic()
        self._submit(self.name, message)

    def _keep_info(self, message: CameraInfo) -> None:
        self.info = message

    def admit(self, message: Any) -> bool:
        """Whether the message is new enough to be processed; if so it becomes the newest."""
        stamp = stamp_ns(message.header)
        now = self._node.get_clock().now().nanoseconds
        self.last_was_stale = not self._freshness.accepts(stamp, self._newest, now)
        if not self.last_was_stale:
            self._newest = stamp
        return not self.last_was_stale

    def silent_seconds(self) -> float:
        """Since the last image arrived (or the node was activated)."""
        return time.monotonic() - self.received_at
