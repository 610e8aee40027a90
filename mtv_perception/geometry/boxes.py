"""Axis-aligned boxes: forms, areas, overlaps.

`xyxy` is x0, y0, x1, y1 with x1 > x0 to the right and y1 > y0 downward; `cxcywh` is centre x, y,
width, height. Coordinates are continuous: pixel i covers i..i+1.
"""

from __future__ import annotations

import numpy as np


def check_boxes(boxes: np.ndarray) -> np.ndarray:
    """Return `boxes` if its shape is `(..., 4)`, else raise ValueError."""
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ValueError(f"Expected boxes of shape (..., 4), got {boxes.shape}.")
    return boxes


def xyxy_to_cxcywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Corners to centre form, `(..., 4)` to `(..., 4)`."""
    low, high = check_boxes(boxes_xyxy)[..., :2], boxes_xyxy[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], -1)


def cxcywh_to_xyxy(boxes_cxcywh: np.ndarray) -> np.ndarray:
    """Centre form to corners, `(..., 4)` to `(..., 4)`."""
    centre, half = check_boxes(boxes_cxcywh)[..., :2], boxes_cxcywh[..., 2:] / 2
    return np.concatenate([centre - half, centre + half], -1)


def box_areas(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Areas, `(..., 4)` to `(...)`; an inverted box has area 0."""
    sides = np.maximum(check_boxes(boxes_xyxy)[..., 2:] - boxes_xyxy[..., :2], 0)
    return sides[..., 0] * sides[..., 1]


def pairwise_intersections(a_xyxy: np.ndarray, b_xyxy: np.ndarray) -> np.ndarray:
    """Overlap areas of every pair, `(N, 4)` and `(M, 4)` to `(N, M)`."""
    low = np.maximum(check_boxes(a_xyxy)[:, None, :2], check_boxes(b_xyxy)[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    sides = np.maximum(high - low, 0)
    return sides[..., 0] * sides[..., 1]


def pairwise_iou(a_xyxy: np.ndarray, b_xyxy: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair, `(N, 4)` and `(M, 4)` to `(N, M)` in 0..1.

    0 for two empty boxes.
    """
    shared = pairwise_intersections(a_xyxy, b_xyxy)
    union = box_areas(a_xyxy)[:, None] + box_areas(b_xyxy)[None, :] - shared
    ratio = np.zeros(shared.shape, np.result_type(shared, np.float32))
    return np.divide(shared, union, out=ratio, where=union > 0)


def clip_boxes(boxes_xyxy: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Boxes cut to the image `0, 0, width, height`, `(..., 4)`."""
    height, width = size_hw
    limit = np.array([width, height, width, height], boxes_xyxy.dtype)
    return np.clip(check_boxes(boxes_xyxy), 0, limit)
