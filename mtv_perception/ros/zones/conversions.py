"""What the zones node reads and says, as messages; nothing else."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from rclpy.duration import Duration
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesis
from visualization_msgs.msg import Marker, MarkerArray

from mtv_perception.labels import LabelSet
from mtv_perception.messages.boxes import check_upright
from mtv_perception.msg import PerceptionStatus, ZoneState
from mtv_perception.ros.conversions import byte_array
from mtv_perception.types import NANOSECONDS, Detections
from mtv_perception.zones.config import FLOOR, CameraConfig
from mtv_perception.zones.source import DetectionSource
from mtv_perception.zones.status import ZoneStatus

_MOST_DETECTIONS = 1000
# Boxes are clipped to the image; a little for rounding, pixels.
_BEYOND = 1.0
_ROUNDING = 1e-6  # of a score in float32
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


def source_from(status: PerceptionStatus, publisher: bytes) -> DetectionSource:
    """What perception says about one of its results.

    Args:
        status: with the stamp of the result.
        publisher: identifies who sent it.

    Raises:
        ValueError: class names that make no sense, or lists of other lengths.
    """
    names = tuple(map(str, status.classes))
    labels = LabelSet(names)
    thresholds, tuned = tuple(status.score_thresholds), tuple(status.model_thresholds)
    for what, values in (("score_thresholds", thresholds), ("model_thresholds", tuned)):
        if len(values) != len(names):
            raise ValueError(
                f"Expected {len(names)} {what} in the status, one a class, got {len(values)}."
            )
    return DetectionSource(
        labels,
        (int(status.source_height), int(status.source_width)),
        model=(publisher, status.model_hash, int(status.epoch)),
        thresholds=thresholds,
        tuned=tuned,
        box_classes=frozenset(status.box_classes),
        mask_classes=frozenset(status.mask_classes),
        suppressed=frozenset(status.suppressed_classes),
        truncated=bool(status.truncated),
        fault=_shown(status.image_health, status.image_health_detail),
    )


def _shown(health: str, detail: str) -> str:
    return f"{health} ({detail})" if health and detail else health


def source_of_another_detector(
    message: Detection2DArray, camera: CameraConfig, publisher: bytes
) -> DetectionSource:
    """What is known of a detector without a status: the classes that the zones ask for.

    Classes that no zone asks for may come and go; they are not of the source.

    Args:
        message: detections whose class ids are names.
        camera: whose `image_hw` is the size of the image.
        publisher: identifies who sent it.

    Raises:
        ValueError: class ids that are numbers or look like a zone's class and are not it, boxes or
            scores that nobody filled in, or no `image_hw`.
    """
    if camera.image_hw is None:
        raise ValueError("Expected image_hw of a camera whose detector is other.")
    for item in message.detections:
        _check_filled(item)
    found = {name for item in message.detections for name in _class_names(item)}
    if any(name.isdecimal() for name in found):
        raise ValueError(
            f"Expected class names of a detector without a status, got {sorted(found)}."
        )
    wanted = {name for zone in camera.zones for name in zone.needed_classes}
    _check_names(found, wanted, camera.detector_classes)
    labels = LabelSet(("background", *sorted(wanted - {"background"})))
    return DetectionSource(labels, camera.image_hw, model=(publisher,))


def _check_filled(item: Detection2D) -> None:
    """Refuse a box or score of another convention, or not filled in: the zone would seem free."""
    centre, best = item.bbox.center.position, best_of(item)
    width, height = item.bbox.size_x, item.bbox.size_y
    if not 0 < best.score <= 1 + _ROUNDING:
        raise ValueError(f"Expected a score above 0, up to 1, got {best.score!r}.")
    if max(width, height) <= 1:
        raise ValueError(
            f"Expected boxes in pixels, got one of {width:g}x{height:g} at {centre.x:g}, {centre.y:g}: "
            "is it a share of the image, or not filled in?"
        )


def _check_names(found: set[str], wanted: set[str], known: tuple[str, ...]) -> None:
    """A class of the zones under another name would be nobody in sight."""
    if known:
        if strange := found - set(known):
            raise ValueError(f"Expected names of detector_classes, got {sorted(strange)}.")
        return
    alike = {_folded(name) for name in wanted}
    for name in sorted(found - wanted):
        if any(part in _folded(name) for part in alike) or not _folded(name):
            raise ValueError(
                f"Expected classes spelt as in the zones file, {sorted(wanted)}, got {name!r}. If it is another "
                "class, list all names of the detector in detector_classes."
            )


def _folded(name: str) -> str:
    """What names that look alike have in common: Unicode's compatible forms, case, blanks, marks of no width."""
    plain = unicodedata.normalize("NFKC", name)
    return "".join(sign for sign in plain if unicodedata.category(sign) != "Cf").strip().casefold()


def without_other_classes(message: Detection2DArray, labels: LabelSet) -> Detection2DArray:
    """A detection for each hypothesis that is of one of the classes.

    What may be a person or a forklift counts as both.
    """
    kept = [
        Detection2D(header=item.header, bbox=item.bbox, id=item.id, results=[result])
        for item in message.detections
        for result in item.results
        if result.hypothesis.class_id in labels.names
    ]
    return Detection2DArray(header=message.header, detections=kept)


def _class_names(item: Detection2D) -> list[str]:
    """The classes that a detection may be of; ValueError where there is none."""
    best_of(item)
    return [result.hypothesis.class_id for result in item.results]


def best_of(item: Detection2D) -> ObjectHypothesis:
    """The hypothesis of a detection with the best score; ValueError where there is none."""
    if not item.results:
        raise ValueError("Expected a class for every detection, got one without.")
    hypotheses = [result.hypothesis for result in item.results]
    return max(hypotheses, key=lambda guess: float(guess.score))


def detections_from(message: Detection2DArray, source: DetectionSource) -> Detections:
    """The best hypothesis of every detection, its class given by name or by id.

    Raises:
        ValueError: too many, a class nobody knows, or a box that is none in this image.
    """
    if len(message.detections) > _MOST_DETECTIONS:
        raise ValueError(
            f"Expected at most {_MOST_DETECTIONS} detections, got {len(message.detections)}."
        )
    boxes, scores, class_ids = [], [], []
    for item in message.detections:
        best, centre = best_of(item), item.bbox.center.position
        check_upright(item.bbox)
        half_x, half_y = item.bbox.size_x / 2, item.bbox.size_y / 2
        boxes.append([centre.x - half_x, centre.y - half_y, centre.x + half_x, centre.y + half_y])
        scores.append(best.score)
        class_ids.append(_class_id(best.class_id, source.labels))
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    _check_boxes(corners, np.array(scores, np.float64), source.size_hw)
    return Detections(
        corners.astype(np.float32), np.array(scores, np.float32), np.array(class_ids, np.int32)
    )


def _check_boxes(corners: np.ndarray, scores: np.ndarray, size_hw: tuple[int, int]) -> None:
    if not (np.isfinite(corners).all() and np.isfinite(scores).all()):
        raise ValueError(
            f"Expected finite boxes and scores, got {corners.tolist()}, {scores.tolist()}."
        )
    if (corners[:, 2:] < corners[:, :2]).any():
        raise ValueError(f"Expected boxes of a size of 0 or more, got {corners.tolist()}.")
    limits = np.array([size_hw[1], size_hw[0]] * 2)
    if min(size_hw) > 0 and ((corners < -_BEYOND) | (corners > limits + _BEYOND)).any():
        raise ValueError(
            f"Expected boxes inside the {size_hw[1]}x{size_hw[0]} image, got {corners.tolist()}."
        )


def _class_id(text: str, labels: LabelSet) -> int:
    if text in labels.names or not text.isdecimal():
        return labels.id_of(text)
    if int(text) >= len(labels) or any(name.isdecimal() for name in labels.names):
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
        reason=status.reason,
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
    cameras: Sequence[CameraConfig],
    states: Mapping[str, ZoneStatus],
    stamp_ns: int,
    lifetime: float,
) -> MarkerArray:
    """Outline and name of every floor zone, for rviz: green free, orange occupied, yellow unknown.

    Args:
        cameras: with their zones.
        states: by the name of the zone.
        stamp_ns: of the markers.
        lifetime: seconds after which a display drops them; a node that has died shows nothing.
    """
    markers: list[Marker] = []
    for camera in cameras:
        header = stamped(stamp_ns, camera.floor_frame)
        for zone in camera.zones:
            if zone.space == FLOOR:
                markers += _markers(header, len(markers), zone.corners, states[zone.name], lifetime)
    return MarkerArray(markers=markers)


def without_old_markers(array: MarkerArray, frame_id: str) -> MarkerArray:
    """The same, preceded by the removal of everything a display still shows of an earlier node."""
    wipe = Marker(header=stamped(0, frame_id), ns="zones", action=Marker.DELETEALL)
    return MarkerArray(markers=[wipe, *array.markers])


def _markers(
    header: Header, first_id: int, corners: np.ndarray, status: ZoneStatus, lifetime: float
) -> list[Marker]:
    key = (status.valid, status.valid and status.occupied)
    red, green, blue = _COLOURS[key]
    look: dict[str, Any] = {
        "header": header,
        "ns": "zones",
        "frame_locked": True,
        "lifetime": Duration(seconds=lifetime).to_msg(),
        "color": ColorRGBA(r=red, g=green, b=blue, a=1.0),
    }
    outline = Marker(id=first_id, type=Marker.LINE_STRIP, **look)
    outline.scale.x = 0.05
    outline.points = [Point(x=x, y=y) for x, y in np.vstack([corners, corners[:1]]).tolist()]
    text = f"{status.name}\n{_WORDS[key]}"
    title = Marker(id=first_id + 1, type=Marker.TEXT_VIEW_FACING, text=text, **look)
    title.scale.z = 0.25
    title.pose.position.x, title.pose.position.y = map(float, corners.mean(0))
    title.pose.position.z = 0.3
    return [outline, title]
