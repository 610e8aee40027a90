"""What one result says about one zone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from mtv_perception.geometry.camera import FloorCamera
from mtv_perception.geometry.polygons import (
    grid_inside,
    outline_points,
    points_inside,
    polygon_area,
    rasterise,
    segments_touch_polygon,
    shared_points,
    widened,
)
from mtv_perception.labels import UNLABELED_ID
from mtv_perception.types import Detections
from mtv_perception.zones.config import BOX, FLOOR, FOOT, ZoneConfig
from mtv_perception.zones.footprints import (
    Contacts,
    Footprint,
    contacts_of,
    foot_pixels,
    footprints_of,
)
from mtv_perception.zones.leaning import CUT_OFF
from mtv_perception.zones.presence import Verdict
from mtv_perception.zones.source import DetectionSource, View

# Spacing of the floor points whose visibility is looked at, as a share of the zone's extent; where
# that gives too few, of the side of a square of its area.
_VISIBILITY_GRID = 0.05
_FEWEST_SAMPLES = 40
# Shares of a zone's pixels are taken from every so many pixels of a row, and rows.
_PIXEL_STEP = 4
# Of somebody who stands nearer than the image shows the floor it shows a part up to here, m.
_HEIGHTS = (0.0, 0.5, 1.0, 1.5)


def _no_points() -> np.ndarray:
    return np.empty((0, 2))


@dataclass(frozen=True)
class Observation:
    """One result, as zones see it.

    Attributes:
        stamp_ns: of the image.
        detections: objects, source pixels.
        source: model and image behind it.
        view: where the camera looked.
        mask: `(H, W)` uint8 class ids (255 unlabelled), or None when it did not come.
        frame_id: of the image: which camera took it.
    """

    stamp_ns: int
    detections: Detections
    source: DetectionSource
    view: View = View()  # noqa: RUF009
    mask: np.ndarray | None = None
    frame_id: str = ""


@dataclass(frozen=True)
class Evidence:
    """What one result says about one zone.

    Attributes:
        verdict: occupied, clear, or unsure; None when the result lacks what the zone's tests need.
        objects: how many detections are inside.
        nearest_m: from the camera to the nearest floor point found inside, m; NaN when there is
            none.
        points_xy: `(N, 2)` occupied floor points inside the zone, m.
        why: where the verdict is unsure or None, the reason.
        is_doubtful: whether an occupied zone may hold nearer objects: some have no place, or the limit
            of detections was reached.
    """

    verdict: Verdict | None
    objects: int = 0
    nearest_m: float = math.nan
    points_xy: np.ndarray = field(default_factory=_no_points)
    why: str = ""
    is_doubtful: bool = False


def _unsure(why: str) -> Evidence:
    return Evidence(Verdict.UNSURE, why=why)


def _samples(corners: np.ndarray) -> np.ndarray:
    """Points that stand for a zone, also for a narrow gate, `(K, 2)` in the unit of its corners."""
    spacing = _VISIBILITY_GRID * float(np.ptp(corners, 0).max())
    fine = _VISIBILITY_GRID * float(np.sqrt(polygon_area(corners)))
    for sample, step in ((grid_inside, spacing), (grid_inside, fine), (outline_points, spacing)):
        samples = sample(corners, step)
        if len(samples) >= _FEWEST_SAMPLES:
            break
    return samples


class ZoneJudge:
    """Judges results against one zone.

    Args:
        zone: the zone.
        class_ids: ids of its classes.
        camera: of the zone, needed for floor zones.
        hiding_ids: ids of further classes that hide the floor behind them.
        image_hw: height and width of the source image, pixels; by default the calibration's, or the
            mask's.

    Attributes:
        visible: share of a floor zone that lies in the image, where people stand upright in it; 1
            for image zones.
    """

    def __init__(
        self,
        zone: ZoneConfig,
        class_ids: tuple[int, ...],
        camera: FloorCamera | None,
        image_hw: tuple[int, int] | None = None,
        hiding_ids: tuple[int, ...] = (),
    ) -> None:
        if zone.space == FLOOR and camera is None:
            raise ValueError(f"Expected a camera for floor zone {zone.name!r}, got None.")
        self.zone, self._class_ids, self._camera = zone, class_ids, camera
        self._hiding_ids = (*class_ids, *hiding_ids)
        self._image_hw = image_hw or (camera.intrinsics.size_hw if camera else None)
        self._lower_edge = self._image_hw[0] - CUT_OFF if self._image_hw else np.inf
        self._pixels: np.ndarray | None = None
        self._pixels_hw = (0, 0)
        self.visible, self._is_shown = 1.0, True
        samples = _samples(zone.corners)
        self._sample_pixels = samples
        if zone.space == FLOOR and camera:
            pixels = camera.floor_to_pixels(samples)
            pixels = pixels[_in_image(camera, pixels)]
            self._sample_pixels = pixels[camera.is_upright(pixels)]
            self.visible = len(self._sample_pixels) / len(samples)
            self._is_shown = self.visible > 0 or _shows_upright(camera, samples)

    def judge(self, seen: Observation) -> Evidence:
        """The evidence of one result."""
        boxes = self._boxes_of(seen.detections, self._class_ids)
        found = _BY_SPACE[self.zone.space](self, boxes.astype(np.float64))
        if self.zone.wants_mask and seen.mask is not None:
            found = self._with_mask(found, seen.mask)
        if found.verdict is Verdict.CLEAR:
            return self._doubt(found, seen)
        if found.verdict is Verdict.OCCUPIED and seen.source.truncated:
            return replace(found, is_doubtful=True)
        return found

    def _doubt(self, found: Evidence, seen: Observation) -> Evidence:
        """What is left of a clear verdict after everything that could have hidden an object."""
        if not self.visible >= self.zone.min_visible:
            return _unsure(
                f"{self.visible:.0%} of the zone lies in the image, where it shows people upright; "
                f"min_visible asks for {self.zone.min_visible:.0%}"
            )
        if not self._is_shown:
            return _unsure(
                "the image shows nothing upright that stands in the zone: is it "
                "behind or beside the camera, or is the camera not upright?"
            )
        in_sight = self.visible * (1 - self._hidden(seen))
        if in_sight < self.zone.min_visible:
            return _unsure(
                f"{in_sight:.0%} of the zone is in sight, the rest is hidden by objects in front of it "
                f"or outside of the image; min_visible asks for {self.zone.min_visible:.0%}"
            )
        if seen.source.truncated:
            return _unsure(
                "perception reached its limit of detections, or its iou_threshold drops more than the "
                "model's own: objects may be missing"
            )
        if self.zone.wants_mask and seen.mask is None:
            return Evidence(None, why="no mask of this image came in time")
        return found

    def _hidden(self, seen: Observation) -> float:
        """The share of the zone in the image that lies behind objects, 0..1.

        The foot test asks the boxes, the mask test of a floor zone also the mask.
        """
        if not len(self._sample_pixels):
            return 0.0
        hidden = np.zeros(len(self._sample_pixels), bool)
        if FOOT in self.zone.tests:
            hidden |= self._behind_boxes(seen.detections)
        if seen.mask is not None and self.zone.wants_mask and self.zone.space == FLOOR:
            hidden |= self._behind_mask(seen.mask)
        return float(hidden.mean())

    def _behind_boxes(self, found: Detections) -> np.ndarray:
        """Which samples a box covers, `(K,)` bool.

        What stands on a floor point nearer than another, in the same direction, covers its pixel. In a
        zone of the image only boxes that the lower edge cuts off are known to be nearer.
        """
        boxes = self._boxes_of(found, self._hiding_ids)
        if self.zone.space != FLOOR:
            boxes = boxes[boxes[:, 3] >= self._lower_edge]
        pixels = self._sample_pixels[:, None]
        within = (pixels >= boxes[:, :2]) & (pixels <= boxes[:, 2:])
        return np.asarray(np.any(within.all(axis=2), axis=1))

    def _behind_mask(self, mask: np.ndarray) -> np.ndarray:
        """Which samples of a floor zone show an object instead of floor, `(K,)` bool.

        What covers a floor point stands on it or nearer; what stands inside was found before.
        """
        assert self._camera is not None
        height, width = self._camera.intrinsics.size_hw
        scale = np.array([mask.shape[1] / width, mask.shape[0] / height])
        last = np.array([mask.shape[1] - 1, mask.shape[0] - 1])
        columns, rows = np.minimum((self._sample_pixels * scale).astype(int), last).T
        return np.isin(mask[rows, columns], self._masked(self._hiding_ids))

    def _boxes_of(self, found: Detections, class_ids: tuple[int, ...]) -> np.ndarray:
        keep = np.isin(found.class_ids, class_ids) & (found.scores >= self.zone.lowest_score)
        return found.boxes_xyxy[keep]

    def judge_floor(self, boxes_xyxy: np.ndarray) -> Evidence:
        """Boxes against a zone on the floor."""
        camera, inside, lost = self._camera, [], False
        assert camera is not None
        boxes = boxes_xyxy if FOOT in self.zone.tests else boxes_xyxy[:0]
        zone = self.zone
        for footprint in _footprints(camera, boxes.tobytes(), zone.foot_width, zone.edge_error):
            shared = self._shared(footprint)
            if len(shared) and footprint.placed:
                inside.append(shared)
            lost |= bool(len(shared)) and not footprint.placed
        is_lost = lost and self.zone.unplaced == "unknown"
        if inside:
            points = np.concatenate(inside)
            nearest = float(camera.distances(points).min())
            return Evidence(Verdict.OCCUPIED, len(inside), nearest, points, is_doubtful=is_lost)
        if is_lost:
            return _unsure(
                "an object in the zone's direction has no place on the floor (legs hidden?)"
            )
        return Evidence(Verdict.CLEAR)

    def _shared(self, footprint: Footprint) -> np.ndarray:
        """Corners of what a footprint has in common with the zone.

        Where it has nothing, of its surroundings within the margin and the error of its place.
        """
        shared = shared_points(footprint.corners, self.zone.corners)
        if len(shared) or not (self.zone.margin or self.zone.edge_error):
            return shared
        return shared_points(widened(footprint.reach, self.zone.margin), self.zone.corners)

    def judge_image(self, boxes_xyxy: np.ndarray) -> Evidence:
        """Boxes against a region of the image."""
        inside = 0
        feet = foot_pixels(boxes_xyxy, self.zone.foot_width)
        # What the lower edge cuts off stands on it, or below it.
        feet[..., 1] = np.minimum(feet[..., 1], self._lower_edge)
        for box, foot in zip(boxes_xyxy, feet, strict=True):
            shapes = [foot] if FOOT in self.zone.tests else []
            if BOX in self.zone.tests:
                shapes.append(box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2))
            inside += any(len(shared_points(shape, self.zone.corners)) for shape in shapes)
        return Evidence(Verdict.OCCUPIED if inside else Verdict.CLEAR, inside)

    def _with_mask(self, found: Evidence, mask: np.ndarray) -> Evidence:
        """Add what the segmentation says."""
        shown = self._zone_pixels((mask.shape[0], mask.shape[1]))
        values = mask[::_PIXEL_STEP, ::_PIXEL_STEP][shown]
        found = self._with_pixels(found, mask, values, self._class_ids)
        if found.verdict is not Verdict.CLEAR:
            return found
        if not len(values):
            return _unsure("the mask shows no pixel of the zone")
        columns = int(shown.any(0).sum())
        if self.zone.space == FLOOR and columns < self.zone.mask_columns:
            return _unsure(
                f"the mask shows the zone in {columns} of the columns looked at; mask_columns asks for "
                f"{self.zone.mask_columns}"
            )
        unlabelled = float((values == UNLABELED_ID).mean())
        if unlabelled > self.zone.max_unlabelled:
            return _unsure(f"{unlabelled:.0%} of the zone's pixels are unlabelled (max_unlabelled)")
        if not (mask == UNLABELED_ID).any():
            return found
        possible = self._with_pixels(found, mask, values, self._masked(self._class_ids))
        if possible.verdict is not Verdict.CLEAR:
            return _unsure(
                "unlabelled pixels of the mask may show an object in the zone; lower perception's "
                "mask_threshold to .5 or less, or write max_unlabelled: 1.0 to take them for empty"
            )
        return found

    def _masked(self, class_ids: tuple[int, ...]) -> tuple[int, ...]:
        """The values in the mask that may be of classes: a pixel of low confidence is unlabelled."""
        return (*class_ids, UNLABELED_ID) if self.zone.max_unlabelled < 1 else class_ids

    def _with_pixels(
        self, found: Evidence, mask: np.ndarray, values: np.ndarray, class_ids: tuple[int, ...]
    ) -> Evidence:
        """Add the mask's pixels of some classes, `values` being those of the zone."""
        if self.zone.space == FLOOR:
            return self._with_contacts(found, mask, class_ids)
        if len(values) and np.isin(values, class_ids).mean() >= self.zone.mask_share:
            return Evidence(Verdict.OCCUPIED, max(1, found.objects))
        return found

    def _with_contacts(
        self, found: Evidence, mask: np.ndarray, class_ids: tuple[int, ...]
    ) -> Evidence:
        assert self._camera is not None
        contacts = contacts_of(self._camera, mask, class_ids)
        touching = segments_touch_polygon(self.zone.corners, contacts.starts, contacts.ends)
        if touching.sum() < self.zone.mask_columns:
            return found
        points = np.concatenate(
            [found.points_xy, _points_within(self.zone.corners, contacts, touching)]
        )
        nearest = float(self._camera.distances(points).min())
        return replace(
            found,
            verdict=Verdict.OCCUPIED,
            objects=max(1, found.objects),
            nearest_m=nearest,
            points_xy=points,
            is_doubtful=found.is_doubtful or found.verdict is Verdict.UNSURE,
        )

    def _zone_pixels(self, mask_hw: tuple[int, int]) -> np.ndarray:
        """Which of every fourth pixel show the zone, bool.

        Kept, as it changes with the mask's size only.
        """
        if self._pixels is None or self._pixels_hw != mask_hw:
            self._pixels_hw = mask_hw
            if self.zone.space == FLOOR and self._camera:
                self._pixels = _floor_pixels(self._camera, self.zone.corners, mask_hw)
            else:
                size_hw = self._image_hw or mask_hw
                scale = np.array([mask_hw[1] / size_hw[1], mask_hw[0] / size_hw[0]])
                self._pixels = rasterise(self.zone.corners * scale, mask_hw)[
                    ::_PIXEL_STEP, ::_PIXEL_STEP
                ]
        return self._pixels


_BY_SPACE: dict[str, Callable[[ZoneJudge, np.ndarray], Evidence]] = {
    "floor": ZoneJudge.judge_floor,
    "image": ZoneJudge.judge_image,
}


@lru_cache(maxsize=4)
def _footprints(
    camera: FloorCamera, boxes: bytes, foot_width: float, edge_error: float
) -> tuple[Footprint, ...]:
    """The footprints of `(N, 4)` float64 boxes; kept, as the zones of a camera ask for the same."""
    boxes_xyxy = np.frombuffer(boxes).reshape(-1, 4)
    return tuple(footprints_of(camera, boxes_xyxy, foot_width, edge_error))


def _points_within(corners: np.ndarray, contacts: Contacts, touching: np.ndarray) -> np.ndarray:
    """The contacts that touch a zone.

    Where one was cut off, the zone's part of the line to the camera.
    """
    points = []
    for start, end in zip(contacts.starts[touching], contacts.ends[touching], strict=True):
        line = end[None] if np.array_equal(start, end) else np.stack([start, end])
        points.append(shared_points(line, corners))
    return np.concatenate(points)


def _shows_upright(camera: FloorCamera, floor_xy: np.ndarray) -> bool:
    """Whether the image shows, upright, a part of what stands at some of the points."""
    points = [np.column_stack([floor_xy, np.full(len(floor_xy), z)]) for z in _HEIGHTS]
    pixels = camera.points_to_pixels(np.concatenate(points))
    return bool(camera.is_upright(pixels[_in_image(camera, pixels)]).any())


def _in_image(camera: FloorCamera, pixels: np.ndarray) -> np.ndarray:
    height, width = camera.intrinsics.size_hw
    with np.errstate(invalid="ignore"):
        return np.all((pixels >= 0) & (pixels <= (width, height)), axis=1)


def _floor_pixels(camera: FloorCamera, corners: np.ndarray, mask_hw: tuple[int, int]) -> np.ndarray:
    """Of every fourth of the mask's pixels those whose floor point lies in the zone."""
    height, width = mask_hw
    scale = np.array([camera.intrinsics.size_hw[1] / width, camera.intrinsics.size_hw[0] / height])
    y, x = np.mgrid[0:height:_PIXEL_STEP, 0:width:_PIXEL_STEP]
    pixels = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) * scale
    return points_inside(corners, camera.pixels_to_floor(pixels)).reshape(x.shape)
