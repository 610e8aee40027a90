"""Transforms from /tf and /tf_static, for nodes that need a camera's pose.

The reader needs the message type only, so it works where tf2_ros is not installed, and behaves the
same where it is.
"""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mtv_perception.geometry.frames import FrameError, FrameTree, Rigid
from mtv_perception.ros.conversions import stamp_ns

# As tf2's listener.
_DEPTH = 100
_STATIC_QOS = QoSProfile(
    depth=_DEPTH,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    reliability=ReliabilityPolicy.RELIABLE,
)
_QOS = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
# Who publishes is asked of the graph at most this often, s.
_GRAPH_PERIOD = 0.2
_GID_BYTES = 16


class TransformReader:
    """All transforms that a node hears of.

    Args:
        node: that subscribes.

    Raises:
        ImportError: tf2_msgs is not installed.
    """

    def __init__(self, node: Node) -> None:
        from tf2_msgs.msg import TFMessage

        self._node, self._tree = node, FrameTree()
        self._publisher_of: dict[str, bytes] = {}
        self._alive: set[bytes] = set()
        self._ever_alive: set[bytes] = set()
        self._looked_at = float("-inf")
        self._subscriptions = [
            node.create_subscription(TFMessage, "/tf", self._on_moving, _QOS),
            node.create_subscription(TFMessage, "/tf_static", self._on_static, _STATIC_QOS),
        ]

    def lookup(self, target: str, source: str, stamp: int, longest_ns: int) -> Rigid:
        """Where frame `source` sits in frame `target`.

        Args:
            target: frame of the answer.
            source: frame asked for.
            stamp: at which time, nanoseconds.
            longest_ns: how much older than this the newest transform on the way may be.

        Raises:
            FrameError: there is no such transform at this time, or the publisher of a static one is
                gone.
        """
        place = self._tree.lookup(target, source, stamp, longest_ns)
        for name in self._tree.static_frames(target, source):
            if self._is_gone(name):
                raise FrameError(f"the publisher of {name!r} on /tf_static is gone")
        return place

    def destroy(self) -> None:
        """Take the subscriptions away."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_moving(self, message: Any) -> None:
        self._take(message, False)

    def _on_static(self, message: Any, info: Any) -> None:
        self._take(message, True)
        for item in message.transforms:
            self._publisher_of[item.child_frame_id.lstrip("/")] = publisher_gid(info)

    def _take(self, message: Any, is_static: bool) -> None:
        for item in message.transforms:
            move, turn = item.transform.translation, item.transform.rotation
            place: Rigid | str
            try:
                place = Rigid.of((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
            except FrameError as error:
                place = str(error)
            stamp = stamp_ns(item.header)
            self._tree.add(item.header.frame_id, item.child_frame_id, stamp, place, is_static)

    def _is_gone(self, name: str) -> bool:
        """Whether who placed a static frame has left the graph."""
        if time.monotonic() - self._looked_at > _GRAPH_PERIOD:
            self._looked_at = time.monotonic()
            name_of_topic = self._node.resolve_topic_name("/tf_static")
            found = self._node.get_publishers_info_by_topic(name_of_topic)
            self._alive = {bytes(item.endpoint_gid[:_GID_BYTES]) for item in found}
            self._ever_alive |= self._alive
        gid = self._publisher_of.get(name, b"")
        # A middleware that names publishers differently in messages and in the graph tells their
        # number only.
        return gid not in self._alive if gid in self._ever_alive else not self._alive


def publisher_gid(info: Any) -> bytes:
    """Who published a message, from rclpy's message info.

    Empty where the middleware does not tell.
    """
    gid = info.get("publisher_gid") if isinstance(info, dict) else None
    return bytes(gid["data"])[:_GID_BYTES] if gid else b""
