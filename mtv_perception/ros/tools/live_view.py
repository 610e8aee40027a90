"""A running node in the Rerun viewer: what `mtv view` shows of a bag, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from mtv_perception.bags.topics import result_topics
from mtv_perception.compare.runs import detections_of, mask_pixels
from mtv_perception.errors import MtvError
from mtv_perception.labels import labels_by_id
from mtv_perception.media.frame import Frame
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.conversions import TO_RGB, stamp_ns
from mtv_perception.ros.process.spin import spin
from mtv_perception.ros.qos import LATCHED, newest_only
from mtv_perception.viewer.rerun_view import RerunView


class LiveViewNode(Node):
    """Subscribes to one camera's images and results and logs them.

    From the moment the labels are known.

    Attributes:
        frames: how many results were shown.
        finished: the time is over.

    Args:
        recording: a Rerun RecordingStream.
        camera: its name; "" for the only one.
        seconds: end after so long; 0 for never.
    """

    def __init__(
        self, recording: Any, camera: str = "", seconds: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__("live_view", **kwargs)
        self._recording, self._camera = recording, camera
        self._view: RerunView | None = None
        self.frames, self.finished = 0, False
        topics, picture = result_topics(camera), newest_only("best_effort")
        self.create_subscription(LabelInfo, topics["label_info"], self._begin, LATCHED)
        self.create_subscription(
            Detection2DArray,
            topics["detections"],
            self._shown(self._detections),
            QoSProfile(depth=20),
        )
        self.create_subscription(Image, topics["mask"], self._shown(self._mask), picture)
        self.create_subscription(
            PerceptionStatus, topics["status"], self._shown(self._status), QoSProfile(depth=20)
        )
        for kind, topic, to_rgb in TO_RGB.values():
            name = f"/{camera}/{topic}" if camera else f"/{topic}"
            self.create_subscription(kind, name, self._shown(self._image(to_rgb)), picture)
        if seconds > 0:
            self.create_timer(seconds, self._end)

    def _begin(self, message: LabelInfo) -> None:
        """The labels come once, and again with another model."""
        labels = labels_by_id(message.class_map)
        if self._view is None or self._view.labels != labels:
            self._view = RerunView(labels, [self._camera], self._recording)

    def _end(self) -> None:
        self.finished = True

    def _shown(self, show: Callable[[RerunView, Any], None]) -> Callable[[Any], None]:
        """A callback that does nothing until there is a view."""

        def callback(message: Any) -> None:
            if self._view is None:
                return
            try:
                show(self._view, message)
            except (MtvError, ValueError) as error:
                self.get_logger().warning(f"refused: {error}", throttle_duration_sec=5.0)

        return callback

    def _image(self, to_rgb: Callable[[Any], np.ndarray]) -> Callable[[RerunView, Any], None]:
        def show(view: RerunView, message: Any) -> None:
            header = message.header
            frame = Frame(to_rgb(message), stamp_ns(header), header.frame_id, "")
            view.image(self._camera, frame)

        return show

    def _detections(self, view: RerunView, message: Detection2DArray) -> None:
        view.detections(self._camera, stamp_ns(message.header), detections_of(message, view.labels))
        self.frames += 1

    def _mask(self, view: RerunView, message: Image) -> None:
        view.mask(self._camera, stamp_ns(message.header), mask_pixels(message))

    def _status(self, view: RerunView, message: PerceptionStatus) -> None:
        view.status(self._camera, stamp_ns(message.header), message)


def view_live(recording: Any, camera: str = "", seconds: float = 0.0) -> int:
    """Show a running node until the time is over or someone interrupts; returns how many frames."""
    nodes: list[LiveViewNode] = []

    def make() -> LiveViewNode:
        nodes.append(LiveViewNode(recording, camera, seconds))
        return nodes[0]

    spin(make, [])
    return nodes[0].frames
