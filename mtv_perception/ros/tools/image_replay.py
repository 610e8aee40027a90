"""A camera that is a file: a video, an image folder or a bag's image topic.

Published as if it happened now.

What a bag holds beside the images is published too: calibration, depth, transforms.
With `clock` the recorded time is replayed too: images keep their stamps, /clock carries the time,
and nodes with use_sim_time live in it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.time import Time
from rosgraph_msgs.msg import Clock  # type: ignore[import-untyped,unused-ignore]
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from mtv_perception.bags.beside import Beside
from mtv_perception.bags.playback import PlaybackClock
from mtv_perception.errors import ConfigError, ImageError, MtvError, ReplayError
from mtv_perception.media.write import encoded
from mtv_perception.replay.inputs import FILE_TOPIC, Input, InputFrame, open_input
from mtv_perception.ros.conversions import byte_array, image_message, stamp_ns
from mtv_perception.ros.parameters import NodeParameters
from mtv_perception.ros.qos import newest_only, overridable
from mtv_perception.ros.tools.beside import (
    BesideImages,
    beside_images,
    known,
    make_publishers,
    read_camera_info,
    stamped,
)
from mtv_perception.ros.tools.replay_config import ENCODE, ReplayConfig
from mtv_perception.types import NANOSECONDS

_CLOCK_PERIOD_S = 0.01


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
        self._skipped, self._was_empty = 0, False
        self._declared = NodeParameters(self, ReplayConfig)
        self._config = config = self._declared.read()
        self._source = _existing(config.source)
        _check_readable(self._source, config.topic)
        self._stamps = _opened(config.stamps_file)
        kind, topic = (
            (CompressedImage, "image/compressed") if config.compressed else (Image, "image")
        )
        qos = newest_only(config.reliability)
        # A subscriber that is still being connected can ask again for the first images.
        qos.depth = 10
        self._publisher = overridable(self.create_publisher, kind, topic, qos)
        self._prepare_beside()
        self._playback = PlaybackClock(config.speed)
        self._offset, self._jumped = config.start_offset, threading.Event()
        self._clock_publisher = (
            overridable(self.create_publisher, Clock, "/clock", QoSProfile(depth=10))
            if config.clock
            else None
        )
        self._ticked_ns = 0
        self._declared.add_check(self._check_jump)
        self.add_post_set_parameters_callback(self._jump)
        self.create_service(SetBool, "~/pause", self._pause)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="image-replay", daemon=True)
        self._thread.start()

    def _prepare_beside(self) -> None:
        """Find what is published beside the images, and make the publishers."""
        config = self._config
        self._info = read_camera_info(Path(config.calibration)) if config.calibration else None
        wanted = {"camera_info": config.camera_info_topic, "depth": config.depth_topic}
        if self._info and config.camera_info_topic:
            raise ConfigError("calibration: expected no camera_info_topic beside it, got one.")
        found, why = known(beside_images(self._source, config.topic, wanted))
        off = {role for role in ("camera_info", "depth", "tf") if not getattr(config, role)}
        off |= {"tf_static"} if "tf" in off else set()
        off |= {"camera_info"} if self._info else set()
        topics = {role: topic for role, topic in found.topics.items() if role not in off}
        self._beside = Beside(topics, found.left_out)
        roles = [*topics, *(["camera_info"] if self._info else [])]
        self._others = make_publishers(self, roles, config.reliability)
        for role, topic in topics.items():
            self.get_logger().info(f"beside the images: {role} of {topic.name}")
        for text in (*found.left_out, *([why] if why else [])):
            self.get_logger().warning(f"left out: {text}")

    @property
    def exit_status(self) -> int:
        """1 where the source was not read to its end or images were skipped.

        2 where nothing was published for it.
        """
        incomplete = self.failed or self._was_empty or self._skipped > 0
        return 2 if incomplete and not self.published else int(incomplete)

    def close(self) -> None:
        """End the publishing thread."""
        self._stopping.set()
        self._thread.join(5.0)
        if self._stamps:
            try:
                self._stamps.close()
            except OSError as error:
                self.failed = True
                self.get_logger().error(f"stamps_file: {error.strerror or error}")

    def _check_jump(self, settings: ReplayConfig) -> None:
        if settings.start_offset != self._config.start_offset and not self._clock_publisher:
            raise ConfigError("start_offset: expected `clock` to be on, which it is not.")

    def _jump(self, changed: list[Parameter]) -> None:
        if self._clock_publisher and any(item.name == "start_offset" for item in changed):
            self._offset = self._declared.read().start_offset
            self._jumped.set()

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
            while self._publisher.get_subscription_count() < self._config.wait_for_subscribers:
                if self._stopping.wait(0.05):
                    break
            self._stopping.wait(self._config.settle)
            self._play()
        except Exception as error:  # Whatever it is: nobody else ends this node.
            self.failed = True
            expected = isinstance(error, (MtvError, OSError))
            told = str(error) if expected else f"{type(error).__name__}: {error}"
            self.get_logger().error(told)
        self._was_empty = not (self.published or self.failed or self._stopping.is_set())
        skipped = f", skipped {self._skipped}" if self._skipped else ""
        self.get_logger().info(f"published {self.published} frames{skipped}")
        self._stopping.wait(self._config.linger)
        self.finished = True

    def _frames(self) -> Iterator[InputFrame]:
        """The frames of one camera: of the topic asked for, else of the bag's first."""
        # A clock follows the source's own time; without one the node sets the pace.
        rate = 0.0 if self._clock_publisher else self._config.rate
        topics = [self._config.topic] if self._config.topic else []
        with open_input(self._source, topics, rate) as opened:
            chosen = next(iter(opened.cameras))
            self._say_what_is_published(chosen, opened)
            yield from (frame for frame in opened.frames() if frame.topic == chosen)
            if opened.damage:
                raise ReplayError(f"{self._source}: damaged, a part is missing: {opened.damage}")

    def _say_what_is_published(self, chosen: str, opened: Input) -> None:
        if self.published or self._skipped:  # Said at the first round of a loop.
            return
        if list(opened.cameras) != [FILE_TOPIC]:
            self.get_logger().info(f"publishing {chosen}")
        others = [f"{topic}: another camera" for topic in opened.cameras if topic != chosen]
        beside = tuple(f"{topic.name}: " for topic in self._beside.topics.values())
        for text in (*others, *opened.left_out):
            if not text.startswith(beside):
                hint = " (parameter 'topic' chooses)" if text.startswith("/") else ""
                self.get_logger().warning(f"left out: {text}{hint}")

    def _play(self) -> None:
        while not self._stopping.is_set():
            self._jumped.clear()
            end = self._play_once()
            if self._jumped.is_set():
                continue
            if end is None or not self._config.loop:
                return
            self._wait_until(end)  # A jump, or the end of the node, cuts it short.

    def _play_once(self) -> int | None:
        """From the offset to the end, a jump, or the end of the node.

        Returns:
            When the next round is due: a frame's time after the last one; None without a frame.
        """
        with BesideImages(self._source, self._beside, self._publish_beside) as beside:
            end = self._play_with(beside)
        if beside.faults:
            self.get_logger().warning(f"{beside.faults} messages beside the images are broken")
        return end

    def _publish_beside(self, role: str, message: Any) -> None:
        self._others[role].publish(message)

    def _play_with(self, beside: BesideImages) -> int | None:
        first: int | None = None
        begin = due = source_ns = latest = late = 0
        begun = False
        step = shortest = round(NANOSECONDS / self._config.rate)
        for index, item in enumerate(self._frames()):
            before, source_before, source_ns = due, source_ns, item.stamp_ns()
            if self._clock_publisher and source_ns < 0:
                self._skip(
                    f"{item.topic}#{index}: expected a stamp from 0 on, got {source_ns} ns; "
                    "without `clock` it is published as of now"
                )
                due, source_ns = before, source_before
                continue
            due = (
                source_ns
                if self._clock_publisher
                else round(index * NANOSECONDS / self._config.rate)
            )
            if first is not None and due > before:
                step = due - before
            if index and source_ns > source_before:
                shortest = min(shortest, source_ns - source_before)
            if first is None:
                begin, first = due, due + round(self._offset * NANOSECONDS)
                latest = due
                self._ticked_ns = first
                with self._lock:
                    self._playback.jump(first, time.monotonic())
            late, latest = late + (due < latest), max(due, latest)
            if due < first and not begun:
                beside.skip(item.log_ns)
                continue
            begun = True
            if not self._wait_until(due):
                return None
            try:
                frame = item.decode()
                message = self._message(frame.image_rgb)
            except ImageError as error:
                self._skip(str(error))
                continue
            stamp = Time(nanoseconds=source_ns) if self._clock_publisher else self.get_clock().now()
            beside.shift(source_ns, stamp.nanoseconds - source_ns)
            beside.before(item.log_ns)
            frame_id = frame.frame_id or self._config.frame_id
            message.header = Header(stamp=stamp.to_msg(), frame_id=frame_id)
            self._publish(message, frame.image_rgb.shape[:2])
            # What is nearer to this image than to the next, which comes no sooner than others did.
            beside.up_to(source_ns + shortest // 2, (item.log_ns or 0) + shortest)
        beside.before(None)
        if late:
            self.get_logger().warning(
                f"{late} images are stamped before an earlier one; each was published at once"
            )
        if first is not None and not begun:
            self._refuse_offset((latest - begin) / NANOSECONDS)
        return None if first is None else latest + step

    def _skip(self, why: str) -> None:
        self._skipped += 1
        self.get_logger().warning(f"image skipped: {why}")

    def _refuse_offset(self, length_s: float) -> None:
        """Nothing was published, for the offset lies behind the source's last image."""
        text = (
            f"start_offset: expected at most {length_s:.2f} s, the source's length, got "
            f"{self._offset:g}"
        )
        if not self.published:
            raise ReplayError(f"{self._source}: {text}")
        self.get_logger().error(f"{text}; playing from the beginning")
        self._offset = 0.0
        self._jumped.set()

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
        """Publish the time, which never goes back within a round, whatever the order of images."""
        if self._clock_publisher:
            self._ticked_ns = max(source_ns, self._ticked_ns)
            self._clock_publisher.publish(Clock(clock=Time(nanoseconds=self._ticked_ns).to_msg()))

    def _publish(self, message: Image | CompressedImage, size_hw: tuple[int, int]) -> None:
        header = message.header
        if self._info:
            self._others["camera_info"].publish(stamped(self._info, header, size_hw))
        self._publisher.publish(message)
        self.published += 1
        if self._stamps:
            self._stamps.write(json.dumps([stamp_ns(header), header.frame_id]) + "\n")

    def _message(self, image_rgb: np.ndarray) -> Image | CompressedImage:
        """The image without its header; ImageError where JPEG can't hold it."""
        if self._config.compressed:
            coded = np.frombuffer(encoded(image_rgb, ".jpg"), np.uint8)
            return CompressedImage(format="jpeg", data=byte_array(coded))
        encoding = self._config.encoding
        code = ENCODE[encoding]
        pixels = image_rgb if code is None else cv2.cvtColor(image_rgb, code)
        return image_message(pixels, encoding, Header())


def _check_readable(source: Path, topic: str) -> None:
    """Refuse at the start, and not once a subscriber has come, what has no images to publish."""
    with open_input(source, [topic] if topic else []):
        pass


def _existing(source: str) -> Path:
    if not source:
        raise ConfigError(
            "source: expected a video, an image folder or a bag, got none; set it with -p source:=PATH."
        )
    if not Path(source).exists():
        raise ConfigError(f"source: expected a video, an image folder or a bag, found no {source}.")
    return Path(source)


def _opened(stamps_file: str) -> TextIO | None:
    try:
        return Path(stamps_file).open("w", encoding="utf-8", buffering=1) if stamps_file else None
    except OSError as error:
        raise ConfigError(f"stamps_file: can't write {stamps_file}: {error.strerror}.") from error
