"""What is known about one result beside its objects.

The model behind it, the image, and where the camera stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting
from mtv_perception.labels import UNLABELED_ID, LabelSet
from mtv_perception.zones.config import DEFAULT_MIN_SCORE, FLOOR, ZoneConfig

# Thresholds travel as float32.
_ROUNDING = 1e-6
# The sides of a mask in the network's size are rounded to its stride; so much may its shape differ.
_MASK_ROUNDING = 0.03


@dataclass(frozen=True)
class DetectionSource:
    """Who made a result, from what, and what it can't contain.

    Attributes:
        labels: the names behind the class ids of this result.
        size_hw: height and width of the source image, pixels.
        model: identifies publisher, model and activation; results of different ones are never
            mixed.
        thresholds: by class id, the lowest score that the result can contain; None where that is
            not known.
        tuned: by class id, the model's own thresholds; None where they are not known.
        box_classes: names that the model was trained to find as boxes; None where that is not
            known.
        mask_classes: names that it was trained to fill in the mask; None where that is not known.
        suppressed: names whose detections are dropped where the mask shows none.
        truncated: objects may be missing: a limit on the number of detections was reached, or
            perception's iou_threshold dropped more than the model's.
        fault: what is wrong with the image (frozen, dark, covered, ...); empty for a good one.
    """

    labels: LabelSet
    size_hw: tuple[int, int]
    model: tuple[object, ...] = ()
    thresholds: tuple[float, ...] | None = None
    tuned: tuple[float, ...] | None = None
    box_classes: frozenset[str] | None = None
    mask_classes: frozenset[str] | None = None
    suppressed: frozenset[str] = frozenset()
    truncated: bool = False
    fault: str = ""


@dataclass(frozen=True)
class View:
    """Where a camera looks.

    Attributes:
        intrinsics: its calibration; None where there is none that can be used.
        mounting: its pose; None where it is not known.
        why_not: the reason for a None.
    """

    intrinsics: Intrinsics | None = None
    mounting: Mounting | None = None
    why_not: str = ""

    def floor_camera(self) -> FloorCamera | None:
        """The camera above the floor, where all of it is known."""
        return (
            FloorCamera(self.intrinsics, self.mounting)
            if self.intrinsics and self.mounting
            else None
        )


def check_mask(mask: np.ndarray, size_hw: tuple[int, int], labels: LabelSet | None) -> None:
    """Refuse a mask that can't be of this image and model: what it shows would be free floor.

    Args:
        mask: `(H, W)` uint8 class ids, in the source image's size or scaled.
        size_hw: height and width of the source image, pixels; 0 where they are not known.
        labels: of the model; None where they are not known.

    Raises:
        ValueError: it is of another shape, or holds ids that no class has.
    """
    height, width = size_hw
    rows, columns = mask.shape
    if not min(rows, columns) or (
        min(size_hw) > 0 and abs(rows * width / (columns * height) - 1) > _MASK_ROUNDING
    ):
        raise ValueError(
            f"Expected a mask of the {width}x{height} image, got one of {columns}x{rows}: is it of "
            "another camera?"
        )
    if labels is not None:
        is_strange = (mask >= len(labels)) & (mask != UNLABELED_ID)
        if is_strange.any():
            raise ValueError(
                f"Expected a mask of class ids below {len(labels)} or {UNLABELED_ID}, got "
                f"{int(mask[is_strange].min())}: is it of another model, or a picture?"
            )


def why_unusable(
    zone: ZoneConfig, image_hw: tuple[int, int] | None, source: DetectionSource, view: View
) -> str:
    """Why a zone can't be judged by a result at all; an empty text where it can.

    Args:
        zone: the zone.
        image_hw: height and width of the image that image zones are drawn in, pixels; None accepts
            each.
        source: model and image behind the result.
        view: where the camera looks.
    """
    if source.fault:
        return f"the camera's image can't be relied on: {source.fault}"
    if min(source.size_hw) < 1:
        return "perception does not tell the size of the image"
    return (
        _why_not_classes(zone.needed_classes, source)
        or _why_not_trained(zone, source)
        or _why_not_scores(zone, source)
        or (
            _why_not_floor(source, view)
            if zone.space == FLOOR
            else _why_not_image(zone, image_hw, source)
        )
    )


def _why_not_classes(classes: Sequence[str], source: DetectionSource) -> str:
    missing = [name for name in classes if name not in source.labels.foreground]
    if missing:
        return f"the model knows no {_listed(missing)}, only {_listed(source.labels.foreground)}"
    return ""


def _why_not_trained(zone: ZoneConfig, source: DetectionSource) -> str:
    # Boxes tell what hides the floor, too.
    in_mask = zone.classes if zone.wants_boxes else zone.needed_classes
    for wanted, names, trained, what in (
        (zone.wants_boxes, zone.needed_classes, source.box_classes, "boxes"),
        (zone.wants_mask, in_mask, source.mask_classes, "masks"),
    ):
        missing = [name for name in names if trained is not None and name not in trained]
        if wanted and missing:
            return f"the model was not trained for {what} of {_listed(missing)}"
    if zone.wants_mask and source.mask_classes is None:
        return "it is not known which classes the mask shows: perception publishes no status"
    return ""


def _why_not_scores(zone: ZoneConfig, source: DetectionSource) -> str:
    if not zone.wants_boxes:
        return ""
    hidden = [name for name in zone.needed_classes if name in source.suppressed]
    if hidden:
        return f"perception's suppress_absent drops detections of {_listed(hidden)}"
    for name in zone.needed_classes if source.thresholds is not None else ():
        least, limit = _score(source.thresholds, name, source), _limit(zone, name, source)
        if not least <= limit + _ROUNDING:
            return (
                f"perception drops {name} below a score of {least:.3f}, the zone needs {limit:.3f}; "
                "lower perception's threshold or set min_score"
            )
    return ""


def _limit(zone: ZoneConfig, name: str, source: DetectionSource) -> float:
    """The score down to which the zone has to see a class."""
    if zone.min_score is not None:
        return zone.min_score
    own = _score(source.tuned, name, source) if source.tuned is not None else 0.0
    return max(DEFAULT_MIN_SCORE, own if math.isfinite(own) else 0.0)


def _score(scores: tuple[float, ...] | None, name: str, source: DetectionSource) -> float:
    index = source.labels.id_of(name)
    return scores[index] if scores is not None and index < len(scores) else math.nan


def _why_not_floor(source: DetectionSource, view: View) -> str:
    if view.floor_camera() is None:
        return view.why_not or "calibration or pose of the camera is not known"
    assert view.intrinsics is not None
    if view.intrinsics.size_hw != source.size_hw:
        return f"the calibration is of a {_by(view.intrinsics.size_hw)} image, the image is {_by(source.size_hw)}"
    return ""


def _why_not_image(
    zone: ZoneConfig, image_hw: tuple[int, int] | None, source: DetectionSource
) -> str:
    if image_hw and image_hw != source.size_hw:
        return f"the zone is drawn for a {_by(image_hw)} image, the image is {_by(source.size_hw)}"
    low, high = zone.corners.min(0), zone.corners.max(0)
    if (low < 0).any() or high[0] > source.size_hw[1] or high[1] > source.size_hw[0]:
        return f"the zone reaches beyond the {_by(source.size_hw)} image"
    return ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "class"


def _by(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[1]}x{size_hw[0]}"
