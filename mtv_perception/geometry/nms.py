"""Greedy non-maximum suppression within each class, and the vote of the boxes it drops."""

from __future__ import annotations

import numpy as np

from mtv_perception.geometry.boxes import box_areas, check_boxes, pairwise_iou

_VOTE_SPREAD = 0.025
"""How fast a vote fades as IoU falls: at an IoU of 0.84 its weight is 1/e. The value that
research/experiments.md, "Boxes that vote", measures."""


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


def vote(
    boxes_xyxy: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    """The kept boxes, each moved to the mean of itself and the dropped boxes of its class.

    Several boxes often find one object. Their mean fits it better than the one of the best score
    (Gidaris and Komodakis 2015, section 4.2). A dropped box weighs `score * exp(-(1 - IoU)^2 / 0.025)`
    (He et al. 2019, section 3.3), so that only nearly equal ones count. Kept boxes do not move one
    another.

    Args:
        boxes_xyxy: `(N, 4)`, the boxes before suppression, in any one unit.
        scores: `(N,)`, above 0.
        class_ids: `(N,)`.
        kept: `(K,)` positions of the boxes that suppression keeps.

    Returns:
        `(K, 4)` of the dtype of `boxes_xyxy`.
    """
    votes = scores.copy()
    votes[kept] = 0
    iou = pairwise_iou(boxes_xyxy[kept], boxes_xyxy)
    weights = votes * np.exp((1 - iou) ** 2 / -_VOTE_SPREAD) * (class_ids[kept, None] == class_ids)
    weights[np.arange(len(kept)), kept] = scores[kept]
    moved = weights @ boxes_xyxy / weights.sum(1, keepdims=True)
    return moved.astype(boxes_xyxy.dtype)
