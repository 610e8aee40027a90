"""Records the perception node's topics into an mcap bag, as they arrive, without rosbag2."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

from mtv_perception.bags.topics import result_topics
from mtv_perception.bags.writer import BagWriter
from mtv_perception.config import fixed
from mtv_perception.errors import ConfigError, ReplayError
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.parameters import NodeParameters
from mtv_perception.ros.qos import LATCHED, newest_only, overridable
from mtv_perception.ros.silence import what_is_heard

_QUEUE_DEPTH = 50
# Masks are large; whoever records them as they come needs no long queue.
_MASK_QUEUE_DEPTH = 20
_SILENCE_PERIOD_S = 5.0


@dataclass(frozen=True)
class RecorderConfig:
    """What a user may set on the recorder, at start."""

    bag: str = fixed("", "Folder of the new bag. Empty: perception_bag_ with date and time.")
    overwrite: bool = fixed(False, "Replace a bag that stands in this folder.")
    cameras: tuple[str, ...] = fixed(
        (), "Names of the perception node's cameras, as in its own `cameras`. Empty: one camera."
    )


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


class RecorderNode(Node):
    """Subscribes raw (serialised) to the perception node's outputs and writes what comes.

    Attributes:
        counts: messages by topic, as named in the bag.
        finished: recording has ended because the bag can't be written any more.

    Raises:
        ConfigError, ReplayError: there is such a bag, or it can't be written.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("recorder", **kwargs)
        config = NodeParameters(self, RecorderConfig).read()
        self.finished = False
        self.counts: dict[str, int] = {}
        self._failed = False
        self._writer = _open_bag(config)
        for camera in config.cameras or ("",):
            self._record(camera)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_SILENCE_PERIOD_S, self._explain_silence, clock=steady)

    @property
    def exit_status(self) -> int:
        """0 after detections were recorded, 1 where the bag could not be finished.

        2 without any.
        """
        recorded = any(count for topic, count in self.counts.items() if _is_detections(topic))
        return 1 if self._failed else 0 if recorded else 2

    def _record(self, camera: str) -> None:
        named = result_topics(camera)
        for name, (kind, qos) in RECORDED.items():
            topic = named[name]
            self.counts[topic] = 0
            self._writer.add_topic(topic, f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}")
            # Relative, so that namespaces apply; in the bag the names stand without one.
            overridable(
                self.create_subscription, kind, topic[1:], self._keeper(topic), qos, raw=True
            )

    def _keeper(self, topic: str) -> Callable[[bytes], None]:
        """What writes a topic's messages as they come, still serialised."""

        def keep(cdr: bytes) -> None:
            if self.finished:
                return
            try:
                self._writer.write_cdr(topic, self.get_clock().now().nanoseconds, cdr)
            except OSError as error:
                # For good: after a gap the bag would look whole.
                self.finished = self._failed = True
                self.get_logger().error(f"recording stopped: {error}")
                return
            self.counts[topic] += 1

        return keep

    def _explain_silence(self) -> None:
        """Say why nothing comes, as long as a camera's detections were never heard."""
        for topic, count in self.counts.items():
            if _is_detections(topic) and not count:
                self.get_logger().warning(what_is_heard(self, topic[1:], *RECORDED["detections"]))

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
        self.get_logger().info(counts)
        if self.exit_status == 2:
            self.get_logger().error(
                "no detections were recorded: expected the perception node to be active, with this "
                "namespace and these `cameras`."
            )


def _is_detections(topic: str) -> bool:
    return topic.rpartition("/")[2] == "detections"


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
