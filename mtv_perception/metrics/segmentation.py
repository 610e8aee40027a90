"""Intersection over union of masks over a whole data set, from one confusion matrix.

Source: Everingham et al. 2015, "The Pascal Visual Object Classes Challenge: A Retrospective":
pixels are counted over the data set, not averaged over images, so an image without a class neither
helps nor hurts.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mtv_perception.labels import BACKGROUND_ID, UNLABELED_ID


def merge_table(known: Collection[int]) -> np.ndarray:
    """Lookup table `(256,)` uint8 that turns every class a mask does not tell apart into background."""
    table = np.full(256, BACKGROUND_ID, np.uint8)
    kept = [*known, BACKGROUND_ID, UNLABELED_ID]
    table[kept] = kept
    return table


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, count: int) -> np.ndarray:
    """Pixels by true and predicted class.

    Args:
        truth: `(H, W)` uint8 class ids; 255 is left out.
        predicted: `(H, W)` uint8 class ids; 255 (the network did not say) is never right.
        count: number of classes, background included.

    Returns:
        `(count, count + 1)` int64, rows are the truth; the last column holds the pixels predicted
        as 255.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"Expected masks of one shape, got {truth.shape} and {predicted.shape}.")
    labelled = truth != UNLABELED_ID
    rows, columns = truth[labelled].astype(np.int64), predicted[labelled].astype(np.int64)
    columns[columns == UNLABELED_ID] = count
    if rows.size and (rows.max() >= count or columns.max() > count):
        raise ValueError(
            f"Expected class ids below {count}, got {int(rows.max())} and {int(columns.max())}."
        )
    return np.bincount(rows * (count + 1) + columns, minlength=count * (count + 1)).reshape(
        count, count + 1
    )


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """IoU of each class, `(C, C + 1)` or `(C, C)` to `(C,)`; NaN for a class no true pixel has."""
    right, true = np.diagonal(confusion).astype(float), confusion.sum(1)
    union = true + confusion[:, : len(confusion)].sum(0) - right
    iou: np.ndarray = np.divide(right, union, out=np.full(len(confusion), np.nan), where=true > 0)
    return iou


def mean_iou(iou: np.ndarray, foreground_only: bool = False) -> float:
    """Mean over the classes that occur in the truth; NaN when none does."""
    values = iou[1:] if foreground_only else iou
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float("nan")
