"""The zones node: detections, their status and masks in; occupied, free or unknown out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from mtv_perception.errors import ConfigError
from mtv_perception.msg import ZoneStateArray
from mtv_perception.ros.clock import guard_clock
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.diagnostics import diagnostic_array, make_status
from mtv_perception.ros.qos import overridable, watched
from mtv_perception.ros.silence import why_twin
from mtv_perception.ros.transforms import TransformReader
from mtv_perception.ros.zones.conversions import (
    stamped,
    without_old_markers,
    zone_markers,
    zone_state,
)
from mtv_perception.ros.zones.feed import ZoneFeed
from mtv_perception.zones.config import TF, CameraConfig, ZonesConfig, load_zones
from mtv_perception.zones.status import ZoneStatus

_DIAGNOSTICS_PERIOD = 1.0
_SHORTEST_TICK = 0.01
_FAREWELL = Duration(seconds=0.5)
PARAMETERS = {
    "zones_file": "Path of the zones file. A file that can't be used is refused, and the old one stays.",
    "base_frame": "Floor frame of all cameras, whose poses then come from TF; empty: as the zones file says.",
}
"""Names and meaning; each is a text, empty by default."""


class ZonesNode(Node):
    """Watches the zones of a zones file.

    Publishes `~/zones` after every result and every `repeat` seconds; beside it a cloud of occupied
    and unknown places for each camera, and markers for rviz.

    Args:
        kwargs: of rclpy's Node.

    Raises:
        ConfigError: the zones file can't be read or is wrong.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("zones", **kwargs)
        guard_clock(self)
        file, base_frame = (
            str(self.declare_parameter(name, "", ParameterDescriptor(description=text)).value)
            for name, text in PARAMETERS.items()
        )
        self._transforms: TransformReader | None = None
        self._feeds: list[ZoneFeed] = []
        self._sequence = 0
        self._published_at, self._said_valid = 0.0, frozenset[str]()
        self._markers = overridable(self.create_publisher, MarkerArray, "~/markers", 1)
        self._diagnostics = overridable(self.create_publisher, DiagnosticArray, "/diagnostics", 5)
        self._use(_read(file, base_frame))
        self.add_on_set_parameters_callback(self._check)
        self.add_post_set_parameters_callback(self._apply)

    def close(self) -> None:
        """Say once more that nothing is known from now on."""
        self._publish_unknown("zones_node has ended")
        # The publisher goes with the node: on a busy machine before the message has arrived.
        self._zones.wait_for_all_acked(_FAREWELL)

    # What is watched

    def _use(self, config: ZonesConfig) -> None:
        """Watch what a zones file says from now on."""
        self._config = config
        if any(_takes_pose_from_tf(camera) for camera in config.cameras) and not self._transforms:
            self._transforms = TransformReader(self)
        longest = max(config.deadline, 2 * config.repeat)
        self._zones = overridable(
            self.create_publisher, ZoneStateArray, "~/zones", watched(5, longest)
        )
        self._feeds, self._watches = [], []
        for camera in config.cameras:
            transforms = self._transforms if _takes_pose_from_tf(camera) else None
            self._feeds.append(ZoneFeed(self, camera, config, self._judged, transforms))
        tick = max(_SHORTEST_TICK, min(config.repeat, config.mask_wait or config.repeat) / 2)
        # Deadlines are watched on a clock that neither stops nor jumps, whatever ROS time does.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._watches = [
            self.create_timer(tick, self._guarded(self._tick), clock=steady),
            self.create_timer(_DIAGNOSTICS_PERIOD, self._guarded(self._diagnose), clock=steady),
        ]
        count = sum(len(camera.zones) for camera in config.cameras)
        self.get_logger().info(f"watching {count} zones of {len(self._feeds)} cameras")

    def _release(self) -> None:
        self._publish_unknown("another zones file is taken into use")
        self._destroy()

    def _destroy(self) -> None:
        """Remove what `_use` has made, also where it failed half-way."""
        for timer in self._watches:
            self.destroy_timer(timer)
        for feed in self._feeds:
            feed.destroy()
        self.destroy_publisher(self._zones)

    def _wanted(self, changed: Sequence[Parameter]) -> ZonesConfig:
        values = {name: self.get_parameter(name).value for name in PARAMETERS}
        values |= {item.name: item.value for item in changed if item.name in PARAMETERS}
        return _read(str(values["zones_file"]), str(values["base_frame"]))

    def _check(self, changed: list[Parameter]) -> SetParametersResult:
        if any(item.name in PARAMETERS for item in changed):
            try:
                self._wanted(changed)
            except ConfigError as error:
                return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, changed: list[Parameter]) -> None:
        if not any(item.name in PARAMETERS for item in changed):
            return
        try:
            config = self._wanted(changed)
        except ConfigError as error:  # The file has changed since it was checked.
            self.get_logger().error(str(error))
            return
        old = self._config
        self._release()
        try:
            self._use(config)
        except Exception as error:  # Any error: keep watching the old zones.
            self.get_logger().error(f"zones file not used, the old one stays: {error}")
            self._destroy()
            self._use(old)

    # Publication

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _guarded(self, act: Any) -> Any:
        """A timer's callback whose failure is logged and leaves the node silent.

        Which consumers notice.
        """

        def call() -> None:
            try:
                act()
            except Exception as error:
                self.get_logger().error(
                    f"{type(error).__name__}: {error}", throttle_duration_sec=5.0
                )

        return call

    def _states(self) -> dict[str, tuple[ZoneStatus, ...]]:
        now = self._now_ns()
        return {feed.camera.name: feed.states(now) for feed in self._feeds}

    def _judged(self, feed: ZoneFeed, header: Header) -> None:
        """A camera has a new result."""
        feed.publish_points(self._states()[feed.camera.name], stamp_ns(header))
        self._publish(header)

    def _tick(self) -> None:
        """Publish what has become unknown at once, and all states at a fixed period."""
        for feed in self._feeds:
            feed.release_overdue()
        states = self._states()
        valid = _valid_zones(status for part in states.values() for status in part)
        due = time.monotonic() - self._published_at >= self._config.repeat
        if not due and self._said_valid <= valid:
            return
        now = self._now_ns()
        for feed in self._feeds:
            if not all(status.valid for status in states[feed.camera.name]):
                feed.publish_points(states[feed.camera.name], now)
        self._publish(stamped(now, ""))

    def _publish(self, header: Header) -> None:
        """Publish what holds at this moment.

        States are asked for last, after everything that takes time.
        """
        is_shown = self._markers.get_subscription_count() > 0
        states = [status for part in self._states().values() for status in part]
        self._send(states, header)
        self._published_at = time.monotonic()
        self._said_valid = _valid_zones(states)
        if is_shown:
            self._show({status.name: status for status in states})

    def _publish_unknown(self, reason: str) -> None:
        now = self._now_ns()
        zones = [zone for feed in self._feeds for zone in feed.camera.zones]
        states = [ZoneStatus(z.name, False, False, now, now, reason=reason) for z in zones]
        self._send(states, stamped(now, ""))

    def _send(self, states: Sequence[ZoneStatus], header: Header) -> None:
        frames = {zone.name: feed.frame_id for feed in self._feeds for zone in feed.camera.zones}
        zones = [zone_state(status, frames[status.name]) for status in states]
        self._sequence += 1
        message = ZoneStateArray(header=header, zones=zones, sequence=self._sequence)
        self._zones.publish(message)

    def _show(self, states: dict[str, ZoneStatus]) -> None:
        lifetime = self._config.deadline + self._config.repeat
        array = zone_markers(self._config.cameras, states, self._now_ns(), lifetime)
        # Every time, for a display may miss the first message.
        frame_id = self._config.cameras[0].floor_frame
        self._markers.publish(without_old_markers(array, frame_id))

    # Diagnostics

    def _diagnose(self) -> None:
        statuses = [self._diagnosis(feed) for feed in self._feeds]
        self._diagnostics.publish(diagnostic_array(self.get_clock().now().to_msg(), statuses))
        silent = [sentence for feed in self._feeds for sentence in feed.silent_topics()]
        if silent:
            self.get_logger().warning("\n".join(silent), throttle_duration_sec=10.0)

    def _diagnosis(self, feed: ZoneFeed) -> DiagnosticStatus:
        states = feed.states(self._now_ns())
        unknown = [status for status in states if not status.valid]
        occupied = [status.name for status in states if status.valid and status.occupied]
        values = {name: str(value) for name, value in vars(feed.admission).items()}
        values |= {"refused": str(feed.refused), "without_mask": str(feed.without_mask)}
        values |= {"without_status": str(feed.without_status)}
        values |= {"unknown": ", ".join(s.name for s in unknown), "occupied": ", ".join(occupied)}
        values |= {f"reason {status.name}": status.reason for status in unknown}
        told = "; ".join(f"{status.name} ({status.reason})" for status in unknown)
        told = f"unknown: {told}" if told else ""
        problems = "; ".join(filter(None, (why_twin(self, "~/zones"), told)))
        level = DiagnosticStatus.ERROR if problems else DiagnosticStatus.OK
        name = self.get_fully_qualified_name()
        title = f"{name}: {feed.camera.name}" if feed.camera.name else name
        return make_status(title, "", level, problems or "watching", values)


def _read(file: str, base_frame: str) -> ZonesConfig:
    if not file:
        raise ConfigError(
            "zones_file: expected the path of a zones file, got none; see config/zones.yaml."
        )
    return load_zones(Path(file), base_frame)


def _valid_zones(states: Iterable[ZoneStatus]) -> frozenset[str]:
    return frozenset(status.name for status in states if status.valid)


def _takes_pose_from_tf(camera: CameraConfig) -> bool:
    return camera.pose_from == TF and camera.has_floor_zones
