"""Greedy non-maximum suppression within each class."""

from __future__ import annotations

import numpy as np

from mtv_perception.geometry.boxes import box_areas, check_boxes


def nms(
    boxes_xyxy: np.ndarray, scores: np.ndarray, iou_threshold: float, limit: int | None = None
) -> np.ndarray:
    """Positions of the boxes kept, best score first.

    A box is dropped when a better one overlaps it with IoU > `iou_threshold`. Equal scores keep
    input order.

    Args:
        boxes_xyxy: `(N, 4)`.
        scores: `(N,)`.
        iou_threshold: 0..1.
        limit: keep at most this many.

    Returns:
        `(K,)` int64 positions into the input.
    """
    order = np.argsort(-scores, kind="stable")
    areas = box_areas(check_boxes(boxes_xyxy))
    kept: list[int] = []
    while order.size and (limit is None or len(kept) < limit):
        best, order = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes_xyxy[order, :2], boxes_xyxy[best, :2])
        sides = np.maximum(np.minimum(boxes_xyxy[order, 2:], boxes_xyxy[best, 2:]) - low, 0)
        shared = sides[:, 0] * sides[:, 1]
        # shared / union > threshold, without the division that two empty boxes would break.
        order = order[shared <= iou_threshold * (areas[order] + areas[best] - shared)]
    return np.asarray(kept, np.int64)


def nms_per_class(
    boxes_xyxy: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray,
    iou_threshold: float,
    limit_per_class: int | None = None,
    limit: int | None = None,
) -> np.ndarray:
    """Positions of the boxes kept when each class is suppressed on its own, best score first, `(K,)` int64."""
    kept = [np.empty(0, np.int64)]
    for class_id in np.unique(class_ids):
        index = np.flatnonzero(class_ids == class_id)
        kept.append(index[nms(boxes_xyxy[index], scores[index], iou_threshold, limit_per_class)])
    together = np.concatenate(kept)
    return together[np.argsort(-scores[together], kind="stable")][:limit]
