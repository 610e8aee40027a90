"""Position, size and covariance of detections.

From depth where there is any, else from the floor.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from mtv_perception.geometry.camera import FloorCamera
from mtv_perception.labels import LabelSet
from mtv_perception.ranging.config import MARKED, RangingConfig, Shape
from mtv_perception.ranging.pixels import own_pixels
from mtv_perception.types import Detections

DEPTH, FLOOR = "depth", "floor"
_DEFAULTS = RangingConfig()
# A box that ends nearer to an edge of the image than so many standard deviations of its own edge
# may go on beyond it.
_CUT_OFF = 1.5
# With depth on a smaller share of its own pixels an object is beyond the sensor's range or not seen
# by it.
_LEAST_SHARE = 0.15
# Depth of neighbouring pixels is not independent: so many pixels count as one.
_CORRELATED = 50.0
# A foot this share of the box's height below it may be the same object's, of which the box shows a
# part.
_FOOT_BELOW = 0.5
# MAD to standard deviation of a normal distribution.
_MAD = 1.4826
# Of what leans more, the foot is not near the middle of the box's lower edge.
_LARGEST_LEAN_DEG = 15.0
# No depth camera measures as near, m: metres in 16UC1 are read as millimetres, and lie below.
_NEAREST = 0.05


@dataclass(frozen=True)
class Measured:
    """One object in metres, floor frame (x forward, y left, z up, the floor at z = 0).

    Attributes:
        index: of the detection.
        method: "depth" or "floor".
        position: `(3,)` middle of the surface that the camera sees.
        covariance: `(3, 3)` of the position, square metres.
        center: `(3,)` of the box around the object; the unseen side is completed by the class's
            usual thickness.
        size: `(3,)` of that box, along `yaw`, across, and up.
        yaw: the direction from the camera to the object, radians.
    """

    index: int
    method: str
    position: np.ndarray
    covariance: np.ndarray
    center: np.ndarray
    size: np.ndarray
    yaw: float


@dataclass(frozen=True)
class Measurements:
    """What one frame's detections are in metres.

    Attributes:
        objects: the measurable ones.
        missing: reason by index of those that are not.
    """

    objects: tuple[Measured, ...] = ()
    missing: dict[int, str] = field(default_factory=dict)

    @property
    def reasons(self) -> Counter[str]:
        """How many for each reason."""
        return Counter(self.missing.values())


class NotMeasurable(Exception):
    """Why an object has no place in metres."""


class Ranger:
    """Measures detections of one camera.

    Args:
        camera: calibrated and at a known place above the floor.
        labels: names of the class ids.
        config: noise and limits.

    Attributes:
        labels: the names.
    """

    def __init__(
        self, camera: FloorCamera, labels: LabelSet, config: RangingConfig = _DEFAULTS
    ) -> None:
        self._camera, self._config, self.labels = camera, config, labels
        shapes = config.shapes
        self._shapes = {k: shapes[name] for k, name in enumerate(labels.names) if name in shapes}

    @property
    def unshaped(self) -> tuple[str, ...]:
        """The classes that are not measured and are no marks on the floor."""
        names = enumerate(self.labels.foreground, start=1)
        return tuple(name for k, name in names if k not in self._shapes and name != MARKED)

    @property
    def strange_shapes(self) -> tuple[str, ...]:
        """The classes that only the configuration knows."""
        return tuple(name for name in self._config.own_shapes if name not in self.labels.names)

    def measure(
        self, found: Detections, mask: np.ndarray | None = None, depth: np.ndarray | None = None
    ) -> Measurements:
        """Places of detections.

        Args:
            found: detections, source pixels.
            mask: `(H, W)` uint8 class ids, source size or scaled, or None.
            depth: `(H, W)` float32 m along the optical axis, registered with the image, in its
                size; 0 or NaN where nothing was measured; or None.

        Raises:
            ValueError: the depth image has another size than the calibrated image.
        """
        size_hw = self._camera.intrinsics.size_hw
        if depth is not None and depth.shape != size_hw:
            raise ValueError(
                f"Expected a depth image registered with the camera, {size_hw[0]}x{size_hw[1]}, "
                f"got {depth.shape[0]}x{depth.shape[1]}."
            )
        objects, missing = [], {}
        for index, class_id in enumerate(found.class_ids.tolist()):
            try:
                objects.append(self._one(found, index, class_id, mask, depth))
            except NotMeasurable as reason:
                missing[index] = str(reason)
        return Measurements(tuple(objects), missing)

    def _one(
        self,
        found: Detections,
        index: int,
        class_id: int,
        mask: np.ndarray | None,
        depth: np.ndarray | None,
    ) -> Measured:
        shape = self._shapes.get(class_id)
        if shape is None:
            raise NotMeasurable("class without a shape")
        box = found.boxes_xyxy[index].astype(np.float64)
        if depth is not None:
            peers = np.flatnonzero(found.class_ids == class_id)
            boxes, place = found.boxes_xyxy[peers], int(np.flatnonzero(peers == index)[0])
            own, corner = own_pixels(mask, class_id, boxes, place, self._camera.intrinsics.size_hw)
            points = self._points(own, corner, depth)
            if len(points) >= max(self._config.min_pixels, _LEAST_SHARE * np.count_nonzero(own)):
                return self._by_depth(index, box, shape, points)
        if mask is not None and _touches_lower_edge(
            mask == class_id, box, self._camera.intrinsics.size_hw
        ):
            raise NotMeasurable("cut off by the lower edge of the image")
        return self._by_floor(index, box, shape)

    def _points(self, own: np.ndarray, corner: tuple[int, int], depth: np.ndarray) -> np.ndarray:
        """`(N, 3)` points of own pixels in the optical frame, m."""
        rows, columns = np.nonzero(own)
        rows, columns = rows + corner[0], columns + corner[1]
        z = depth[rows, columns].astype(np.float64)
        good = usable_depth(z, self._config)
        rays = self._camera.intrinsics.rays(
            np.column_stack([columns[good] + 0.5, rows[good] + 0.5])
        )
        points = np.column_stack([rays * z[good, None], z[good]])
        return points[np.isfinite(points).all(1)]

    def _by_depth(self, index: int, box: np.ndarray, shape: Shape, points: np.ndarray) -> Measured:
        z = points[:, 2]
        reach = max(shape.thickness, 3 * self._config.depth_noise(float(np.median(z))))
        near = points[np.abs(z - _densest(z, reach)) <= reach]
        if len(near) < self._config.min_pixels:
            raise NotMeasurable("too few pixels with depth")
        surface = np.median(near, axis=0)
        distance = float(surface[2])
        spread = _MAD * np.median(np.abs(near - surface), axis=0)
        sampling = spread**2 / max(1.0, len(near) / _CORRELATED)
        noise = self._config.depth_noise(distance)
        across = self._edge_sigma(box) * distance / float(np.mean(self._camera.intrinsics.focal_xy))
        variances = sampling + shape.surface_sigma**2 * np.array([0.25, 0.25, 1.0])
        variances += np.array([across**2 / 4, across**2 / 4, noise**2])
        rotation = self._camera.mounting.rotation
        position = rotation @ surface + self._camera.mounting.position_xyz
        along_ray = self._ray_covariance(variances, surface)
        return self._complete(index, DEPTH, box, shape, position, rotation @ along_ray @ rotation.T)

    @staticmethod
    def _ray_covariance(variances: np.ndarray, surface: np.ndarray) -> np.ndarray:
        """Errors of depth move a point along its ray, not along the optical axis."""
        ray = surface / surface[2]
        covariance = np.diag([variances[0], variances[1], 0.0])
        return covariance + variances[2] * np.outer(ray, ray)

    def _edge_sigma(self, box: np.ndarray) -> float:
        return self._config.pixel_sigma + self._config.edge_share * float(box[3] - box[1])

    def _by_floor(self, index: int, box: np.ndarray, shape: Shape) -> Measured:
        height, width = self._camera.intrinsics.size_hw
        margin = _CUT_OFF * self._edge_sigma(box)
        if box[3] >= height - margin:
            raise NotMeasurable("cut off by the lower edge of the image")
        if box[0] <= margin or box[2] >= width - margin:
            raise NotMeasurable("cut off by the side of the image")
        foot = np.array([(box[0] + box[2]) / 2, box[3]])
        contact = self._camera.pixels_to_floor(foot[None])[0]
        if not np.isfinite(contact).all():
            raise NotMeasurable("foot above the horizon")
        if not self._camera.is_upright(foot[None], _LARGEST_LEAN_DEG)[0]:
            raise NotMeasurable("leans in the image: its foot is not below the middle of its box")
        offset = contact - self._camera.nadir_xy
        reach = float(np.hypot(*offset))
        covariance, along = self._floor_covariance(box, foot, shape)
        if along > self._config.largest_sigma * max(reach, 0.5):
            raise NotMeasurable("too uncertain")
        surface = contact + offset / max(reach, 1e-6) * shape.floor_offset
        top = self._height_at(surface, np.array([foot[0], box[1]]))
        if box[1] > margin and not shape.heights[0] <= top <= shape.heights[1]:
            raise NotMeasurable("height does not fit the class: is its foot hidden?")
        position = np.array([*surface, min(max(top, shape.heights[0]), shape.heights[1]) / 2])
        return self._complete(index, FLOOR, box, shape, position, covariance)

    def _floor_covariance(
        self, box: np.ndarray, foot: np.ndarray, shape: Shape
    ) -> tuple[np.ndarray, float]:
        """`(3, 3)`, and the standard deviation along the line of sight, m."""
        sigma = self._edge_sigma(box)
        # A tilt of the camera shifts the image by the focal length times the angle.
        down = math.hypot(sigma, self._config.tilt_sigma * self._camera.intrinsics.focal_xy[1])
        steps = np.array([[sigma / 2, 0.0], [-sigma / 2, 0.0], [0.0, down / 2], [0.0, -down / 2]])
        floor = self._camera.pixels_to_floor(foot + steps)
        if not np.isfinite(floor).all():
            raise NotMeasurable("too near to the horizon")
        sideways, along = floor[0] - floor[1], floor[2] - floor[3]
        planar = (
            np.outer(sideways, sideways) + np.outer(along, along) + shape.floor_sigma**2 * np.eye(2)
        )
        covariance = np.zeros((3, 3))
        covariance[:2, :2], covariance[2, 2] = (
            planar,
            (shape.heights[1] - shape.heights[0]) ** 2 / 48,
        )
        return covariance, float(np.hypot(*along))

    def _height_at(self, floor_xy: np.ndarray, pixel: np.ndarray) -> float:
        """How high above a floor point a pixel's ray passes, m."""
        mounting = self._camera.mounting
        ray = mounting.rotation @ np.array([*self._camera.intrinsics.rays(pixel[None])[0], 1.0])
        along = float(np.hypot(*ray[:2]))
        reach = float(np.hypot(*(floor_xy - self._camera.nadir_xy)))
        return float(mounting.position_xyz[2] + ray[2] / max(along, 1e-9) * reach)

    def _complete(
        self,
        index: int,
        method: str,
        box: np.ndarray,
        shape: Shape,
        position: np.ndarray,
        covariance: np.ndarray,
    ) -> Measured:
        """The box around the object; nothing beyond the largest range.

        And nothing that is no number.
        """
        offset = position[:2] - self._camera.nadir_xy
        reach = float(np.hypot(*offset))
        if not np.isfinite(position).all() or not np.isfinite(covariance).all():
            raise NotMeasurable("outside of the lens model")
        if reach > self._config.max_range:
            raise NotMeasurable("farther than max_range")
        yaw = float(np.arctan2(offset[1], offset[0]))
        middle = (box[0] + box[2]) / 2
        top = self._height_at(position[:2], np.array([middle, box[1]]))
        low = max(self._height_at(position[:2], np.array([middle, box[3]])), 0.0)
        sides = self._camera.headings(
            np.array([[box[0], (box[1] + box[3]) / 2], [box[2], (box[1] + box[3]) / 2]])
        )
        width = reach * float(np.linalg.norm(sides[0] - sides[1]))
        if not math.isfinite(width):
            raise NotMeasurable("outside of the lens model")
        thickness = min(shape.thickness, max(width, shape.thickness / 2))
        top = float(np.clip(top, shape.heights[0], shape.heights[1]))
        low = min(low, top - 0.1)
        behind = np.array([math.cos(yaw), math.sin(yaw)]) * thickness / 2
        center = np.array([*(position[:2] + behind), (top + low) / 2])
        return Measured(
            index,
            method,
            position,
            covariance,
            center,
            np.array([thickness, width, top - low]),
            yaw,
        )


def usable_depth(metres: np.ndarray, config: RangingConfig) -> np.ndarray:
    """Which values of a depth image can be used, bool."""
    with np.errstate(invalid="ignore"):
        usable: np.ndarray = (metres >= _NEAREST) & (metres <= config.depth_max)
    return usable


def why_no_depth(depth: np.ndarray, config: RangingConfig) -> str:
    """Why a depth image measures nothing at all; empty where some of it can be used.

    Args:
        depth: `(H, W)` m.
        config: limits.
    """
    if usable_depth(depth, config).any():
        return ""
    found = depth[np.isfinite(depth) & (depth != 0)]
    what = f"no depth between {_NEAREST:g} and {config.depth_max:g} m (depth_max)"
    if not len(found):
        return f"{what}, all values are 0, NaN or infinite: is the sensor covered or off?"
    return (
        f"{what}, the values are {found.min():.3g} .. {found.max():.3g} m: expected millimetres in 16UC1, "
        "metres in 32FC1"
    )


def _densest(values: np.ndarray, reach: float) -> float:
    """The value with the most others within `reach`, nearer ones first.

    The object, not what shows behind it.
    """
    ordered = np.sort(values)
    counts = np.searchsorted(ordered, ordered + 2 * reach, side="right") - np.arange(len(ordered))
    first = int(np.argmax(counts > 0.9 * counts.max()))
    return float(np.median(ordered[first : first + counts[first]]))


def _touches_lower_edge(hit: np.ndarray, box: np.ndarray, size_hw: tuple[int, int]) -> bool:
    """Whether a class's pixels reach the image's lower edge below a box.

    The foot may lie outside.
    """
    scale = hit.shape[1] / size_hw[1]
    left, right = int(max(box[0], 0) * scale), int(np.ceil(box[2] * scale))
    share = (size_hw[0] - box[3]) / max(box[3] - box[1], 1.0)
    return bool(hit[-1, left:right].any()) and share < _FOOT_BELOW
