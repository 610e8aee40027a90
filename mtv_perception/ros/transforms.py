"""Transforms from /tf and /tf_static, for nodes that need a camera's pose.

The reader needs the message type only, so it works where tf2_ros is not installed, and behaves the
same where it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mtv_perception.errors import ConfigError
from mtv_perception.geometry.frames import MOST_FRAMES, FrameError, FrameTree, Rigid
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.silence import name_of_node, what_is_heard

# As tf2's listener.
_DEPTH = 100
_STATIC_QOS = QoSProfile(
    depth=_DEPTH,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    reliability=ReliabilityPolicy.RELIABLE,
)
_QOS = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
# The graph of nodes is asked at most this often, s.
_GRAPH_PERIOD = 0.2
_GID_BYTES = 16
# Two publishers of one frame that place it nearer to each other agree: a moving frame is some
# centimetres further on when the second one tells of it.
_SAME_METRES, _SAME_DEGREES = 0.05, 2.0
# A moving frame of which a publisher says nothing for this long is no longer placed by it, s.
_FORGOTTEN = 1.0
# Of one frame: a node that is started again has a new publisher.
_MOST_CLAIMS = 8


@dataclass(frozen=True)
class _Claim:
    """Where a publisher places a frame."""

    parent: str
    place: Rigid
    is_static: bool
    at: float

    def differs(self, other: _Claim) -> bool:
        if self.parent != other.parent:
            return True
        return self.place.differs(other.place, _SAME_METRES, _SAME_DEGREES)


class TransformReader:
    """All transforms that a node hears of.

    Args:
        node: that subscribes.

    Raises:
        ConfigError: tf2_msgs is not installed.
    """

    def __init__(self, node: Node) -> None:
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError as error:
            raise ConfigError(
                "Expected the message package tf2_msgs to take the camera's pose from TF, found none. Install it "
                "(apt: ros-$ROS_DISTRO-tf2-msgs; without ROS: make setup), or give the pose: position in the zones "
                "file, camera_position of ranging_node."
            ) from error
        self._node, self._tree = node, FrameTree()
        self._publisher_of: dict[str, bytes] = {}
        self._claims: dict[str, dict[bytes, _Claim]] = {}
        self._heard: set[bool] = set()
        self._alive: set[bytes] = set()
        self._who: dict[bytes, str] = {}
        self._ever_alive: set[bytes] = set()
        self._looked_at = self._unheard_at = float("-inf")
        self._unheard = ""
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
            FrameError: there is no such transform at this time, two publishers place a frame
                differently, or the publisher of a static one is gone.
        """
        for name in self._tree.way(target, source):
            if rivals := self._rivals(name):
                raise FrameError(
                    f"frame {name!r} is placed differently by {' and '.join(rivals)}; let one of them "
                    "publish it"
                )
        try:
            place = self._tree.lookup(target, source, stamp, longest_ns)
        except FrameError as error:
            hint = self._what_is_unheard()
            raise FrameError(f"{error}. {hint}" if hint else str(error)) from error
        for name in self._tree.static_frames(target, source):
            if self._is_gone(name):
                raise FrameError(f"the publisher of {name!r} on /tf_static is gone")
        return place

    def destroy(self) -> None:
        """Take the subscriptions away."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_moving(self, message: Any, info: Any) -> None:
        self._take(message, False, publisher_gid(info))

    def _on_static(self, message: Any, info: Any) -> None:
        self._take(message, True, publisher_gid(info))
        for item in message.transforms:
            self._publisher_of[item.child_frame_id.lstrip("/")] = publisher_gid(info)

    def _take(self, message: Any, is_static: bool, publisher: bytes) -> None:
        self._heard.add(is_static)
        for item in message.transforms:
            move, turn = item.transform.translation, item.transform.rotation
            place: Rigid | str
            try:
                place = Rigid.of((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
            except FrameError as error:
                place = str(error)
            stamp = stamp_ns(item.header)
            parent, child = item.header.frame_id, item.child_frame_id
            self._tree.add(parent, child, stamp, place, is_static)
            if isinstance(place, Rigid):
                claim = _Claim(parent.lstrip("/"), place, is_static, time.monotonic())
                self._claim(child.lstrip("/"), publisher, claim)

    def _claim(self, child: str, publisher: bytes, claim: _Claim) -> None:
        if child not in self._claims and len(self._claims) >= MOST_FRAMES:
            return
        claims = self._claims.setdefault(child, {})
        claims.pop(publisher, None)
        claims[publisher] = claim
        if len(claims) > _MOST_CLAIMS:
            del claims[next(iter(claims))]

    def _rivals(self, name: str) -> list[str]:
        """Who place a frame otherwise than each other; empty where all agree."""
        claims = self._claims.get(name, {})
        if len(claims) < 2:
            return []
        self._look_at_graph()
        now = time.monotonic()
        present = {
            publisher: claim
            for publisher, claim in claims.items()
            if (publisher in self._alive if claim.is_static else now - claim.at <= _FORGOTTEN)
        }
        told = list(present.values())
        if not any(told[-1].differs(other) for other in told[:-1]):
            return []
        return sorted(
            f"{self._who.get(publisher, 'a publisher')} (in {claim.parent!r})"
            for publisher, claim in present.items()
        )

    def _what_is_unheard(self) -> str:
        """What is seen of /tf_static and /tf where nothing was heard of one that has publishers, or of both."""
        # The graph takes milliseconds, and results come many times a second.
        if time.monotonic() - self._unheard_at > _GRAPH_PERIOD:
            self._unheard = self._ask_what_is_unheard()
            self._unheard_at = time.monotonic()
        return self._unheard

    def _ask_what_is_unheard(self) -> str:
        from tf2_msgs.msg import TFMessage

        return " ".join(
            what_is_heard(self._node, topic, TFMessage, qos)
            for topic, qos, is_static in (("/tf_static", _STATIC_QOS, True), ("/tf", _QOS, False))
            if is_static not in self._heard
            and (not self._heard or self._node.count_publishers(topic))
        )

    def _is_gone(self, name: str) -> bool:
        """Whether who placed a static frame has left the graph."""
        self._look_at_graph()
        gid = self._publisher_of.get(name, b"")
        # A middleware that names publishers differently in messages and in the graph tells their
        # number only.
        return gid not in self._alive if gid in self._ever_alive else not self._alive

    def _look_at_graph(self) -> None:
        """Who publishes static frames now, and the names of all publishers."""
        if time.monotonic() - self._looked_at <= _GRAPH_PERIOD:
            return
        self._looked_at = time.monotonic()
        found = {
            topic: {
                bytes(item.endpoint_gid[:_GID_BYTES]): name_of_node(item)
                for item in self._node.get_publishers_info_by_topic(
                    self._node.resolve_topic_name(topic)
                )
            }
            for topic in ("/tf_static", "/tf")
        }
        self._alive = set(found["/tf_static"])
        self._ever_alive |= self._alive
        self._who = found["/tf"] | found["/tf_static"]


def publisher_gid(info: Any) -> bytes:
    """Who published a message, from rclpy's message info.

    Empty where the middleware does not tell.
    """
    gid = info.get("publisher_gid") if isinstance(info, dict) else None
    return bytes(gid["data"])[:_GID_BYTES] if gid else b""
