"""One-to-one assignment of detections to the objects they claim to be.

Source: Lin et al. 2014, "Microsoft COCO: Common Objects in Context", and its evaluation code
(cocoeval.py, evaluateImg), which this follows to the last bit: detections choose in order of score,
each object is taken once, an object that counts is preferred to one that is ignored, a crowd may be
taken any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mtv_perception.geometry.boxes import check_boxes

COCO_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
COCO_MAX_DETECTIONS = 100

Range = tuple[float, float]
# Box areas in square pixels; cocoeval.py, Params.setDetParams.
AREA_RANGES: dict[str, Range] = {
    "all": (0.0, 1e5**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}


@dataclass(frozen=True)
class ImageBoxes:
    """Objects and detections of one class in one image.

    Attributes:
        truth_xyxy: `(G, 4)` pixels.
        detected_xyxy: `(D, 4)` pixels.
        scores: `(D,)`, in any order.
        crowd: `(G,)` bool; such a box is neither an object to find nor background.
    """

    truth_xyxy: np.ndarray
    detected_xyxy: np.ndarray
    scores: np.ndarray
    crowd: np.ndarray = field(default_factory=lambda: np.empty(0, bool))

    def __post_init__(self) -> None:
        if not len(self.crowd) and len(self.truth_xyxy):
            object.__setattr__(self, "crowd", np.zeros(len(self.truth_xyxy), bool))
        check_boxes(self.truth_xyxy), check_boxes(self.detected_xyxy)
        if len(self.crowd) != len(self.truth_xyxy) or len(self.scores) != len(self.detected_xyxy):
            raise ValueError(
                f"Expected a crowd flag for each of {len(self.truth_xyxy)} objects and a score for each of "
                f"{len(self.detected_xyxy)} detections, got {len(self.crowd)} and {len(self.scores)}."
            )


@dataclass(frozen=True)
class Matches:
    """What became of every detection of one class over a data set, best score first.

    Attributes:
        scores: `(N,)` float64.
        hits: `(T, N)` bool: took an object, at each of T IoU thresholds (and is not ignored).
        ignored: `(T, N)` bool: neither right nor wrong.
        objects: how many were to be found.
        images: over how many images.
    """

    scores: np.ndarray
    hits: np.ndarray
    ignored: np.ndarray
    objects: int
    images: int

    @property
    def misses(self) -> np.ndarray:
        """`(T, N)` bool: false positives."""
        misses: np.ndarray = ~self.hits & ~self.ignored
        return misses


def xyxy_to_xywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Corners to COCO's x, y, width, height, `(..., 4)` float64."""
    boxes = check_boxes(boxes_xyxy).astype(np.float64)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], -1)


def iou_with_crowds(
    detected_xywh: np.ndarray, truth_xywh: np.ndarray, crowd: np.ndarray
) -> np.ndarray:
    """IoU of every pair, `(D, 4)` and `(G, 4)` to `(D, G)`.

    With a crowd, the detection's share in it.
    """
    d, g = detected_xywh[:, None], truth_xywh[None]
    sides = np.minimum(d[..., 2:] + d[..., :2], g[..., 2:] + g[..., :2]) - np.maximum(
        d[..., :2], g[..., :2]
    )
    shared = np.where((sides > 0).all(-1), sides[..., 0] * sides[..., 1], 0.0)
    area = d[..., 2] * d[..., 3]
    union = np.where(crowd[None], area, area + g[..., 2] * g[..., 3] - shared)
    iou: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return iou


def match_image(
    iou: np.ndarray, truth_ignored: np.ndarray, crowd: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """Assign the detections of one image to its objects.

    Args:
        iou: `(D, G)`, detections best score first.
        truth_ignored: `(G,)` bool: not an object to find (a crowd, or of the wrong size).
        crowd: `(G,)` bool: may be taken repeatedly.
        thresholds: `(T,)` IoU at which a detection may take an object.

    Returns:
        `(T, D)` int64: the position of the object taken, -1 for none.
    """
    steps = np.arange(len(thresholds))
    least = np.minimum(thresholds, 1 - 1e-10)[:, None]
    free = np.ones((len(thresholds), iou.shape[1]), bool)
    taken = np.full((len(thresholds), len(iou)), -1, np.int64)
    if not iou.size:
        return taken
    for index, row in enumerate(iou):
        fits = np.where((free | crowd) & (row >= least), row, -1.0)
        counted = np.where(truth_ignored, -1.0, fits)
        choice = np.where(counted.max(1, keepdims=True) >= 0, counted, fits)
        # The last of equals: cocoeval replaces a candidate by a later one of the same IoU.
        best = choice.shape[1] - 1 - choice[:, ::-1].argmax(1)
        found = choice[steps, best] >= 0
        taken[found, index] = best[found]
        free[steps[found], best[found]] = False
    return taken


def _outside(measure: np.ndarray, limits: Range) -> np.ndarray:
    outside: np.ndarray = (measure < limits[0]) | (measure > limits[1])
    return outside


def match_class(
    images: Sequence[ImageBoxes],
    thresholds: np.ndarray = COCO_IOU_THRESHOLDS,
    area_range: Range = AREA_RANGES["all"],
    max_detections: int = COCO_MAX_DETECTIONS,
    min_height: float = 0.0,
) -> Matches:
    """Match one class over a data set.

    Args:
        images: one entry for every image in which the class is labelled, empty ones too.
        thresholds: `(T,)` IoU thresholds.
        area_range: objects of other areas (square pixels) are ignored, and so are detections of
            other areas that take nothing.
        max_detections: only so many of an image's best count.
        min_height: objects less high (pixels) are ignored; detections that take nothing are not.
    """
    scores, hits, ignored, objects = [np.empty(0)], [], [], 0
    for image in images:
        order = np.argsort(-image.scores, kind="stable")[:max_detections]
        detected, truth = xyxy_to_xywh(image.detected_xyxy[order]), xyxy_to_xywh(image.truth_xyxy)
        unwanted = (
            image.crowd
            | _outside(truth[:, 2] * truth[:, 3], area_range)
            | (truth[:, 3] < min_height)
        )
        taken = match_image(
            iou_with_crowds(detected, truth, image.crowd), unwanted, image.crowd, thresholds
        )
        took_unwanted = (taken >= 0) & np.append(unwanted, False)[taken]
        outside = _outside(detected[:, 2] * detected[:, 3], area_range)
        scores.append(image.scores[order].astype(np.float64))
        hits.append((taken >= 0) & ~took_unwanted)
        ignored.append(took_unwanted | ((taken < 0) & outside))
        objects += int((~unwanted).sum())
    together = np.concatenate(scores)
    order = np.argsort(-together, kind="stable")
    empty = np.empty((len(thresholds), 0), bool)
    return Matches(
        together[order],
        np.concatenate([empty, *hits], 1)[:, order],
        np.concatenate([empty, *ignored], 1)[:, order],
        objects,
        len(images),
    )
