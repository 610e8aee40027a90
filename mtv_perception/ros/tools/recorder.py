"""Records the perception node's topics into an mcap bag, as they arrive, without rosbag2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

from mtv_perception.bags.writer import BagWriter
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.qos import LATCHED, newest_only

TOPICS: dict[str, tuple[type, Callable[[], QoSProfile]]] = {
    "detections": (Detection2DArray, lambda: QoSProfile(depth=50)),
    "label_info": (LabelInfo, lambda: LATCHED),
    "vision_info": (VisionInfo, lambda: LATCHED),
    "segmentation/mask": (Image, lambda: _queue("best_effort")),
    "segmentation/label_info": (LabelInfo, lambda: LATCHED),
    "perception/status": (PerceptionStatus, lambda: QoSProfile(depth=50)),
}


def _queue(reliability: str) -> QoSProfile:
    profile = newest_only(reliability)
    profile.depth = 20
    return profile


class RecorderNode(Node):
    """Subscribes raw (serialised) to every topic of TOPICS and writes what comes.

    Attributes:
        counts: messages by topic.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("recorder", **kwargs)
        folder = Path(self.declare_parameter("bag", "perception_bag").value)
        self.counts = dict.fromkeys(TOPICS, 0)
        self._stopped = False
        self._writer = BagWriter(folder, replace=True).__enter__()
        for topic, (kind, qos) in TOPICS.items():
            self._writer.add_topic(
                f"/{topic}", f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
            )
            self.create_subscription(kind, topic, self._keeper(topic), qos(), raw=True)

    def _keeper(self, topic: str) -> Callable[[bytes], None]:
        """What writes a topic's messages as they come, still serialised."""

        def keep(cdr: bytes) -> None:
            if self._stopped:
                return
            try:
                self._writer.write_cdr(f"/{topic}", self.get_clock().now().nanoseconds, cdr)
            except OSError as error:
                # For good: after a gap the bag would look whole, and what can't be written must not
                # pile up in memory.
                self._stopped = True
                self.get_logger().error(f"recording stopped: {error}")
                return
            self.counts[topic] += 1

        return keep

    def close(self) -> None:
        """Finish the bag; where the disk is full it ends without an index, as one that was cut short."""
        try:
            self._writer.__exit__(None, None, None)
        except OSError as error:
            self.get_logger().error(f"bag not finished: {error}")
        self.get_logger().info(
            ", ".join(f"{topic}: {count}" for topic, count in self.counts.items())
        )


def main(args: Sequence[str] | None = None) -> int:
    """`recorder_node`."""
    from mtv_perception.ros.spin import spin

    return spin(RecorderNode, args)
