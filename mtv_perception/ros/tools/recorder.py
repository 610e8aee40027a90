"""Records the perception node's topics into an mcap bag, as they arrive, without rosbag2.

The camera's own pictures are never recorded. With `anonymise` those in which people are pixelated
are: the perception node makes them, from its own scores and under the stamps of the results.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

from mtv_perception.bags.topics import anonymised_topic, result_topics
from mtv_perception.bags.writer import BagWriter
from mtv_perception.config import check_cameras, fixed
from mtv_perception.errors import ConfigError, ReplayError
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.losses import Losses
from mtv_perception.ros.parameters import NodeParameters
from mtv_perception.ros.qos import LATCHED, newest_only, overridable
from mtv_perception.ros.silence import what_is_heard
from mtv_perception.visual.anonymise import has_mark

_QUEUE_DEPTH = 50
# Masks are large; whoever records them as they come needs no long queue.
_MASK_QUEUE_DEPTH = 20
_SILENCE_PERIOD_S = 5.0
_NO_CLOCK = "the ROS clock stands at 0: with use_sim_time something has to publish /clock"


@dataclass(frozen=True)
class RecorderConfig:
    """What a user may set on the recorder, at start."""

    bag: str = fixed("", "Folder of the new bag. Empty: perception_bag_ with date and time.")
    overwrite: bool = fixed(False, "Replace a bag that stands in this folder.")
    cameras: tuple[str, ...] = fixed(
        (), "Names of the perception node's cameras, as in its own `cameras`. Empty: one camera."
    )
    anonymise: bool = fixed(
        False,
        "Also record the cameras' pictures with pixelated people, which the perception node "
        "publishes with its own `anonymise`. Other pictures are refused.",
    )

    def __post_init__(self) -> None:
        check_cameras(self.cameras)


def _queue(depth: int, reliability: str = "reliable") -> QoSProfile:
    profile = newest_only(reliability)
    profile.depth = depth
    return profile


RECORDED: dict[str, tuple[type, QoSProfile]] = {
    "detections": (Detection2DArray, _queue(_QUEUE_DEPTH)),
    "label_info": (LabelInfo, LATCHED),
    "vision_info": (VisionInfo, LATCHED),
    "mask": (Image, _queue(_MASK_QUEUE_DEPTH, "best_effort")),
    "mask_labels": (LabelInfo, LATCHED),
    "status": (PerceptionStatus, _queue(_QUEUE_DEPTH)),
}
"""Type and quality of service of each output that is recorded, by its name in result_topics."""
# Results whose other messages came before the recording began, or after it ended.
_AT_THE_ENDS = 2
_PICTURES = (CompressedImage, _queue(_MASK_QUEUE_DEPTH, "best_effort"))
_NEEDED = (
    "expected pictures whose people are pixelated; set `anonymise` on the perception node, and "
    "remap no other topic to this one"
)


class RecorderNode(Node):
    """Subscribes raw (serialised) to the perception node's outputs and writes what comes.

    Attributes:
        counts: messages by topic, as named in the bag.
        losses: messages that were published meanwhile and are not in the bag, by topic.
        refused: pictures that do not say that their people are pixelated.
        finished: recording has ended because the bag can't be written any more.

    Raises:
        ConfigError, ReplayError: there is such a bag, or it can't be written.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("recorder", **kwargs)
        config = NodeParameters(self, RecorderConfig).read()
        self.finished = False
        self.counts: dict[str, int] = {}
        self.losses: dict[str, Losses] = {}
        self.refused = 0
        self._failed, self._timeless = False, 0
        self._writer = _open_bag(config)
        self._cameras = config.cameras or ("",)
        for camera in self._cameras:
            self._record(camera)
            if config.anonymise:
                self._record_topic(anonymised_topic(camera), *_PICTURES)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_SILENCE_PERIOD_S, self._explain_silence, clock=steady)

    @property
    def exit_status(self) -> int:
        """0 after detections of every camera, and pictures where asked for; 2 without any detections.

        1 where the bag could not be finished, messages were lost or came while the ROS clock stood at
        0, a camera's detections or pictures are missing, statuses or masks are fewer than detections,
        or pictures were refused.
        """
        if not any(count for topic, count in self.counts.items() if _is_detections(topic)):
            return 1 if self._failed else 2
        lost = any(losses.total for losses in self.losses.values())
        return int(
            self._failed
            or bool(self.refused or self._timeless)
            or bool(self._missing or self._short)
            or lost
        )

    @property
    def _missing(self) -> list[str]:
        """Topics of detections and pictures that never brought any."""
        return [
            topic[1:]
            for topic, count in self.counts.items()
            if not count and (_is_detections(topic) or _is_pictures(topic))
        ]

    @property
    def _short(self) -> dict[str, int]:
        """How many statuses and masks are fewer than the detections, by topic.

        Perception publishes one of each for every result, masks where it tells their classes. What came
        while the recording began or ended may lack its partners.
        """
        found = {}
        for topics in map(result_topics, self._cameras):
            results = self.counts[topics["detections"]]
            for name in ("status", *(("mask",) if self.counts[topics["mask_labels"]] else ())):
                lacking = results - self.counts[topics[name]]
                if lacking > _AT_THE_ENDS:
                    found[topics[name]] = lacking
        return found

    def _record(self, camera: str) -> None:
        named = result_topics(camera)
        for name, (kind, qos) in RECORDED.items():
            self._record_topic(named[name], kind, qos)

    def _record_topic(self, topic: str, kind: type, qos: QoSProfile) -> None:
        self.counts[topic] = 0
        if qos is not LATCHED:  # Of a latched topic the last message says all.
            self.losses[topic] = Losses()
        self._writer.add_topic(topic, f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}")
        # Relative, so that namespaces apply; in the bag the names stand without one.
        overridable(self.create_subscription, kind, topic[1:], self._keeper(topic), qos, raw=True)

    def _keeper(self, topic: str) -> Callable[[bytes, Any], None]:
        """What writes a topic's messages as they come, still serialised."""
        losses = self.losses.get(topic)

        def keep(cdr: bytes, info: Any) -> None:
            if losses and (missed := losses.missed(info)) > 0:
                self.get_logger().warning(
                    f"{topic[1:]}: {missed} messages are lost",
                    throttle_duration_sec=5.0,
                )
            if self.finished or (_is_pictures(topic) and not self._may_be_kept(topic, cdr)):
                return
            now = self.get_clock().now().nanoseconds
            self._timeless += not now
            try:
                self._writer.write_cdr(topic, now, cdr)
            except OSError as error:
                # For good: after a gap the bag would look whole.
                self.finished = self._failed = True
                self.get_logger().error(f"recording stopped: {error}")
                return
            self.counts[topic] += 1

        return keep

    def _may_be_kept(self, topic: str, cdr: bytes) -> bool:
        """Whether a picture says that its people are pixelated; else it is counted and refused."""
        if has_mark(bytes(deserialize_message(cdr, CompressedImage).data)):
            return True
        self.refused += 1
        self.get_logger().error(f"{topic[1:]}: picture refused: {_NEEDED}", throttle_duration_sec=5)
        return False

    def _explain_silence(self) -> None:
        """Say why nothing comes, as long as a camera's detections or pictures were never heard.

        And that the ROS clock does not run.
        """
        if not self.get_clock().now().nanoseconds:
            self.get_logger().warning(_NO_CLOCK)
        for topic, count in self.counts.items():
            if _is_detections(topic) and not count:
                heard = what_is_heard(self, topic[1:], *RECORDED["detections"])
                self.get_logger().warning(
                    f"{heard} If the perception node has `cameras`, give the recorder the same."
                )
            if _is_pictures(topic) and not count:
                heard = what_is_heard(self, topic[1:], *_PICTURES)
                self.get_logger().warning(f"{heard}; {_NEEDED}")

    def close(self) -> None:
        """Finish the bag; where the disk is full it ends without an index.

        As one that was cut short.
        """
        try:
            self._writer.__exit__(None, None, None)
        except OSError as error:
            self._failed = True
            self.get_logger().error(f"bag not finished: {error}")
        counts = ", ".join(f"{topic[1:]}: {count}" for topic, count in self.counts.items())
        refused = f"; pictures refused: {self.refused}" if self.refused else ""
        self.get_logger().info(counts + refused)
        if self._timeless:
            self.get_logger().error(
                f"{self._timeless} messages are recorded at time 0: {_NO_CLOCK}"
            )
        if lost := {topic[1:]: item.total for topic, item in self.losses.items() if item.total}:
            text = ", ".join(f"{topic}: {count}" for topic, count in lost.items())
            self.get_logger().error(f"messages lost, which the bag lacks: {text}")
        if self.exit_status != 2 and (short := self._short):
            text = ", ".join(f"{topic[1:]}: {count}" for topic, count in short.items())
            self.get_logger().error(f"fewer messages than detections, which the bag lacks: {text}")
        if self._missing and self.exit_status != 2:
            self.get_logger().error(f"nothing was recorded of {', '.join(self._missing)}")
        if self.exit_status == 2:
            self.get_logger().error(
                "no detections were recorded: expected the perception node to be active, with this "
                "namespace and these `cameras`."
            )


def _is_detections(topic: str) -> bool:
    return topic.rpartition("/")[2] == "detections"


def _is_pictures(topic: str) -> bool:
    return topic.endswith(anonymised_topic(""))


def _open_bag(config: RecorderConfig) -> BagWriter:
    folder = Path(config.bag or time.strftime("perception_bag_%Y_%m_%d-%H_%M_%S"))
    if folder.exists() and not config.overwrite:
        raise ConfigError(
            f"bag: expected a folder that is not there yet, found {folder}; choose another with "
            "-p bag:=FOLDER, or replace it with -p overwrite:=true."
        )
    try:
        return BagWriter(folder, replace=config.overwrite).__enter__()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReplayError(f"bag: can't write {folder}: {reason}; choose another folder.") from error
