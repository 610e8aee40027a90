"""LEGACY scores, as older code for this task computed them.

Only for comparison with its published numbers.

They are not the scores that papers mean by the same words: the IoU is averaged over images and
counts 0 for every class an image lacks, so a perfect mask does not reach 1; the accuracy counts
true negatives, so that of four classes a wrong mask still gets .5; the AP cuts weak detections off
and counts an object each time found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtv_perception.metrics.matching import ImageBoxes, iou_with_crowds, xyxy_to_xywh

# Weaker detections never reached the old evaluation.
LEGACY_MIN_SCORE = 0.725


def legacy_image_jaccard(confusion: np.ndarray) -> np.ndarray:
    """Legacy "IoU" of one image, `(C,)`: 0 for an absent class.

    The old score summed softmax shares; here each pixel's winning class has share 1.

    Args:
        confusion: `(C, C + 1)` int64 of this image alone, see `segmentation.confusion_matrix`.
    """
    right = np.diagonal(confusion).astype(float)
    union = confusion.sum(1) + confusion[:, : len(confusion)].sum(0) - right
    jaccard: np.ndarray = np.divide(right, union, out=np.zeros_like(right), where=union > 0)
    return jaccard


def legacy_image_accuracy(confusion: np.ndarray) -> float:
    """Legacy "categorical accuracy" of one image: the share of right yes/no answers.

    NaN without pixels.

    There is an answer for each class and pixel, so true negatives count.
    A pixel given a wrong class answers wrong for two classes, one given none answers wrong for one.
    """
    count, pixels = len(confusion), confusion.sum()
    if not pixels:
        return float("nan")
    silent = confusion[:, count:].sum()
    wrong = pixels - np.trace(confusion) - silent
    return float(1 - (2 * wrong + silent) / (count * pixels))


def legacy_average_precision(
    images: Sequence[ImageBoxes], iou: float = 0.5, min_score: float = LEGACY_MIN_SCORE
) -> float:
    """Legacy AP of one class; NaN if there is no object.

    Every detection that overlaps some object is a hit; recall is cut at 1.
    """
    scores, hits = [np.empty(0)], [np.empty(0, bool)]
    for image in images:
        kept = image.scores >= min_score
        truth = xyxy_to_xywh(image.truth_xyxy[~image.crowd])
        overlaps = iou_with_crowds(
            xyxy_to_xywh(image.detected_xyxy[kept]), truth, np.zeros(len(truth), bool)
        )
        scores.append(image.scores[kept])
        hits.append(overlaps.max(1, initial=0.0) >= iou)
    objects = sum(int((~image.crowd).sum()) for image in images)
    if not objects:
        return float("nan")
    order = np.argsort(-np.concatenate(scores), kind="stable")
    right = np.concatenate(hits)[order].cumsum()
    recall = np.minimum(np.concatenate([[0.0], right / objects]), 1.0)
    precision = right / np.arange(1, len(right) + 1)
    return float((np.diff(recall) * precision).sum())
