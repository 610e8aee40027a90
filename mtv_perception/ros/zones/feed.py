"""One camera of the zones node: its subscriptions, and its monitor once calibration and class names are known."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from mtv_perception.errors import MtvError
from mtv_perception.geometry.camera import Intrinsics
from mtv_perception.labels import LabelSet
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.qos import LATCHED, newest_only
from mtv_perception.ros.zones.conversions import (
    detections_from,
    intrinsics_from,
    labels_from,
    mask_from,
    point_cloud,
    stamped,
)
from mtv_perception.types import Detections
from mtv_perception.zones.config import FLOOR, CameraConfig, ZonesConfig
from mtv_perception.zones.judge import Observation
from mtv_perception.zones.monitor import Admission, CameraMonitor, ZoneStatus
from mtv_perception.zones.pairing import Pairing
from mtv_perception.zones.points import obstacle_points

_NOTHING_YET = "no result yet"


class ZoneFeed:
    """What comes from one camera, and what holds for its zones.

    Args:
        node: the zones node.
        camera: what is watched.
        config: timing.
        changed: called with the feed and the image's header after a result was judged.
    """

    def __init__(
        self,
        node: Node,
        camera: CameraConfig,
        config: ZonesConfig,
        changed: Callable[[ZoneFeed, Header], None],
    ) -> None:
        self.camera, self.frame_id, self.refused, self.fault = camera, "", 0, _NOTHING_YET
        self._node, self._config, self._changed = node, config, changed
        self._labels: LabelSet | None = None
        self._intrinsics: Intrinsics | None = None
        self._monitor: CameraMonitor | None = None
        self._since_ns = node.get_clock().now().nanoseconds
        self._used_at = self._clock_moved_at = time.monotonic()
        self._clock_ns = self._since_ns
        self._pairs: Pairing[tuple[Header, Detections], Any] = Pairing(
            camera.wants_mask, config.mask_wait
        )
        prefix = f"{camera.name}/" if camera.name else ""
        self._points = node.create_publisher(PointCloud2, f"~/{prefix}points", 5)

        def listen(kind: type, topic: str, callback: Callable[[Any], None], qos: Any) -> None:
            node.create_subscription(kind, prefix + topic, self._guarded(callback), qos)

        listen(LabelInfo, "label_info", self._on_labels, LATCHED)
        listen(Detection2DArray, "detections", self._on_detections, 5)
        if camera.wants_mask:
            listen(Image, "segmentation/mask", self._on_mask, newest_only("best_effort"))
        needs_calibration = (
            any(zone.space == FLOOR for zone in camera.zones) and camera.intrinsics is None
        )
        if needs_calibration:
            listen(CameraInfo, "camera_info", self._on_camera_info, newest_only("best_effort"))
        self._needs_calibration = needs_calibration

    @property
    def admission(self) -> Admission:
        """What became of the results."""
        return self._monitor.admission if self._monitor else Admission()

    @property
    def without_mask(self) -> int:
        """Results whose mask did not come in time."""
        return self._pairs.without_mask

    def states(self, now_ns: int) -> tuple[ZoneStatus, ...]:
        """What holds now; unknown while calibration or class names are missing, or the ROS clock stands still."""
        if self._monitor is None:
            return tuple(
                ZoneStatus(z.name, False, False, self._since_ns, now_ns) for z in self.camera.zones
            )
        if now_ns != self._clock_ns:
            self._clock_ns, self._clock_moved_at = now_ns, time.monotonic()
        # A simulation may be slower than real time, and results with it, but its clock goes on.
        sim_time = self._node.get_parameter("use_sim_time").value
        alive_at = self._clock_moved_at if sim_time else self._used_at
        if time.monotonic() - alive_at > self._config.deadline + self._config.repeat:
            self._monitor.forget(now_ns)
        return self._monitor.states(now_ns)

    def release_overdue(self) -> None:
        """Judge detections whose mask did not come."""
        self._judge_all(self._pairs.overdue(time.monotonic()))

    def publish_points(self, states: tuple[ZoneStatus, ...], stamp: int) -> None:
        """Publish occupied and unknown places as a cloud."""
        points = obstacle_points(self.camera, states, self._config)
        self._points.publish(point_cloud(points, stamped(stamp, self.camera.floor_frame)))

    def _guarded(self, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """A message that can't be used is counted and logged, and never ends the node."""

        def call(message: Any) -> None:
            try:
                callback(message)
            except Exception as error:  # Whatever it is: without a result the zones become unknown.
                expected = isinstance(error, (ValueError, MtvError))
                self.refused += 1
                self.fault = str(error) if expected else f"{type(error).__name__}: {error}"
                self._node.get_logger().error(
                    f"message refused: {self.fault}", throttle_duration_sec=5.0
                )

        return call

    def _on_labels(self, message: LabelInfo) -> None:
        try:
            labels = labels_from(message)
        except (ValueError, MtvError):
            self._labels = None  # What holds now is not known, so the zones aren't either.
            self._build()
            raise
        if labels != self._labels:
            self._labels = labels
            self._build()

    def _on_camera_info(self, message: CameraInfo) -> None:
        try:
            intrinsics = intrinsics_from(message)
        except (ValueError, MtvError):
            self._intrinsics = None  # As above.
            self._build()
            raise
        if intrinsics != self._intrinsics:
            self._intrinsics = intrinsics
            self._build()

    def _build(self) -> None:
        """A monitor for new class names or a new calibration; what it knew is unknown again."""
        if self._monitor:
            self._monitor, self._since_ns = None, self._node.get_clock().now().nanoseconds
        if self._labels is None or (self._needs_calibration and self._intrinsics is None):
            return
        self._monitor = CameraMonitor(
            self.camera, self._config, self._labels, self._intrinsics, self._since_ns
        )
        for name in self._monitor.blind_zones:
            self._node.get_logger().error(
                f"zone '{name}' lies outside of the image in part, so it is never free; see min_visible"
            )

    def _on_detections(self, message: Detection2DArray) -> None:
        if self._labels is None or self._monitor is None:
            if self.fault in ("", _NOTHING_YET):  # What was wrong with a message says more.
                self.fault = (
                    "no label_info yet" if self._labels is None else "no usable calibration yet"
                )
            return
        found = detections_from(message, self._labels)
        self._judge_all(
            self._pairs.add_detections(
                stamp_ns(message.header), (message.header, found), time.monotonic()
            )
        )

    def _on_mask(self, message: Image) -> None:
        self._judge_all(self._pairs.add_mask(stamp_ns(message.header), mask_from(message)))

    def _judge_all(self, ready: list[tuple[int, tuple[Header, Detections], Any]]) -> None:
        for stamp, (header, found), mask in ready:
            now_ns = self._node.get_clock().now().nanoseconds
            if self._monitor and self._monitor.observe(Observation(stamp, found, mask), now_ns):
                self._used_at, self.frame_id, self.fault = time.monotonic(), header.frame_id, ""
                self._changed(self, header)
