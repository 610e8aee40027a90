"""The ranging node: detections, mask and depth in; detections in metres and a floor map out.

It is a process of its own beside the perception node, so that it delays nothing: 2D results are on
the wire first.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import OccupancyGrid  # type: ignore[import-untyped,unused-ignore]
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.timer import Timer
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

from mtv_perception.errors import MtvError
from mtv_perception.geometry.calibration import why_unfit
from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting
from mtv_perception.labels import LabelSet
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ranging.assembly import Assembler, Moment
from mtv_perception.ranging.calibration_file import read_calibration
from mtv_perception.ranging.floor_map import OCCUPIED, FloorMapper
from mtv_perception.ranging.measure import Ranger, why_no_depth
from mtv_perception.ros.calibration import CalibrationReader, why_other_frame
from mtv_perception.ros.clock import guard_clock
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.diagnostics import diagnostic_array, make_status, shorten
from mtv_perception.ros.losses import Losses
from mtv_perception.ros.parameters import NodeParameters
from mtv_perception.ros.qos import LATCHED, newest_only, overridable
from mtv_perception.ros.ranging.conversions import (
    cell_points,
    depth_from,
    detection_3d_array,
    labels_from,
    object_markers,
    occupancy_grid,
    why_not_free,
)
from mtv_perception.ros.ranging.health import InputHealth
from mtv_perception.ros.ranging.settings import RangingSettings
from mtv_perception.ros.silence import Hearing, why_twin
from mtv_perception.ros.transforms import TransformReader, publisher_gid
from mtv_perception.ros.turns import Turns
from mtv_perception.ros.zones.conversions import detections_from, mask_from, point_cloud
from mtv_perception.zones.source import DetectionSource, check_mask

_NANOSECONDS = 1_000_000_000
_DIAGNOSTICS_PERIOD = 1.0
# Of markers: longer than the gap between two results, so that nothing old stays when results end.
_MARKER_LIFETIME_S = 0.6
# Between two lines in the log about the same, s.
_LOG_PERIOD = 10.0
_NOTHING_YET = "no detections yet"
_LABELS, _CAMERA_INFO = "label_info", "camera_info"
_DETECTIONS, _STATUS = "detections", "perception/status"
_MASK, _DEPTH = "segmentation/mask", "depth/image"
_OF_ONE_SENDER = (_CAMERA_INFO, _DETECTIONS)


class RangingNode(Node):
    """Measures every result of one camera.

    Publishes `detections_3d` for every result, and `floor`, `obstacles` and `objects` (markers)
    while someone subscribes. Where the camera's pose, calibration or class names are not known it
    publishes nothing, and diagnostics say why.

    Args:
        kwargs: of rclpy's Node.

    Raises:
        ConfigError: a parameter is wrong.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("ranging", **kwargs)
        guard_clock(self)
        self._declared = NodeParameters(self, RangingSettings)
        self._settings = self._declared.read()
        link = self._settings.link
        self._assembler = Assembler(
            link.mask, link.depth, link.wait, round(link.depth_tolerance * _NANOSECONDS)
        )
        self._labels: LabelSet | None = None
        self._measured: LabelSet | None = None  # of the ranger and the mapper
        file = link.calibration
        self._intrinsics: Intrinsics | None = (
            read_calibration(Path(file), link.rectified) if file else None
        )
        self._calibrated_frame = ""
        self._calibrations = CalibrationReader(link.rectified)
        self._senders, self._losses = Turns[bytes](), Losses()
        self._camera: FloorCamera | None = None
        self._counts: Counter[str] = Counter()
        self._health = InputHealth(_NOTHING_YET)
        self._missing, self._not_free = Counter[str](), ""
        self._unshaped = ""
        self._transforms = None if link.camera_position else TransformReader(self)
        self._solid = overridable(self.create_publisher, Detection3DArray, "detections_3d", 5)
        self._floor = overridable(self.create_publisher, OccupancyGrid, "floor", 1)
        self._obstacles = overridable(self.create_publisher, PointCloud2, "obstacles", 1)
        self._markers = overridable(self.create_publisher, MarkerArray, "objects", 1)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 5)
        self._hearing = Hearing(self)
        self._listen()
        # Neither stops nor jumps, whatever ROS time does.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._ticker: Timer | None = None
        self._use_settings()
        self.add_post_set_parameters_callback(lambda _: self._use_settings())
        self.create_timer(_DIAGNOSTICS_PERIOD, self._diagnose, clock=self._steady)
        source = "depth and floor" if link.depth else "floor"
        self.get_logger().info(f"measuring by {source} in {link.base_frame}")

    def _use_settings(self) -> None:
        """Measure by the parameters as they are from now on."""
        self._settings, self._camera = self._declared.read(), None
        link = self._settings.link
        self._assembler.set_limits(link.wait, round(link.depth_tolerance * _NANOSECONDS))
        if self._ticker is not None:
            self.destroy_timer(self._ticker)
        self._ticker = self.create_timer(max(link.wait / 2, 0.01), self._tick, clock=self._steady)

    def _listen(self) -> None:
        link, best_effort = self._settings.link, newest_only("best_effort")

        def listen(kind: type, topic: str, callback: Callable[..., None], qos: Any) -> None:
            use = self._guarded(callback, topic)

            def receive(message: Any, info: Any) -> None:
                self._hearing.heard(topic)
                self._health.good(topic)
                if topic == _DETECTIONS:
                    self._losses.missed(info)
                use(message, *((publisher_gid(info),) if topic in _OF_ONE_SENDER else ()))

            self._hearing.expect(topic, topic, kind, qos)
            overridable(self.create_subscription, kind, topic, receive, qos)

        listen(LabelInfo, _LABELS, self._on_labels, LATCHED)
        if not link.calibration:
            listen(CameraInfo, _CAMERA_INFO, self._on_camera_info, best_effort)
        listen(PerceptionStatus, _STATUS, self._on_status, 5)
        listen(Detection2DArray, _DETECTIONS, self._on_detections, 5)
        if link.mask:
            listen(Image, _MASK, self._on_mask, best_effort)
        if link.depth:
            listen(Image, _DEPTH, self._on_depth, best_effort)

    def _guarded(
        self, callback: Callable[..., None], topic: str = _DETECTIONS
    ) -> Callable[..., None]:
        """A message that can't be used is counted and logged, and never ends the node."""

        def call(*message: Any) -> None:
            try:
                callback(*message)
            except Exception as error:  # Whatever it is: one message less.
                expected = isinstance(error, (ValueError, MtvError))
                text = str(error) if expected else f"{type(error).__name__}: {error}"
                self._refuse(topic, text)

        return call

    def _refuse(self, topic: str, why: str) -> None:
        self._counts["refused"] += 1
        text = f"{self._hearing.topic(topic)}: {why}"
        self._health.broken(topic, text)
        self.get_logger().error(f"message refused: {shorten(text)}", throttle_duration_sec=5.0)

    def _on_labels(self, message: LabelInfo) -> None:
        self._labels = None
        self._labels = labels_from(message)
        self._camera = None

    def _on_camera_info(self, message: CameraInfo, publisher: bytes = b"") -> None:
        intrinsics = self._intrinsics
        self._intrinsics, self._calibrated_frame = None, ""
        self._intrinsics = self._calibrations.read(message, publisher)
        self._calibrated_frame = message.header.frame_id
        if self._intrinsics != intrinsics:
            self._camera = None

    def _on_status(self, message: PerceptionStatus) -> None:
        stamp = stamp_ns(message.header)
        self._publish_all(self._assembler.add_status(stamp, message, time.monotonic()))

    def _on_detections(self, message: Detection2DArray, publisher: bytes) -> None:
        self._senders.notice(publisher, time.monotonic())
        if rivals := self._senders.rivals(time.monotonic()):
            self._health.broken(
                _DETECTIONS,
                f"{self._hearing.topic(_DETECTIONS)}: {len(rivals)} publishers take turns; all are measured as "
                "of one camera. Let one node publish it, or remap detections.",
            )
        if not self._assembler.wants_status:
            self._look_for_status()
        stamp = stamp_ns(message.header)
        self._publish_all(self._assembler.add_detections(stamp, message, time.monotonic()))

    def _look_for_status(self) -> None:
        """Wait for the status from now on where somebody publishes it; another detector does not."""
        # The topic may be remapped, which counting does not look at.
        topic = self.resolve_topic_name(_STATUS)
        self._assembler.wants_status = self.count_publishers(topic) > 0

    def _on_mask(self, message: Image) -> None:
        stamp = stamp_ns(message.header)
        self._publish_all(self._assembler.add_mask(stamp, message, time.monotonic()))

    def _on_depth(self, message: Image) -> None:
        depth, size_hw = depth_from(message), self._intrinsics and self._intrinsics.size_hw
        frame = message.header.frame_id
        if size_hw and depth.shape != size_hw:
            raise ValueError(
                f"Expected depth registered with the camera image, {size_hw[1]}x{size_hw[0]}, "
                f"got {depth.shape[1]}x{depth.shape[0]}."
            )
        if reason := why_no_depth(depth, self._settings.ranging):
            self._counts["depth_unusable"] += 1
            self._health.broken(_DEPTH, f"{self._hearing.topic(_DEPTH)}: {reason}")
        stamp = stamp_ns(message.header)
        self._publish_all(self._assembler.add_depth(stamp, (frame, depth), time.monotonic()))

    def _tick(self) -> None:
        self._guarded(lambda _: self._publish_all(self._assembler.release(time.monotonic())))(None)

    def _publish_all(self, moments: list[Moment]) -> None:
        # Each result is guarded alone: a refused one must not drop the others released with it.
        publish = self._guarded(self._publish)
        for moment in moments:
            publish(moment)

    def _publish(self, moment: Moment) -> None:
        """Measure one result and publish it."""
        camera = self._ready(moment)
        if camera is None:
            self._counts["skipped"] += 1
            return
        source = DetectionSource(self._ranger.labels, camera.intrinsics.size_hw)
        found = detections_from(moment.detections, source)
        mask, no_mask = self._mask_of(moment, source)
        depth, no_depth = self._depth_of(moment, camera.intrinsics.size_hw)
        measured = self._ranger.measure(found, mask, depth)
        lacks = {_MASK: no_mask, _DEPTH: no_depth}
        self._health.measured({topic: why for topic, why in lacks.items() if why})
        base = self._settings.link.base_frame
        self._solid.publish(detection_3d_array(measured.objects, moment.detections, base))
        self._counts["results"] += 1
        self._counts.update(f"by_{item.method}" for item in measured.objects)
        self._missing.update(measured.reasons)
        header = Header(stamp=moment.detections.header.stamp, frame_id=base)
        if self._markers.get_subscription_count():
            args = (measured.objects, moment.detections, header, _MARKER_LIFETIME_S)
            self._markers.publish(object_markers(*args))
        self._not_free = why_not_free(moment.status) if moment.status else ""
        self._draw(mask, measured.objects, header)

    def _mask_of(self, moment: Moment, source: DetectionSource) -> tuple[Any, str]:
        """The mask of a result; None with the reason where there should be one."""
        if moment.mask is None:
            wait = self._settings.link.wait
            lacks = f"no mask of the same image came within wait ({wait:g} s)"
            return None, lacks if self._settings.link.mask else ""
        try:
            mask = mask_from(moment.mask)
            check_mask(mask, source.size_hw, source.labels)
        except ValueError as error:
            self._refuse(_MASK, str(error))
            self._assembler.without_mask += 1
            return None, self._health.error(_MASK)
        return mask, ""

    def _depth_of(self, moment: Moment, size_hw: tuple[int, int]) -> tuple[Any, str]:
        """The depth image of a result, `(H, W)` m; None with the reason where there should be one."""
        if moment.depth is None:
            return None, self._why_no_depth(moment) if self._settings.link.depth else ""
        frame, depth = moment.depth
        reason = why_other_frame("depth", frame, moment.detections.header.frame_id)
        if not reason and depth.shape != size_hw:
            reason = (
                f"depth is {depth.shape[1]}x{depth.shape[0]}, the image {size_hw[1]}x{size_hw[0]}"
            )
        if reason:
            self._assembler.without_depth += 1
            return None, f"{reason}; expected depth registered with the image"
        return depth, ""

    def _why_no_depth(self, moment: Moment) -> str:
        if error := self._health.error(_DEPTH):
            return error
        link = self._settings.link
        if moment.depth_off_ns is None:
            return f"no depth of this time came within wait ({link.wait:g} s)"
        return (
            f"the nearest depth is {moment.depth_off_ns / _NANOSECONDS:+.3f} s off the image, "
            f"depth_tolerance is {link.depth_tolerance:g} s: do camera and depth have one clock?"
        )

    def _draw(self, mask: Any, objects: tuple[Any, ...], header: Header) -> None:
        """The floor map and the obstacle cloud, while someone subscribes."""
        wants_grid = self._floor.get_subscription_count()
        wants_cloud = self._obstacles.get_subscription_count()
        if not wants_grid and not wants_cloud:
            return
        grid = self._mapper.draw(mask, objects, can_be_free=not self._not_free)
        if wants_grid:
            self._floor.publish(occupancy_grid(grid, self._settings.floor, header))
        if wants_cloud:
            height = self._settings.link.obstacle_height
            points = cell_points(grid, self._settings.floor, OCCUPIED, height)
            self._obstacles.publish(point_cloud(points, header))

    def _ready(self, moment: Moment) -> FloorCamera | None:
        """The camera, where its pose, calibration and class names are known.

        A new pose takes effect here.
        """
        missing = _LABELS if self._labels is None else _CAMERA_INFO
        health = self._health
        if self._labels is None or self._intrinsics is None:
            health.why_nothing = health.error(missing) or f"no {missing} yet"
            return None
        if misfit := self._why_unfit(self._intrinsics, moment):
            health.why_nothing = misfit
            return None
        try:
            mounting = self._mounting(moment.detections.header)
        except ValueError as error:
            health.why_nothing = str(error)
            return None
        # Of the result's own model: that of label_info may be the next one.
        status = moment.status
        labels = LabelSet(tuple(status.classes)) if status and status.classes else self._labels
        camera = self._camera
        if camera is None or camera.mounting != mounting or self._measured != labels:
            self._camera, self._measured = FloorCamera(self._intrinsics, mounting), labels
            self._ranger = Ranger(self._camera, labels, self._settings.ranging)
            self._mapper = FloorMapper(self._camera, labels, self._settings.floor)
            self._notice_unshaped(self._ranger)
        return self._camera

    def _notice_unshaped(self, ranger: Ranger) -> None:
        """Say which classes will not be measured, and which shapes are of no class."""
        told = []
        if names := ranger.unshaped:
            told.append(
                f"not measured: {', '.join(names)}. Say in class_shapes which shape they have, such as "
                f"'{names[0]}=person'"
            )
        if names := ranger.strange_shapes:
            known = ", ".join(ranger.labels.foreground)
            told.append(f"class_shapes: expected classes of {known}, got {', '.join(names)}")
        text = "; ".join(told)
        if text and text != self._unshaped:
            self.get_logger().warning(text)
        self._unshaped = text

    def _why_unfit(self, intrinsics: Intrinsics, moment: Moment) -> str:
        """Why the image can't be measured, or not by this calibration; empty where it can.

        Another detector publishes no status, so its image is not checked.
        """
        frame = moment.detections.header.frame_id
        if reason := why_other_frame("camera_info", self._calibrated_frame, frame):
            return reason
        status = moment.status
        if status is None:
            return f"no {_STATUS} of this image" if self._assembler.wants_status else ""
        if status.image_health:
            return f"the camera's image can't be relied on: {status.image_health}"
        image_hw = int(status.source_height), int(status.source_width)
        if not all(image_hw):  # Not known.
            return ""
        return why_unfit(intrinsics.size_hw, (0, 0, 0, 0), (0, 0), image_hw)

    def _mounting(self, header: Header) -> Mounting:
        link = self._settings.link
        if given := link.mounting():
            return given
        assert self._transforms is not None
        longest = round(link.tf_age * _NANOSECONDS)
        place = self._transforms.lookup(link.base_frame, header.frame_id, stamp_ns(header), longest)
        x, y, z = place.translation.tolist()
        return Mounting.from_rotation((x, y, z), place.rotation)

    def _silent(self) -> list[str]:
        """The topics on which nothing comes and something should."""
        needless = {
            _LABELS: self._labels is not None,
            _CAMERA_INFO: self._intrinsics is not None,
            _STATUS: not self._assembler.wants_status,
        }
        return [topic for topic in self._hearing.silent() if not needless.get(topic)]

    def _state(self) -> tuple[bytes, str]:
        """Level and message of the diagnostics."""
        silent = self._silent()
        told = "; ".join(map(self._hearing.explain, silent))
        if told:
            self.get_logger().warning(told, throttle_duration_sec=_LOG_PERIOD)
        if _DETECTIONS in silent:
            return DiagnosticStatus.ERROR, told
        problems = [*self._health.problems(), why_twin(self, "detections_3d")]
        if any(problems) or told:
            is_idle = self._health.why_nothing not in ("", _NOTHING_YET)
            level = DiagnosticStatus.ERROR if is_idle else DiagnosticStatus.WARN
            return level, "; ".join(filter(None, (*problems, told)))
        if self._unshaped:
            return DiagnosticStatus.WARN, self._unshaped
        return DiagnosticStatus.OK, "measuring"

    def _diagnose(self) -> None:
        self._look_for_status()
        self._health.sum_up()
        counts, missing = self._counts, self._missing
        values = {name: str(counts[name]) for name in ("results", "skipped", "refused")}
        if self._losses.is_told:
            values["lost"] = str(self._losses.total)
        values |= {"by_depth": str(counts["by_depth"]), "by_floor": str(counts["by_floor"])}
        values["not_measurable"] = str(missing.total())
        values |= {f"not_measurable: {reason}": str(n) for reason, n in sorted(missing.items())}
        values["without_mask"] = str(self._assembler.without_mask)
        values["without_depth"] = str(self._assembler.without_depth)
        values["depth_unusable"] = str(counts["depth_unusable"])
        values["floor_not_free"] = self._not_free
        if not self._assembler.wants_status:
            values["unchecked"] = f"size and health of the images: nobody publishes {_STATUS}"
        level, message = self._state()
        status = make_status(self.get_fully_qualified_name(), "", level, message, values)
        self._diagnostics.publish(diagnostic_array(self.get_clock().now().to_msg(), [status]))
