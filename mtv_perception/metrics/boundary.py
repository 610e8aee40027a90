"""How well the outline of a mask follows the true one.

Source: Csurka et al. 2013, "What is a good evaluation measure for semantic segmentation?", section
3:
precision is the share of the predicted outline near the true one, recall the reverse, the score
their harmonic mean; image by image, then the mean over images.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from mtv_perception.labels import UNLABELED_ID

# Csurka et al. 2013: the tolerance as a share of the image's diagonal.
DIAGONAL_SHARE = 0.0075

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def tolerance_of(size_hw: tuple[int, int]) -> float:
    """The tolerance for an image of this size, pixels."""
    return DIAGONAL_SHARE * math.hypot(*size_hw)


def boundary(region: np.ndarray) -> np.ndarray:
    """Pixels of a region with one of four neighbours outside; the image's edge is none. `(H, W)` bool."""
    mask = region.astype(np.uint8)
    inner = cv2.erode(mask, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    outline: np.ndarray = mask != inner
    return outline


def share_near(outline: np.ndarray, other: np.ndarray, tolerance_px: float) -> float:
    """Share of an outline's pixels at most so far from another, both `(H, W)` bool.

    NaN if there are none.
    """
    if not outline.any():
        return float("nan")
    if not other.any():
        return 0.0
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[
        outline
    ]
    return float((np.rint(distance.astype(np.float64) ** 2) <= tolerance_px**2).mean())


def boundary_f(
    truth: np.ndarray, predicted: np.ndarray, class_id: int, tolerance_px: float
) -> float:
    """Boundary F-score of one class in one image.

    Args:
        truth: `(H, W)` uint8 class ids; no outline runs along or in 255.
        predicted: `(H, W)` uint8 class ids.
        class_id: the class.
        tolerance_px: how far off an outline may be, pixels.

    Returns:
        0..1; 0 when only one of the two has an outline; NaN when neither has.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"Expected masks of one shape, got {truth.shape} and {predicted.shape}.")
    known = cv2.dilate((truth == UNLABELED_ID).astype(np.uint8), _CROSS) == 0
    true_outline, outline = (
        boundary(truth == class_id) & known,
        boundary(predicted == class_id) & known,
    )
    if not true_outline.any() and not outline.any():
        return float("nan")
    if not true_outline.any() or not outline.any():
        return 0.0
    precision = share_near(outline, true_outline, tolerance_px)
    recall = share_near(true_outline, outline, tolerance_px)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
