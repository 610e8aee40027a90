"""From raw class logits and offsets to boxes.

Threshold in logit space, keep the best, decode only those.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtv_perception.geometry.codec import Variances, decode
from mtv_perception.geometry.nms import nms_per_class, soft_nms
from mtv_perception.runtime.outputs import Tensor
from mtv_perception.types import Detections

Candidates = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Default-box indices, class ids, scores."""


def sigmoid_candidates(class_logits: Tensor, thresholds: np.ndarray, limit: int) -> Candidates:
    """The pairs of default box and class whose sigmoid reaches the class's threshold.

    At most the `limit` best.

    Args:
        class_logits: `(N, K)`, classes 1..K.
        thresholds: `(K,)`, 0 < t <= 1; 1 keeps nothing.
        limit: keep at most this many.
    """
    with np.errstate(divide="ignore"):  # a threshold of 1 is out of every logit's reach
        logit_thresholds = np.log(thresholds) - np.log1p(-thresholds)
    flat = class_logits.values.reshape(-1)
    # One comparison over the whole tensor in its own number format; everything after touches
    # survivors only.
    lowest = class_logits.stored(float(logit_thresholds.min()))
    if class_logits.is_quantised:
        index = (
            np.flatnonzero(flat >= np.int8(np.clip(lowest, -128, 127)))
            if lowest <= 127
            else np.empty(0, np.int64)
        )
    else:
        index = np.flatnonzero(flat >= np.float32(lowest))
    columns = index % len(thresholds)
    logits = class_logits.real(flat[index])
    keep = logits >= logit_thresholds[columns].astype(np.float32)
    index, columns, logits = _best(index[keep], columns[keep], logits[keep], limit)
    return index // len(thresholds), columns + 1, 1 / (1 + np.exp(-logits))


def softmax_candidates(class_logits: Tensor, thresholds: np.ndarray, limit: int) -> Candidates:
    """As `sigmoid_candidates` for `(N, 1 + K)` softmax logits whose column 0 is the background."""
    logits = class_logits.real(class_logits.values)
    logits = logits - logits.max(1, keepdims=True)
    scores = np.exp(logits)
    scores = (scores / scores.sum(1, keepdims=True))[:, 1:]
    rows, columns = np.nonzero(scores >= thresholds)
    rows, columns, best = _best(rows, columns, scores[rows, columns], limit)
    return rows, columns + 1, best


def _best(rows: np.ndarray, columns: np.ndarray, scores: np.ndarray, limit: int) -> Candidates:
    if len(scores) <= limit:
        return rows, columns, scores
    top = np.sort(np.argpartition(-scores, limit)[:limit])
    return rows[top], columns[top], scores[top]


CANDIDATES: dict[str, Callable[[Tensor, np.ndarray, int], Candidates]] = {
    "sigmoid": sigmoid_candidates,
    "softmax": softmax_candidates,
}


def detect(
    candidates: Candidates,
    box_offsets: Tensor,
    default_cxcywh: np.ndarray,
    variances: Variances,
    iou_threshold: float,
    limit_per_class: int,
    limit: int,
    *,
    thresholds: np.ndarray | None = None,
) -> Detections:
    """Decode the candidates' boxes and suppress duplicates within each class.

    With the `thresholds` `(K,)` of the candidates suppression is soft: boxes that overlap fade, and
    those that are dropped move the boxes that are kept (`geometry.nms.soft_nms`). Boxes in network
    pixels.
    """
    boxes = decode_boxes(candidates, box_offsets, default_cxcywh, variances)
    limits = (limit_per_class, limit)
    return suppress(candidates, boxes, iou_threshold, *limits, thresholds=thresholds)


def decode_boxes(
    candidates: Candidates, box_offsets: Tensor, default_cxcywh: np.ndarray, variances: Variances
) -> np.ndarray:
    """The boxes of candidates, `(M, 4)` network pixels."""
    rows = candidates[0]
    return decode(box_offsets.real(box_offsets.values[rows]), default_cxcywh[rows], variances)


def suppress(
    candidates: Candidates,
    boxes_xyxy: np.ndarray,
    iou_threshold: float,
    limit_per_class: int,
    limit: int,
    *,
    thresholds: np.ndarray | None = None,
) -> Detections:
    """The candidates without duplicates within each class; see `detect`.

    Args:
        candidates: rows, class ids and scores of M boxes.
        boxes_xyxy: `(M, 4)` network pixels.
        iou_threshold: overlap above which a box is a duplicate, 0..1.
        limit_per_class: most boxes of one class.
        limit: most boxes of all classes.
        thresholds: see `detect`.
    """
    _, class_ids, scores = candidates
    overlap, limits = iou_threshold, (limit_per_class, limit)
    if thresholds is None:
        kept = nms_per_class(boxes_xyxy, scores, class_ids, overlap, *limits)
        boxes, scores = boxes_xyxy[kept], scores[kept]
    else:
        lowest = thresholds[class_ids - 1]
        kept, boxes, scores = soft_nms(boxes_xyxy, scores, class_ids, overlap, lowest, *limits)
    return Detections(boxes, scores.astype(np.float32), class_ids[kept].astype(np.int32))
