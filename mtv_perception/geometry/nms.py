"""Non-maximum suppression within each class: greedy, or soft with a vote of the boxes it drops."""

from __future__ import annotations

import numpy as np

from mtv_perception.geometry.boxes import box_areas, check_boxes, pairwise_iou

_VOTE_SPREAD = 0.025
"""How fast a vote fades as IoU falls: at an IoU of 0.84 its weight is 1/e. The value that
research/experiments.md, "Boxes that vote", measures."""
_FADE_FROM = 0.4
"""Largest IoU with a better box that costs a box nothing."""
_FADE_SPREAD = 0.1
"""How fast a score fades above it: at an IoU of 0.72 1/e is left. The values that
research/experiments.md, "Soft suppression", measures."""


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


def fade(
    boxes_xyxy: np.ndarray, scores: np.ndarray, class_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lower the scores of boxes that better ones of their class overlap.

    The best box that is left is taken, and every other one's score is multiplied by
    `exp(-(IoU - 0.4)^2 / 0.1)` where IoU is above 0.4 (Bodla et al. 2017, section 3, with a weight that
    leaves neighbours alone). So the second of two people is found, and the second box of one person
    weighs little.

    Args:
        boxes_xyxy: `(N, 4)`.
        scores: `(N,)`, above 0.
        class_ids: `(N,)`.

    Returns:
        Positions in falling order of the new scores, `(N,)` int64, and these scores in that order.
    """
    order = np.argsort(-scores, kind="stable")
    overlap = pairwise_iou(boxes_xyxy, boxes_xyxy) * (class_ids[:, None] == class_ids)
    np.fill_diagonal(overlap, 0)
    if not (overlap > _FADE_FROM).any():
        return order, scores[order]
    shares = np.exp(np.maximum(overlap - _FADE_FROM, 0) ** 2 / -_FADE_SPREAD).astype(scores.dtype)
    left, faded = scores.copy(), np.empty_like(scores)
    for place in range(len(scores)):
        best = order[place] = left.argmax()
        faded[place] = left[best]
        left *= shares[best]
        left[best] = -1
    return order, faded


def soft_nms(
    boxes_xyxy: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray,
    iou_threshold: float,
    lowest: float | np.ndarray,
    limit_per_class: int | None = None,
    limit: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Suppression in which boxes that overlap fade and those that are dropped vote.

    A box is dropped where a better one of its class overlaps it with IoU > `iou_threshold`, or where
    its score fades below its `lowest`. With an `iou_threshold` of at most 0.4 no score changes; 1
    suppresses nothing.

    Args:
        boxes_xyxy: `(N, 4)`.
        scores: `(N,)`, above 0.
        class_ids: `(N,)`, 1..K.
        iou_threshold: 0..1.
        lowest: score below which a faded box is dropped, one for all or `(N,)`.
        limit_per_class: keep at most this many of each class.
        limit: keep at most this many.

    Returns:
        Positions kept, best score first, `(K,)` int64; their boxes, moved by the vote, `(K, 4)`; and
        their scores, `(K,)`.
    """
    kept = nms_per_class(boxes_xyxy, scores, class_ids, iou_threshold)
    faded = scores[kept]
    if _FADE_FROM < iou_threshold < 1:
        order, faded = fade(boxes_xyxy[kept], faded, class_ids[kept])
        kept = kept[order]
    stays = (faded >= np.broadcast_to(lowest, scores.shape)[kept]) | (faded == scores[kept])
    if limit_per_class is not None:
        stays &= _rank_in_class(class_ids[kept]) < limit_per_class
    kept, faded = kept[stays][:limit], faded[stays][:limit]
    return kept, vote(boxes_xyxy, scores, class_ids, kept), faded


def _rank_in_class(class_ids: np.ndarray) -> np.ndarray:
    """How many of the same class come before each."""
    same = class_ids[:, None] == class_ids
    return np.tril(same, -1).sum(1)
