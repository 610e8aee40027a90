"""What the zones node reads and says, as messages; nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from vision_msgs.msg import Detection2DArray, LabelInfo
from visualization_msgs.msg import Marker, MarkerArray

from mtv_perception.geometry.camera import Intrinsics
from mtv_perception.labels import UNLABELED_ID, LabelSet
from mtv_perception.msg import ZoneState
from mtv_perception.ros.conversions import byte_array
from mtv_perception.types import NANOSECONDS, Detections
from mtv_perception.zones.config import FLOOR, CameraConfig
from mtv_perception.zones.monitor import ZoneStatus

_MOST_DETECTIONS = 1000
_MOST_MASK_BYTES = 64_000_000

Rgb = tuple[float, float, float]
# By valid, occupied. Okabe & Ito (2008), as in labels.py: told apart with every common colour
# blindness.
_COLOURS: dict[tuple[bool, bool], Rgb] = {
    (True, True): (0.84, 0.37, 0.0),
    (True, False): (0.0, 0.62, 0.45),
    (False, False): (0.94, 0.89, 0.26),
}
_WORDS = {(True, True): "occupied", (True, False): "free", (False, False): "unknown"}


def labels_from(message: LabelInfo) -> LabelSet:
    """The names by class id; ids that the message skips get a name of their own."""
    names = {int(item.class_id): str(item.class_name) for item in message.class_map}
    if not names or max(names) >= UNLABELED_ID:
        raise ValueError(f"Expected class ids below {UNLABELED_ID}, got {sorted(names)}.")
    return LabelSet(
        tuple(names.get(index, f"class {index}") for index in range(max(max(names), 1) + 1))
    )


def detections_from(message: Detection2DArray, labels: LabelSet) -> Detections:
    """The best hypothesis of every detection, its class given by id or by name.

    Raises:
        ValueError: too many, a class nobody knows, or a box that is none.
    """
    if len(message.detections) > _MOST_DETECTIONS:
        raise ValueError(
            f"Expected at most {_MOST_DETECTIONS} detections, got {len(message.detections)}."
        )
    boxes, scores, class_ids = [], [], []
    for item in message.detections:
        if not item.results:
            raise ValueError("Expected a class for every detection, got one without.")
        best = max((result.hypothesis for result in item.results), key=lambda guess: guess.score)
        centre, half_x, half_y = (
            item.bbox.center.position,
            item.bbox.size_x / 2,
            item.bbox.size_y / 2,
        )
        boxes.append([centre.x - half_x, centre.y - half_y, centre.x + half_x, centre.y + half_y])
        scores.append(best.score)
        class_ids.append(_class_id(best.class_id, labels))
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    if (
        not np.isfinite(corners).all()
        or not np.isfinite(scores).all()
        or (corners[:, 2:] < corners[:, :2]).any()
    ):
        raise ValueError(f"Expected finite boxes and scores, got {boxes}, {scores}.")
    return Detections(corners, np.array(scores, np.float32), np.array(class_ids, np.int32))


def _class_id(text: str, labels: LabelSet) -> int:
    if not text.isdecimal():
        return labels.id_of(text)
    if int(text) >= len(labels):
        raise ValueError(f"Expected a class id below {len(labels)}, got {text!r}.")
    return int(text)


def mask_from(message: Image) -> np.ndarray:
    """A class-id mask, `(H, W)` uint8, a view into the message.

    Raises:
        ValueError: another encoding, or fewer bytes than its fields say.
    """
    height, width, step = message.height, message.width, message.step
    if message.encoding not in ("mono8", "8UC1") or not 0 < height * width <= _MOST_MASK_BYTES:
        raise ValueError(
            f"Expected a mono8 mask, got {message.encoding!r} of {width}x{height} pixels."
        )
    if step < width or len(message.data) < step * height:
        raise ValueError(
            f"Expected {height} rows of at least {width} bytes, got step {step} and {len(message.data)} bytes."
        )
    return np.frombuffer(message.data, np.uint8, step * height).reshape(height, step)[:, :width]


def intrinsics_from(message: CameraInfo) -> Intrinsics:
    """The calibration of full images; ValueError for an uncalibrated camera, and for a part of the sensor."""
    cropped = (
        message.roi.x_offset
        or message.roi.y_offset
        or max(message.binning_x, message.binning_y) > 1
    )
    if cropped:
        raise ValueError(
            "Expected a CameraInfo of the full image, got one with a region of interest or binning."
        )
    lens = message.distortion_model or "plumb_bob"
    size_hw = (int(message.height), int(message.width))
    return Intrinsics.from_matrix(size_hw, np.array(message.k), lens, tuple(map(float, message.d)))


def stamped(stamp_ns: int, frame_id: str) -> Header:
    """A header of a time in nanoseconds."""
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, NANOSECONDS)
    return header


def zone_state(status: ZoneStatus, frame_id: str) -> ZoneState:
    """One zone's state under the camera's frame."""
    message = ZoneState(
        header=stamped(status.stamp_ns, frame_id),
        name=status.name,
        valid=status.valid,
        occupied=status.occupied,
        objects=status.objects,
        nearest_distance=status.nearest_m,
    )
    message.since.sec, message.since.nanosec = divmod(status.since_ns, NANOSECONDS)
    return message


def point_cloud(points_xyz: np.ndarray, header: Header) -> PointCloud2:
    """Points `(N, 3)` float32 as a cloud."""
    names = ("x", "y", "z")
    fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate(names)
    ]
    little = np.ascontiguousarray(points_xyz, "<f4")
    cloud = PointCloud2(header=header, height=1, width=len(little), fields=fields, is_dense=True)
    cloud.point_step, cloud.row_step = 12, 12 * len(little)
    cloud.data = byte_array(little) if len(little) else []
    return cloud


def zone_markers(
    cameras: Sequence[CameraConfig], states: Mapping[str, ZoneStatus], stamp_ns: int
) -> MarkerArray:
    """Outline and name of every floor zone, for rviz: green free, orange occupied, yellow unknown."""
    markers: list[Marker] = []
    for camera in cameras:
        header = stamped(stamp_ns, camera.floor_frame)
        for zone in camera.zones:
            if zone.space == FLOOR:
                markers += _markers(header, len(markers), zone.corners, states[zone.name])
    return MarkerArray(markers=markers)


def _markers(
    header: Header, first_id: int, corners: np.ndarray, status: ZoneStatus
) -> list[Marker]:
    key = (status.valid, status.valid and status.occupied)
    red, green, blue = _COLOURS[key]
    look: dict[str, Any] = {
        "header": header,
        "ns": "zones",
        "frame_locked": True,
        "color": ColorRGBA(r=red, g=green, b=blue, a=1.0),
    }
    outline = Marker(id=first_id, type=Marker.LINE_STRIP, **look)
    outline.scale.x = 0.05
    outline.points = [Point(x=x, y=y) for x, y in np.vstack([corners, corners[:1]]).tolist()]
    title = Marker(
        id=first_id + 1, type=Marker.TEXT_VIEW_FACING, text=f"{status.name}: {_WORDS[key]}", **look
    )
    title.scale.z = 0.25
    title.pose.position.x, title.pose.position.y = map(float, corners.mean(0))
    title.pose.position.z = 0.3
    return [outline, title]
