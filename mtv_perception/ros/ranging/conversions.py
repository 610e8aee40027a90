"""Depth images to metres; measurements and floor maps to messages."""

from __future__ import annotations

import array
import math

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion, Vector3
from nav_msgs.msg import MapMetaData, OccupancyGrid  # type: ignore[import-untyped,unused-ignore]
from sensor_msgs.msg import Image
from std_msgs.msg import ColorRGBA, Header
from vision_msgs.msg import (
    BoundingBox3D,
    Detection2DArray,
    Detection3D,
    Detection3DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
)
from visualization_msgs.msg import Marker, MarkerArray

from mtv_perception.errors import ImageError
from mtv_perception.labels import LabelSet, labels_by_id
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ranging.floor_map import FloorMapConfig
from mtv_perception.ranging.measure import Measured

# REP 118: millimetres in 16UC1, metres in 32FC1.
_DEPTH_TYPES = {"16UC1": ("u2", 0.001), "mono16": ("u2", 0.001), "32FC1": ("f4", 1.0)}
# Nobody knows which way a detected object faces: the variance of an even distribution over a full turn.
_ANY_HEADING = (2 * math.pi) ** 2 / 12


def depth_from(message: Image) -> np.ndarray:
    """Metres along the optical axis, `(H, W)` float32; 0 or NaN where nothing was measured.

    Raises:
        ImageError: another encoding, or fewer bytes than the fields say.
    """
    if message.encoding not in _DEPTH_TYPES:
        raise ImageError(
            f"Expected depth as {' or '.join(_DEPTH_TYPES)}, got {message.encoding!r}: is it registered depth?"
        )
    kind, scale = _DEPTH_TYPES[message.encoding]
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    height, width, step = int(message.height), int(message.width), int(message.step)
    data = np.frombuffer(memoryview(message.data), np.uint8)
    if step < width * dtype.itemsize or len(data) < height * step or not height * width:
        raise ImageError(
            f"Expected {height} rows of {step} bytes for {width} values of {message.encoding}, got {len(data)} bytes."
        )
    rows = data[: height * step].reshape(height, step)[:, : width * dtype.itemsize]
    return np.ascontiguousarray(rows).view(dtype).astype(np.float32) * np.float32(scale)


def labels_from(message: LabelInfo) -> LabelSet:
    """The names by class id; ids that the message skips get a name of their own.

    Raises:
        ValueError: no class, or an id that masks can't hold.
    """
    return labels_by_id(message.class_map)


def why_not_free(status: PerceptionStatus) -> str:
    """Why background in the mask may hide an object; empty where it does not, or nothing is known."""
    unseen = [name for name in list(status.classes)[1:] if name not in status.mask_classes]
    return f"the model was not trained for masks of {', '.join(unseen)}" if unseen else ""


def detection_3d_array(
    objects: tuple[Measured, ...], flat: Detection2DArray, base_frame: str
) -> Detection3DArray:
    """Measured objects with the stamp, ids, classes and scores of the detections that they come from."""
    header = Header(stamp=flat.header.stamp, frame_id=base_frame)
    solid = [_detection(item, flat.detections[item.index], header) for item in objects]
    return Detection3DArray(header=header, detections=solid)


def _detection(item: Measured, flat: object, header: Header) -> Detection3D:
    turn = Quaternion(z=math.sin(item.yaw / 2), w=math.cos(item.yaw / 2))
    covariance = np.zeros((6, 6))
    covariance[:3, :3], covariance[5, 5] = item.covariance, _ANY_HEADING
    pose = PoseWithCovariance(
        pose=Pose(position=_point(item.position), orientation=turn), covariance=covariance.ravel()
    )
    results = [
        ObjectHypothesisWithPose(hypothesis=result.hypothesis, pose=pose)
        for result in flat.results  # type: ignore[attr-defined]
    ]
    x, y, z = map(float, item.size)
    box = BoundingBox3D(
        center=Pose(position=_point(item.center), orientation=turn), size=Vector3(x=x, y=y, z=z)
    )
    return Detection3D(header=header, results=results, bbox=box, id=flat.id)  # type: ignore[attr-defined]


def _point(xyz: np.ndarray) -> Point:
    x, y, z = map(float, xyz)
    return Point(x=x, y=y, z=z)


def occupancy_grid(grid: np.ndarray, config: FloorMapConfig, header: Header) -> OccupancyGrid:
    """A floor map `(rows, columns)` int8 as a message."""
    x, y = config.origin_xy
    origin = Pose(position=Point(x=x, y=y, z=0.0), orientation=Quaternion(w=1.0))
    rows, columns = grid.shape
    about = MapMetaData(
        map_load_time=header.stamp,
        resolution=config.floor_cell,
        width=columns,
        height=rows,
        origin=origin,
    )
    # rclpy checks every number of any other container.
    return OccupancyGrid(header=header, info=about, data=array.array("b", grid.tobytes()))


def object_markers(
    objects: tuple[Measured, ...], flat: Detection2DArray, header: Header, lifetime_s: float
) -> MarkerArray:
    """A box and a label for each object, which vanish after `lifetime_s` without a new message."""
    lifetime = Duration(sec=int(lifetime_s), nanosec=round(lifetime_s % 1 * 1e9))
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for number, item in enumerate(objects):
        detection = _detection(item, flat.detections[item.index], header)
        name = detection.results[0].hypothesis.class_id
        box = Marker(
            header=header, ns="objects", id=2 * number, type=Marker.CUBE, lifetime=lifetime
        )
        box.pose, box.scale = detection.bbox.center, detection.bbox.size
        box.color = ColorRGBA(r=0.0, g=0.45, b=0.7, a=0.45)
        text = Marker(header=header, ns="labels", id=2 * number + 1, lifetime=lifetime)
        text.type, text.scale.z = Marker.TEXT_VIEW_FACING, 0.25
        text.pose.position = _point(item.center + np.array([0.0, 0.0, item.size[2] / 2 + 0.2]))
        text.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
        reach = math.hypot(*item.position[:2])
        text.text = f"{name} {detection.id}\n{reach:.1f} m".replace(" \n", "\n")
        markers += [box, text]
    return MarkerArray(markers=markers)


def cell_points(grid: np.ndarray, config: FloorMapConfig, value: int, height: float) -> np.ndarray:
    """`(N, 3)` middles of the cells with a value, raised to `height`, m."""
    rows, columns = np.nonzero(grid == value)
    x0, y0 = config.origin_xy
    x, y = x0 + (columns + 0.5) * config.floor_cell, y0 + (rows + 0.5) * config.floor_cell
    return np.column_stack([x, y, np.full(len(x), height)])
