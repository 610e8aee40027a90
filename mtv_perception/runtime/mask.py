"""From coarse segmentation logits to a full-size mask and its confidence, in 8-bit planes."""

from __future__ import annotations

import cv2
import numpy as np

from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.labels import UNLABELED_ID
from mtv_perception.runtime.outputs import Tensor
from mtv_perception.types import Segmentation


def logit_planes(logits: Tensor) -> tuple[np.ndarray, float]:
    """Logits `(h, w, C)` as uint8 of the same shape and the real units of one step.

    int8 logits are shifted, which loses nothing; floats are spread over 255 steps between their
    extremes.
    """
    if logits.is_quantised:
        return logits.values.view(np.uint8) ^ np.uint8(128), logits.scale
    low, high = float(logits.values.min()), float(logits.values.max())
    step = max(high - low, 1e-6) / 255
    return np.round((logits.values - low) / step).astype(np.uint8), step


def _confidence_table(step: float) -> np.ndarray:
    """uint8 confidence by the lead of the best logit over the second, in steps."""
    return np.round(255 / (1 + np.exp(-np.arange(256) * step))).astype(np.uint8)


def segment(
    logits: Tensor, letterbox: Letterbox, size_hw: tuple[int, int], threshold: float
) -> Segmentation:
    """The class of every pixel.

    Logits are interpolated bilinearly (half-pixel centres) class by class, then compared, so that
    outlines run between the coarse cells. The lowest id wins a tie.

    Args:
        logits: `(h, w, C)` over the whole network input.
        letterbox: where the image lies in it.
        size_hw: size of the mask, pixels: the source image's, or that of the image inside the
            network input.
        threshold: confidence below which a pixel is unlabelled (255), 0..1; 0.5 is the lowest there
            is.
    """
    cells, step = logit_planes(logits)
    planes = cv2.split(np.ascontiguousarray(letterbox.crop_cells(cells)))
    width_height = (size_hw[1], size_hw[0])
    best = cv2.resize(planes[0], width_height, interpolation=cv2.INTER_LINEAR)
    class_ids = np.zeros(size_hw, np.uint8)
    second = np.zeros(size_hw, np.uint8)
    for class_id, plane in enumerate(planes[1:], start=1):
        rival = cv2.resize(plane, width_height, interpolation=cv2.INTER_LINEAR)
        wins = cv2.compare(rival, best, cv2.CMP_GT)
        # Ids rise from round to round, so the maximum overwrites exactly where the new class wins.
        # NumPy here: OpenCV takes a mask of one pixel beside a number for two numbers.
        cv2.max(class_ids, np.bitwise_and(wins, np.uint8(class_id), out=wins), dst=class_ids)
        cv2.max(second, cv2.min(rival, best), dst=second)
        cv2.max(best, rival, dst=best)
    confidence = cv2.LUT(cv2.subtract(best, second), _confidence_table(step))
    if threshold > 0.5:
        unlabelled = np.where(np.arange(256) < round(threshold * 255), UNLABELED_ID, 0).astype(
            np.uint8
        )
        cv2.max(class_ids, cv2.LUT(confidence, unlabelled), dst=class_ids)
    return Segmentation(class_ids, confidence)
