"""The zones node: detections and masks in, occupied, free or unknown out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from mtv_perception.config import load
from mtv_perception.errors import ConfigError
from mtv_perception.msg import ZoneStateArray
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.diagnostics import diagnostic_array, make_status
from mtv_perception.ros.zones.conversions import stamped, zone_markers, zone_state
from mtv_perception.ros.zones.feed import ZoneFeed
from mtv_perception.zones.config import ZonesConfig
from mtv_perception.zones.monitor import ZoneStatus

_DIAGNOSTICS_PERIOD = 1.0
_SHORTEST_TICK = 0.01


class ZonesNode(Node):
    """Watches the zones of a zones file.

    Publishes `~/zones` after every result and, while any zone is unknown, at least every `repeat`
    seconds; beside it a cloud of occupied and unknown places for each camera, and markers for rviz.

    Args:
        kwargs: of rclpy's Node.

    Raises:
        ConfigError: the zones file can't be read or is wrong.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("zones", **kwargs)
        file = str(self.declare_parameter("zones_file", "").value)
        if not file:
            raise ConfigError(
                "zones_file: expected the path of a zones file, got none; see config/zones.yaml."
            )
        self._config = load(ZonesConfig, Path(file))
        self._zones = self.create_publisher(ZoneStateArray, "~/zones", 5)
        self._markers = self.create_publisher(MarkerArray, "~/markers", 1)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 5)
        self._feeds = [
            ZoneFeed(self, camera, self._config, self._judged) for camera in self._config.cameras
        ]
        self._repeated_at = 0.0
        self._were_valid = False
        tick = max(
            _SHORTEST_TICK,
            min(self._config.repeat, self._config.mask_wait or self._config.repeat) / 2,
        )
        # Deadlines are watched on a clock that neither stops nor jumps, whatever ROS time does.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(tick, self._tick, clock=steady)
        self.create_timer(_DIAGNOSTICS_PERIOD, self._diagnose, clock=steady)
        count = sum(len(camera.zones) for camera in self._config.cameras)
        self.get_logger().info(f"watching {count} zones of {len(self._feeds)} cameras")

    def close(self) -> None:
        """Say once more that nothing is known from now on."""
        now = self.get_clock().now().nanoseconds
        unknown = [
            ZoneStatus(zone.name, False, False, now, now)
            for feed in self._feeds
            for zone in feed.camera.zones
        ]
        self._publish(unknown, stamped(now, ""))

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _judged(self, feed: ZoneFeed, header: Header) -> None:
        """A camera has a new result."""
        now = self._now_ns()
        states = {item.camera.name: item.states(now) for item in self._feeds}
        feed.publish_points(states[feed.camera.name], stamp_ns(header))
        self._publish([status for part in states.values() for status in part], header)

    def _tick(self) -> None:
        """Find out what has become unknown: publish that at once, and then again and again."""
        for feed in self._feeds:
            feed.release_overdue()
        now = self._now_ns()
        states = {feed.camera.name: feed.states(now) for feed in self._feeds}
        valid = all(status.valid for part in states.values() for status in part)
        news = self._were_valid and not valid
        due = time.monotonic() - self._repeated_at >= self._config.repeat
        if valid or not (news or due):
            return
        self._repeated_at = time.monotonic()
        for feed in self._feeds:
            if not all(status.valid for status in states[feed.camera.name]):
                feed.publish_points(states[feed.camera.name], now)
        self._publish([status for part in states.values() for status in part], stamped(now, ""))

    def _publish(self, states: Sequence[ZoneStatus], header: Header) -> None:
        frames = {zone.name: feed.frame_id for feed in self._feeds for zone in feed.camera.zones}
        zones = [zone_state(status, frames[status.name]) for status in states]
        self._zones.publish(ZoneStateArray(header=header, zones=zones))
        self._were_valid = all(status.valid for status in states)
        if self._markers.get_subscription_count():
            by_name = {status.name: status for status in states}
            self._markers.publish(zone_markers(self._config.cameras, by_name, self._now_ns()))

    def _diagnose(self) -> None:
        statuses = [self._diagnosis(feed) for feed in self._feeds]
        self._diagnostics.publish(diagnostic_array(self.get_clock().now().to_msg(), statuses))

    def _diagnosis(self, feed: ZoneFeed) -> DiagnosticStatus:
        states = feed.states(self._now_ns())
        unknown = [status.name for status in states if not status.valid]
        occupied = [status.name for status in states if status.valid and status.occupied]
        values = {name: str(value) for name, value in vars(feed.admission).items()}
        values |= {"refused": str(feed.refused), "without_mask": str(feed.without_mask)}
        values |= {"unknown": ", ".join(unknown), "occupied": ", ".join(occupied)}
        fault = f"unknown: {', '.join(unknown)}" + (f" ({feed.fault})" if feed.fault else "")
        level = DiagnosticStatus.ERROR if unknown else DiagnosticStatus.OK
        name = self.get_fully_qualified_name()
        title = f"{name}: {feed.camera.name}" if feed.camera.name else name
        return make_status(title, "", level, fault if unknown else "watching", values)
