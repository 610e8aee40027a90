"""A camera that is a file: a video, an image folder or a bag's image topic, published at its rate."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from mtv_perception.errors import MtvError, ReplayError
from mtv_perception.replay.frames import Frame, open_frames
from mtv_perception.ros.conversions import byte_array, image_message, stamp_ns
from mtv_perception.ros.outputs import newest_only

_ENCODE = {"rgb8": None, "bgr8": cv2.COLOR_RGB2BGR, "mono8": cv2.COLOR_RGB2GRAY}


class ImageReplayNode(Node):
    """Publishes frames as `image` (or `image/compressed`).

    Attributes:
        finished: the last frame has been published and stood for a moment; the process may end.
        failed: the source could not be read (to its end).
        published: how many frames.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("image_replay", **kwargs)
        self.finished, self.failed, self.published = False, False, 0
        self._source = Path(self.declare_parameter("source", "").value)
        self._rate = float(self.declare_parameter("rate", 10.0).value)
        self._loop = bool(self.declare_parameter("loop", False).value)
        self._frame_id = str(self.declare_parameter("frame_id", "camera").value)
        self._encoding = str(self.declare_parameter("encoding", "bgr8").value)
        self._compressed = bool(self.declare_parameter("compressed", False).value)
        self._subscribers = int(self.declare_parameter("wait_for_subscribers", 1).value)
        self._linger = float(self.declare_parameter("linger", 1.0).value)
        stamps = str(self.declare_parameter("stamps_file", "").value)
        self._stamps = Path(stamps).open("w", encoding="utf-8", buffering=1) if stamps else None  # noqa: SIM115
        reliability = str(self.declare_parameter("reliability", "reliable").value)
        if self._encoding not in _ENCODE or not 0 < self._rate <= 1000:
            raise ReplayError(
                f"Expected an encoding of {', '.join(_ENCODE)} and a rate in 0 .. 1000, "
                f"got {self._encoding!r} and {self._rate!r}."
            )
        kind, topic = (CompressedImage, "image/compressed") if self._compressed else (Image, "image")
        self._publisher = self.create_publisher(kind, topic, newest_only(reliability))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="image-replay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the publishing thread."""
        self._stopping.set()
        self._thread.join(5.0)
        if self._stamps:
            self._stamps.close()

    def _run(self) -> None:
        try:
            self._wait_for_subscribers()
            self._publish_all()
        except MtvError as error:
            self.failed = True
            self.get_logger().error(str(error))
        self.get_logger().info(f"published {self.published} frames")
        self._stopping.wait(self._linger)
        self.finished = True

    def _wait_for_subscribers(self) -> None:
        while self._publisher.get_subscription_count() < self._subscribers and not self._stopping.wait(0.05):
            pass

    def _frames(self) -> Iterator[Frame]:
        while not self._stopping.is_set():
            yield from open_frames(self._source, self._rate)
            if not self._loop:
                return

    def _publish_all(self) -> None:
        due = time.monotonic()
        for frame in self._frames():
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                return
            header = Header(stamp=self.get_clock().now().to_msg(), frame_id=frame.frame_id or self._frame_id)
            self._publisher.publish(self._message(frame.image_rgb, header))
            self.published += 1
            if self._stamps:
                self._stamps.write(json.dumps([stamp_ns(header), header.frame_id]) + "\n")
            due += 1 / self._rate

    def _message(self, image_rgb: np.ndarray, header: Header) -> Image | CompressedImage:
        if self._compressed:
            _, coded = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
            return CompressedImage(header=header, format="jpeg", data=byte_array(coded))
        code = _ENCODE[self._encoding]
        return image_message(
            image_rgb if code is None else cv2.cvtColor(image_rgb, code), self._encoding, header
        )


def main(args: Sequence[str] | None = None) -> int:
    """`image_replay_node`."""
    from mtv_perception.ros.main import spin

    return spin(ImageReplayNode, args)
