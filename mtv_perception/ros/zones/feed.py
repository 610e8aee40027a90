"""One camera of the zones node: what comes from it, and what holds for its zones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from mtv_perception.errors import MtvError
from mtv_perception.geometry.camera import Intrinsics
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.calibration import CalibrationReader, why_other_frame
from mtv_perception.ros.clock import ClockWatch
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.diagnostics import shorten
from mtv_perception.ros.qos import newest_only, overridable
from mtv_perception.ros.silence import Hearing
from mtv_perception.ros.transforms import TransformReader, publisher_gid
from mtv_perception.ros.zones.conversions import (
    detections_from,
    mask_from,
    point_cloud,
    source_from,
    source_of_another_detector,
    stamped,
    without_other_classes,
)
from mtv_perception.ros.zones.pose import CameraPose
from mtv_perception.types import NANOSECONDS
from mtv_perception.zones.config import PERCEPTION, CameraConfig, ZonesConfig
from mtv_perception.zones.judge import Observation
from mtv_perception.zones.monitor import CameraMonitor
from mtv_perception.zones.pairing import DETECTIONS, MASK, STATUS, Pairing, Parts
from mtv_perception.zones.points import obstacle_points
from mtv_perception.zones.source import View
from mtv_perception.zones.status import Admission, ZoneStatus

_CALIBRATION = "camera_info"
# Bytes of a publisher's id that name its process in Fast DDS: the prefix of a DDS GUID. Other
# middleware has no common part, so the parts of a result are paired by stamp alone.
_PROCESS_BYTES = 12
_QUEUE = QoSProfile(depth=5)


class ZoneFeed:
    """What comes from one camera, and what holds for its zones.

    Args:
        node: the zones node.
        camera: what is watched.
        config: timing.
        changed: called with the feed and the image's header after a result was judged.
        transforms: where poses come from TF.
    """

    def __init__(
        self,
        node: Node,
        camera: CameraConfig,
        config: ZonesConfig,
        changed: Callable[[ZoneFeed, Header], None],
        transforms: TransformReader | None,
    ) -> None:
        self.camera, self.frame_id, self.refused, self.fault = camera, "", 0, ""
        self._node, self._config, self._changed = node, config, changed
        self._clock = ClockWatch(node)
        self._monitor = CameraMonitor(camera, config, self._clock.now_ns())
        self._pairs = Pairing(
            camera.wants_mask, config.mask_wait, wants_status=camera.detector == PERCEPTION
        )
        self._pose = CameraPose(camera, transforms, round(config.deadline * NANOSECONDS))
        given = camera.intrinsics
        self._calibration: Intrinsics | None = given.intrinsics() if given else None
        self._calibrations = CalibrationReader(camera.rectified)
        self._no_calibration = self._calibrated_frame = ""
        self._used_at = time.monotonic()
        self._hearing = Hearing(node, config.deadline)
        self._without_masks = False
        self._subscriptions: list[Any] = []
        self._points: Any = None
        try:
            self._open(node)
        except Exception:
            self.destroy()
            raise

    def _open(self, node: Node) -> None:
        """Create the camera's topics."""
        camera = self.camera
        prefix = f"{camera.name}/" if camera.name else ""
        self._points = overridable(node.create_publisher, PointCloud2, f"~/{prefix}points", 5)
        self._listen(DETECTIONS, Detection2DArray, f"{prefix}detections", _QUEUE)
        if camera.detector == PERCEPTION:
            self._listen(STATUS, PerceptionStatus, f"perception/{prefix}status", _QUEUE)
        if camera.wants_mask:
            self._listen(MASK, Image, f"{prefix}segmentation/mask", newest_only("best_effort"))
        if camera.has_floor_zones and camera.intrinsics is None:
            self._listen(
                _CALIBRATION, CameraInfo, f"{prefix}camera_info", newest_only("best_effort")
            )
            self._no_calibration = (
                f"no camera_info yet: nothing on {self._hearing.topic(_CALIBRATION)}"
            )

    @property
    def admission(self) -> Admission:
        """What became of the results."""
        return self._monitor.admission

    @property
    def without_mask(self) -> int:
        """Results whose mask did not come in time."""
        return self._pairs.without_mask

    @property
    def without_status(self) -> int:
        """Detections that were not used because no status of the same image came."""
        return self._pairs.without_status

    def states(self, now_ns: int) -> tuple[ZoneStatus, ...]:
        """What holds now; unknown while anything needed is missing or the ROS clock stands still."""
        # A simulation may be slower than real time, and results with it, but its clock goes on.
        sim_time = self._node.get_parameter("use_sim_time").value
        limit = self._config.deadline + self._config.repeat
        if sim_time and self._clock.stands_since() > limit:
            self._monitor.forget(now_ns, "the ROS clock (/clock) stands still")
        elif not sim_time and self.admission.used and time.monotonic() - self._used_at > limit:
            self._monitor.forget(now_ns, f"no result younger than {self._config.deadline:g} s")
        if self.camera.has_floor_zones and (lost := self._pose.why_lost(self.frame_id, now_ns)):
            self._monitor.forget(now_ns, lost, floor_only=True)
        return self._monitor.states(now_ns, self._why_not_fresh())

    def release_overdue(self) -> None:
        """Judge detections whose mask did not come."""
        self._judge_each(self._pairs.overdue(time.monotonic()))

    def publish_points(self, states: tuple[ZoneStatus, ...], stamp: int) -> None:
        """Publish occupied and unknown places as a cloud."""
        points = obstacle_points(self.camera, states, self._config)
        self._points.publish(point_cloud(points, stamped(stamp, self.camera.floor_frame)))

    def silent_topics(self) -> list[str]:
        """One sentence about each topic on which nothing comes."""
        needless = {_CALIBRATION} if self._calibration else set()
        return [self._why_silent(k) for k in self._hearing.silent() if k not in needless]

    def _why_silent(self, kind: str) -> str:
        if kind == MASK and self._without_masks:
            return (
                f"nothing on {self._hearing.topic(kind)}: the model was not trained for masks. Write "
                "`tests: [foot]` in the zones file, or `[box]` for a zone in the image."
            )
        return self._hearing.explain(kind)

    def destroy(self) -> None:
        """Take the topics away."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        if self._points is not None:
            self._node.destroy_publisher(self._points)

    def _listen(self, kind: str, message_class: type, topic: str, qos: QoSProfile) -> None:
        self._hearing.expect(kind, topic, message_class, qos)

        def receive(message: Any, info: Any) -> None:
            self._hearing.heard(kind)
            self._guarded(partial(self._take, kind, message, publisher_gid(info)))

        self._subscriptions.append(
            overridable(self._node.create_subscription, message_class, topic, receive, qos)
        )

    def _why_not_fresh(self) -> str:
        """What is known about results that stay away."""
        if self.fault:
            return self.fault
        for kind in (DETECTIONS, STATUS):
            if kind in self._hearing and self._hearing.silence(kind) > self._config.deadline:
                return f"nothing on {self._hearing.topic(kind)}"
        return ""

    def _guarded(self, act: Callable[[], None]) -> bool:
        """A message that can't be used is counted and logged, and never ends the node.

        False where it was.
        """
        try:
            act()
        except Exception as error:  # Whatever it is: without a result the zones become unknown.
            expected = isinstance(error, (ValueError, MtvError))
            self.refused += 1
            self.fault = _shortened(str(error) if expected else f"{type(error).__name__}: {error}")
            self._node.get_logger().error(
                f"message refused: {shorten(self.fault)}", throttle_duration_sec=5.0
            )
            return False
        return True

    def _take(self, kind: str, message: Any, publisher: bytes) -> None:
        if kind == _CALIBRATION:
            self._on_camera_info(message, publisher)
            return
        key = (self._process_of(publisher), stamp_ns(message.header))
        self._judge_each(self._pairs.add(key, kind, message, time.monotonic()))

    def _process_of(self, publisher: bytes) -> bytes:
        if get_rmw_implementation_identifier().startswith("rmw_fastrtps"):
            return publisher[:_PROCESS_BYTES]
        if self.camera.detector != PERCEPTION:  # No status to pair with.
            return publisher
        count = self._node.count_publishers(self._hearing.topic(STATUS))
        if count > 1:
            raise ValueError(
                f"Expected one perception node on {self._hearing.topic(STATUS)}, got {count}: this "
                "middleware does not tell their results apart."
            )
        return b""

    def _on_camera_info(self, message: CameraInfo, publisher: bytes) -> None:
        try:
            self._calibration = self._calibrations.read(message, publisher)
            self._no_calibration = ""
            self._calibrated_frame = message.header.frame_id
        except ValueError as error:
            self._calibration, self._calibrated_frame = None, ""
            self._no_calibration = _shortened(str(error))
            raise

    def _judge_each(self, results: list[Parts]) -> None:
        """Each result is guarded alone: a refused one must not drop the others released with it."""
        for parts in self._pairs.dropped():
            if any(message.detections for message in (parts.detections, *parts.others)):
                self._monitor.refuse(
                    self._clock.now_ns(),
                    f"detections without a status of the same image on {self._hearing.topic(STATUS)}",
                )
        for parts in results:
            if not self._guarded(partial(self._judge, parts)):
                self._monitor.refuse(self._clock.now_ns(), self.fault)

    def _judge(self, parts: Parts) -> None:
        self._judge_one(parts)
        for message in parts.others:  # The monitor says that there are several.
            self._judge_one(replace(parts, detections=message))

    def _judge_one(self, parts: Parts) -> None:
        message, (publisher, stamp) = parts.detections, cast(tuple[bytes, int], parts.key)
        if parts.status is not None:
            source = source_from(parts.status, publisher)
            self._without_masks = not source.mask_classes
        else:
            source = source_of_another_detector(message, self.camera, publisher)
            message = without_other_classes(message, source.labels)
        found = detections_from(message, source)
        mask = None if parts.mask is None else mask_from(parts.mask)
        frame = message.header.frame_id
        seen = Observation(stamp, found, source, self._view(frame, stamp), mask, frame)
        if self._monitor.observe(seen, self._clock.now_ns()):
            self._used_at, self.frame_id = time.monotonic(), frame
            self.fault = ""
            self._changed(self, message.header)
        else:
            self.fault = f"the last result was {self._monitor.refusal}"

    def _view(self, frame: str, stamp: int) -> View:
        """Where the camera of an image looks."""
        mounting, no_pose = self._pose.at(frame, stamp)
        if reason := why_other_frame("camera_info", self._calibrated_frame, frame):
            return View(None, mounting, reason)
        return View(self._calibration, mounting, self._no_calibration or no_pose)


def _shortened(text: str, most: int = 300) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
