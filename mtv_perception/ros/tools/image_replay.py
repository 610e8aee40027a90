"""A camera that is a file: a video, an image folder or a bag's image topic, published as if it happened now.

With `clock` the recorded time is replayed too: images keep their stamps, /clock carries the time,
and nodes with use_sim_time live in it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.time import Time
from rosgraph_msgs.msg import Clock  # type: ignore[import-untyped,unused-ignore]
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from mtv_perception.bags.playback import NANOSECONDS, PlaybackClock
from mtv_perception.bags.reader import lazy_bag_frames
from mtv_perception.errors import ImageError, MtvError, ReplayError
from mtv_perception.media.frames import LazyFrame, is_bag, lazy_frames
from mtv_perception.ros.conversions import byte_array, image_message, stamp_ns
from mtv_perception.ros.qos import newest_only

_ENCODE = {"rgb8": None, "bgr8": cv2.COLOR_RGB2BGR, "mono8": cv2.COLOR_RGB2GRAY}
_CLOCK_PERIOD_S = 0.01

_PARAMETERS: dict[str, tuple[Any, str]] = {
    "source": ("", "Video, image folder, image or bag."),
    "topic": ("", "Image topic of the bag; by default the first."),
    "rate": (10.0, "Frames a second, unless the source's own time is replayed (`clock`)."),
    "loop": (False, "Begin again at the end; with `clock`, time jumps back."),
    "frame_id": ("camera", "Frame of images that have none."),
    "encoding": ("bgr8", f"Of raw images: {', '.join(_ENCODE)}."),
    "compressed": (False, "Publish JPEG on image/compressed instead of raw images on image."),
    "wait_for_subscribers": (1, "Begin when so many have subscribed."),
    "settle": (
        1.0,
        "Seconds from the first subscriber to the first image: a best-effort one loses what is sent before its "
        "connection is up.",
    ),
    "linger": (1.0, "Seconds to stay after the last image."),
    "stamps_file": ("", "Write stamp and frame of every published image here, a JSON list a line."),
    "reliability": ("reliable", "Quality of service: reliable or best_effort."),
    "clock": (False, "Keep the source's stamps, publish /clock, and follow that time."),
    "speed": (1.0, "With `clock`: source time runs so many times as fast as wall time."),
    "start_offset": (
        0.0,
        "With `clock`: begin so many seconds into the source. Setting it while running jumps there.",
    ),
}


class ImageReplayNode(Node):
    """Publishes frames as `image` (or `image/compressed`); `~/pause` holds and releases them.

    Attributes:
        finished: the last frame has been published and stood for a moment; the process may end.
        failed: the source could not be read (to its end).
        published: how many frames.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("image_replay", **kwargs)
        self.finished, self.failed, self.published = False, False, 0
        values = {
            name: self.declare_parameter(name, default, ParameterDescriptor(description=text)).value
            for name, (default, text) in _PARAMETERS.items()
        }
        self._values = values
        self._source, self._rate = Path(values["source"]), float(values["rate"])
        if (
            values["encoding"] not in _ENCODE
            or not 0 < self._rate <= 1000
            or not values["speed"] > 0
        ):
            raise ReplayError(
                f"Expected an encoding of {', '.join(_ENCODE)}, a rate in 0 .. 1000 and a speed above 0, "
                f"got {values['encoding']!r}, {self._rate!r} and {values['speed']!r}."
            )
        stamps = str(values["stamps_file"])
        self._stamps = Path(stamps).open("w", encoding="utf-8", buffering=1) if stamps else None  # noqa: SIM115
        kind, topic = (
            (CompressedImage, "image/compressed") if values["compressed"] else (Image, "image")
        )
        qos = newest_only(str(values["reliability"]))
        qos.depth = (
            10  # A subscriber that is still being connected can ask again for the first images.
        )
        self._publisher = self.create_publisher(kind, topic, qos)
        self._playback = PlaybackClock(float(values["speed"]))
        self._offset, self._jumped = float(values["start_offset"]), threading.Event()
        self._clock_publisher = (
            self.create_publisher(Clock, "/clock", 10) if values["clock"] else None
        )
        self.add_on_set_parameters_callback(self._set)
        self.create_service(SetBool, "~/pause", self._pause)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="image-replay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the publishing thread."""
        self._stopping.set()
        self._thread.join(5.0)
        if self._stamps:
            self._stamps.close()

    def _set(self, changed: list[Parameter]) -> SetParametersResult:
        """Only the offset can be changed: a jump."""
        for parameter in changed:
            if parameter.name in _PARAMETERS and parameter.name != "start_offset":
                return SetParametersResult(
                    successful=False, reason=f"{parameter.name} is read at start only"
                )
            if parameter.name == "start_offset":
                if (
                    not isinstance(parameter.value, float)
                    or parameter.value < 0
                    or not self._clock_publisher
                ):
                    reason = f"expected clock to be on and an offset of at least 0.0, got {parameter.value!r}"
                    return SetParametersResult(successful=False, reason=reason)
                self._offset = parameter.value
                self._jumped.set()
        return SetParametersResult(successful=True)

    def _pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        now = time.monotonic()
        with self._lock:
            if request.data:
                self._playback.pause(now)
            else:
                self._playback.resume(now)
        response.success, response.message = True, "paused" if request.data else "running"
        return response

    def _run(self) -> None:
        try:
            while self._publisher.get_subscription_count() < int(
                self._values["wait_for_subscribers"]
            ):
                if self._stopping.wait(0.05):
                    break
            self._stopping.wait(float(self._values["settle"]))
            self._play()
        except (MtvError, OSError) as error:
            self.failed = True
            self.get_logger().error(str(error))
        self.get_logger().info(f"published {self.published} frames")
        self._stopping.wait(float(self._values["linger"]))
        self.finished = True

    def _frames(self) -> Iterator[LazyFrame]:
        if self._values["topic"] and is_bag(self._source):
            yield from lazy_bag_frames(self._source, str(self._values["topic"]))
        else:
            # A clock follows the source's own time; without one the node sets the pace.
            yield from lazy_frames(self._source, 0.0 if self._clock_publisher else self._rate)

    def _play(self) -> None:
        while not self._stopping.is_set():
            self._jumped.clear()
            self._play_once()
            if not self._jumped.is_set() and not self._values["loop"]:
                return

    def _play_once(self) -> None:
        """From the offset to the end, a jump, or the end of the node."""
        first: int | None = None
        for index, (source_ns, decode) in enumerate(self._frames()):
            due = source_ns if self._clock_publisher else round(index * NANOSECONDS / self._rate)
            if first is None:
                first = due + round(self._offset * NANOSECONDS)
                with self._lock:
                    self._playback.jump(first, time.monotonic())
            if due < first:
                continue
            if not self._wait_until(due):
                return
            try:
                frame = decode()
            except ImageError as error:
                self.get_logger().warning(f"image skipped: {error}")
                continue
            stamp = Time(nanoseconds=source_ns) if self._clock_publisher else self.get_clock().now()
            self._publish(
                frame.image_rgb,
                Header(
                    stamp=stamp.to_msg(), frame_id=frame.frame_id or str(self._values["frame_id"])
                ),
            )

    def _wait_until(self, due_ns: int) -> bool:
        """Wait for a source time while /clock ticks; False when the node ends or time jumps."""
        while not (self._stopping.is_set() or self._jumped.is_set()):
            now = time.monotonic()
            with self._lock:
                rest, source_ns = (
                    self._playback.seconds_until(due_ns, now),
                    self._playback.source_at(now),
                )
            self._tick(min(source_ns, due_ns))
            if rest <= 0:
                return True
            self._stopping.wait(min(rest, _CLOCK_PERIOD_S))
        return False

    def _tick(self, source_ns: int) -> None:
        if self._clock_publisher:
            self._clock_publisher.publish(Clock(clock=Time(nanoseconds=source_ns).to_msg()))

    def _publish(self, image_rgb: np.ndarray, header: Header) -> None:
        self._publisher.publish(self._message(image_rgb, header))
        self.published += 1
        if self._stamps:
            self._stamps.write(json.dumps([stamp_ns(header), header.frame_id]) + "\n")

    def _message(self, image_rgb: np.ndarray, header: Header) -> Image | CompressedImage:
        if self._values["compressed"]:
            _, coded = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
            return CompressedImage(header=header, format="jpeg", data=byte_array(coded))
        encoding = str(self._values["encoding"])
        code = _ENCODE[encoding]
        return image_message(
            image_rgb if code is None else cv2.cvtColor(image_rgb, code), encoding, header
        )


def main(args: Sequence[str] | None = None) -> int:
    """`image_replay_node`."""
    from mtv_perception.ros.spin import spin

    return spin(ImageReplayNode, args)
