"""Average precision, precision-recall curves and recall at a false-alarm rate.

From matched detections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtv_perception.metrics.matching import ImageBoxes, Matches, match_class

# cocoeval.py, Params.setDetParams: precision is read at 101 recalls.
COCO_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class PrecisionRecall:
    """How precision and recall move as the score threshold falls.

    Attributes:
        scores: `(N,)` descending; the threshold that gives each point.
        precision: `(N,)` 0..1.
        recall: `(N,)` 0..1.
        false_alarms: `(N,)` false positives for each image.
    """

    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    false_alarms: np.ndarray

    @property
    def f1(self) -> np.ndarray:
        """`(N,)` harmonic mean of precision and recall; 0 where both are."""
        total = self.precision + self.recall
        product = 2 * self.precision * self.recall
        f1: np.ndarray = np.divide(product, total, out=np.zeros_like(total), where=total > 0)
        return f1


def interpolated_precision(matches: Matches, recalls: np.ndarray = COCO_RECALLS) -> np.ndarray:
    """Precision at given recalls, `(T, R)`; NaN where there was nothing to find.

    Precision at a recall is the best precision at that recall or beyond it; recalls never reached
    give 0.

    Source: Everingham et al. 2010, "The Pascal VOC challenge", section 4.2, at the 101 recalls of
    COCO.
    """
    if not matches.objects:
        return np.full((len(matches.hits), len(recalls)), np.nan)
    right, wrong = matches.hits.cumsum(1).astype(float), matches.misses.cumsum(1).astype(float)
    precision = right / (right + wrong + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))
    return np.stack(
        [
            p[np.searchsorted(r / matches.objects, recalls)]
            for p, r in zip(precision, right, strict=True)
        ]
    )


def precision_recall(matches: Matches, threshold_index: int = 0) -> PrecisionRecall:
    """The raw curve at one IoU threshold.

    Equal scores fall together, ignored detections give no point.
    """
    counted = ~matches.ignored[threshold_index]
    scores, hits = matches.scores[counted], matches.hits[threshold_index][counted]
    last = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
    right, wrong = hits.cumsum()[last].astype(float), (~hits).cumsum()[last].astype(float)
    return PrecisionRecall(
        scores[last],
        right / np.maximum(right + wrong, 1),
        right / max(matches.objects, 1),
        wrong / max(matches.images, 1),
    )


def recall_at_false_alarms(
    images: Sequence[ImageBoxes], per_image: float = 0.1, min_height: float = 32.0, iou: float = 0.5
) -> float:
    """Share of the objects found when the score threshold lets through at most so many false alarms an image.

    Args:
        images: of one class.
        per_image: false positives an image allowed.
        min_height: objects lower than this (pixels) need not be found, and finding one is no false
            alarm.
        iou: overlap that counts as found.

    Returns:
        0..1; NaN when no object is high enough.

    Source: Dollár et al. 2012, "Pedestrian Detection: An Evaluation of the State of the Art",
    section 3; unlike there, a detection of any height that finds nothing is a false alarm.
    """
    matches = match_class(images, np.array([iou]), min_height=min_height)
    if not matches.objects:
        return float("nan")
    curve = precision_recall(matches)
    return float(curve.recall[curve.false_alarms <= per_image].max(initial=0.0))
