"""A node's ROS clock, held against what may come on /clock."""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node


def guard_clock(node: Node) -> None:
    """Ignore and log a /clock message that rclpy can't take, such as a negative time.

    rclpy reads /clock in a subscription of its own and raises there, which would end the process.
    An ignored message leaves the clock standing.
    """
    source: Any = getattr(node, "_time_source", None)
    if source is None or not hasattr(source, "clock_callback"):
        return
    take = source.clock_callback

    def guarded(message: Any) -> None:
        try:
            take(message)
        except (ValueError, OverflowError, TypeError) as error:
            node.get_logger().error(
                f"/clock: expected a time of 0 or later, got {message.clock.sec} s: {error}",
                throttle_duration_sec=5.0,
            )

    source.clock_callback = guarded
    if getattr(source, "_clock_sub", None) is not None:
        source._clock_sub.callback = guarded


class ClockWatch:
    """Finds out whether ROS time goes on.

    Args:
        node: whose clock.
    """

    def __init__(self, node: Node) -> None:
        self._node, self._last_ns, self._moved_at = node, 0, time.monotonic()

    def now_ns(self) -> int:
        """The ROS time, nanoseconds."""
        now = int(self._node.get_clock().now().nanoseconds)
        if now != self._last_ns:
            self._last_ns, self._moved_at = now, time.monotonic()
        return now

    def stands_since(self) -> float:
        """For how long the ROS time has been the same, s of real time."""
        self.now_ns()
        return time.monotonic() - self._moved_at
