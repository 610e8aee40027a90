"""Detection losses over raw logits and offsets, for labels that may be partial.

On any backend of Keras.

Where a batch lies on several replicas, each gives its share: the sum over them is the loss of the
batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

from mtv_perception.training.losses.replicas import sum_over_replicas

Tensor = Any
"""A tensor of Keras' backend, or an array."""
MAX_LOG_SCALE = 4.0
_EPSILON = 1e-7


# 16 classes a word, see data.class_sets.
_WORD_BITS = 16


def known_matrix(known: Tensor, first_class: int, classes: int, is_wide: bool = False) -> Tensor:
    """Bit sets as 0/1 `[..., classes]`: whether the labels settle each class from `first_class` on.

    Args:
        known: `[...]` bit sets, or `[..., W]` words of 16 classes if `is_wide`.
        first_class: id of the first class.
        classes: how many.
        is_wide: whether the last axis holds words.
    """
    known = ops.cast(known, "int32")
    ids = ops.arange(first_class, first_class + classes, dtype="int32")
    if is_wide:
        words, ids = ops.take(known, ids // _WORD_BITS, axis=-1), ids % _WORD_BITS
    else:
        words = known[..., None]
    return ops.cast(ops.bitwise_and(ops.right_shift(words, ids), 1), "float32")


def is_wide(known: Tensor, labels: Tensor) -> bool:
    """Whether bit sets have an axis of words more than the labels `[...]` they belong to."""
    return len(known.shape) > len(labels.shape)


def focal_loss(
    logits: Tensor, classes: Tensor, known: Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Sigmoid focal loss, summed and divided by the number of positive default boxes of the batch.

    Args:
        logits: `[B, N, K]` of classes 1..K.
        classes: `[B, N]` integer; 0 background, -1 ignored.
        known: `[B, N]` bit sets of the classes that are labelled there; others contribute nothing.
        alpha: weight of positives.
        gamma: focusing power.

    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 5.
    """
    target, valid = _targets_and_labelled(classes, known, logits.shape[-1])
    score = ops.sigmoid(logits)
    miss = target * (1 - score) + (1 - target) * score
    weight = (target * alpha + (1 - target) * (1 - alpha)) * ops.power(miss, gamma)
    return ops.sum(valid * weight * _sigmoid_entropy(target, logits)) / positives(classes)


def quality_focal_loss(
    logits: Tensor, classes: Tensor, known: Tensor, quality: Tensor, beta: float = 2.0
) -> Tensor:
    """Focal loss whose target is the quality of each positive's box.

    Summed and divided by the sum of the qualities.

    Args:
        logits: `[B, N, K]` of classes 1..K.
        classes: `[B, N]` integer; 0 background, -1 ignored.
        known: `[B, N]` bit sets of the classes that are labelled there; others contribute nothing.
        quality: `[B, N]` in 0..1, see `alignment`.
        beta: focusing power.

    Source: Li et al. 2020, "Generalized Focal Loss", equation 2; the divisor as in the code of Feng
    et al. 2021 (TOOD), but at least 1.
    """
    target, valid = _targets_and_labelled(classes, known, logits.shape[-1])
    target = target * quality[..., None]
    weight = ops.power(ops.abs(target - ops.sigmoid(logits)), beta)
    return ops.sum(valid * weight * _sigmoid_entropy(target, logits)) / total_weight(quality)


def _sigmoid_entropy(target: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of sigmoid scores, element by element, for logits of any size."""
    return ops.softplus(logits) - logits * target


def _targets_and_labelled(classes: Tensor, known: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """One-hot targets `[B, N, count]` of classes from 1 on, and 0/1 for what the labels settle."""
    classes = ops.cast(classes, "int32")
    target = one_hot(classes - 1, count)
    valid = ops.cast(classes >= 0, "float32")[..., None] * ops.maximum(
        known_matrix(known, 1, count, is_wide(known, classes)), target
    )
    return target, valid


def one_hot(index: Tensor, count: int) -> Tensor:
    """`[..., count]` float32 of `[...]` int32; zeros where the index is not in 0..count - 1."""
    return ops.cast(index[..., None] == ops.arange(count, dtype="int32"), "float32")


def total_weight(weights: Tensor) -> Tensor:
    """The sum of the weights of the batch, over all replicas, at least 1."""
    return ops.maximum(sum_over_replicas(ops.sum(weights)), 1.0)


def positives(classes: Tensor) -> Tensor:
    """The number of positive default boxes of the batch, over all replicas, at least 1."""
    return total_weight(ops.cast(classes > 0, "float32"))


def mined_softmax_loss(
    logits: Tensor,
    classes: Tensor,
    known: Tensor,
    negatives_per_positive: float = 3.0,
    at_least: int = 8,
) -> Tensor:
    """Softmax cross-entropy with the hardest negatives of each image.

    Args:
        logits: `[B, N, K]`, background first.
        classes: `[B, N]` integer; 0 background, -1 ignored.
        known: `[B, N]` bit sets; a background box where some class is unlabelled may also be that
            class, so its target is the sum of the background's and the unlabelled classes'
            probability.
        negatives_per_positive: mined in each image on its own.
        at_least: negatives mined in an image without positives.

    Source: Liu et al. 2016 (SSD), section 2.2, "Hard negative mining".
    """
    classes = ops.cast(classes, "int32")
    loss = partial_cross_entropy(logits, classes, known)
    positive = classes > 0
    negative_loss = ops.where(classes == 0, ops.stop_gradient(loss), -1.0)
    found = ops.sum(ops.cast(positive, "float32"), 1)
    wanted = ops.cast(
        ops.where(found > 0, found * negatives_per_positive, float(at_least)), "int32"
    )
    rank = ops.cast(ops.argsort(ops.argsort(-negative_loss, axis=1), axis=1), "int32")
    mined = ops.logical_and(rank < wanted[:, None], classes == 0)
    return ops.sum(ops.where(ops.logical_or(positive, mined), loss, 0.0)) / positives(classes)


def partial_cross_entropy(logits: Tensor, classes: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy `[...]` of `[..., K]` logits where "background" may hide unlabelled classes.

    The target of a background element is the summed probability of the background and of every
    class not in `known`; with all classes known this is plain cross-entropy. Elements of a negative
    or out-of-range class give 0.

    Source: Fang et al. 2019, "Multi-organ Segmentation over Partially Labeled Datasets" (merged
    background).
    """
    count = logits.shape[-1]
    classes = ops.cast(classes, "int32")
    hidden = (1 - known_matrix(known, 0, count, is_wide(known, classes))) * ops.cast(
        classes == 0, "float32"
    )[..., None]
    allowed = ops.maximum(one_hot(classes, count), hidden)
    valid = ops.logical_and(classes >= 0, classes < count)
    reachable = ops.logsumexp(ops.where(allowed > 0, logits, -1e9), axis=-1)
    return ops.where(valid, ops.logsumexp(logits, axis=-1) - reachable, 0.0)


def decode_boxes(offsets: Tensor, default_cxcywh: Tensor, variances: Tensor) -> Tensor:
    """Corners `[..., 4]` of the boxes the offsets describe; the same as geometry.codec.decode."""
    raw = offsets * variances
    centre = raw[..., :2] * default_cxcywh[..., 2:] + default_cxcywh[..., :2]
    half = (
        ops.exp(ops.clip(raw[..., 2:], -MAX_LOG_SCALE, MAX_LOG_SCALE)) * default_cxcywh[..., 2:] / 2
    )
    return ops.concatenate([centre - half, centre + half], -1)


def encode_boxes(boxes_xyxy: Tensor, default_cxcywh: Tensor, variances: Tensor) -> Tensor:
    """Offsets `[..., 4]` of boxes; the same as geometry.codec.encode."""
    centre = (boxes_xyxy[..., :2] + boxes_xyxy[..., 2:]) / 2
    size = ops.maximum(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 1e-3)
    shift = (centre - default_cxcywh[..., :2]) / default_cxcywh[..., 2:]
    return ops.concatenate([shift, ops.log(size / default_cxcywh[..., 2:])], -1) / variances


def offsets_of_matched(offsets: Tensor, classes: Tensor) -> Tensor:
    """Offsets `[B, N, 4]`, but 0 where `classes` `[B, N]` is not positive.

    No truth bounds those, and infinity times a weight of 0 is NaN.
    """
    return ops.where(ops.expand_dims(classes, -1) > 0, offsets, 0.0)


def smooth_l1(
    offsets: Tensor, boxes_xyxy: Tensor, default_cxcywh: Tensor, variances: Tensor
) -> Tensor:
    """Smooth-L1 of the offsets, summed over the four, `[P]` (Girshick 2015, Fast R-CNN, equation 3)."""
    error = ops.abs(offsets - encode_boxes(boxes_xyxy, default_cxcywh, variances))
    return ops.sum(ops.where(error < 1, 0.5 * error * error, error - 0.5), -1)


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """IoU, union area and the sides of the smallest enclosing box, of boxes row by row."""
    sides = ops.maximum(
        ops.minimum(a[..., 2:], b[..., 2:]) - ops.maximum(a[..., :2], b[..., :2]), 0.0
    )
    shared = sides[..., 0] * sides[..., 1]
    areas = [ops.prod(box[..., 2:] - box[..., :2], -1) for box in (a, b)]
    union = areas[0] + areas[1] - shared
    hull = ops.maximum(a[..., 2:], b[..., 2:]) - ops.minimum(a[..., :2], b[..., :2])
    return shared / (union + _EPSILON), union, hull


def paired_iou(a_xyxy: Tensor, b_xyxy: Tensor) -> Tensor:
    """IoU `[...]` of boxes `[..., 4]` row by row."""
    return _overlap(a_xyxy, b_xyxy)[0]


def giou(offsets: Tensor, boxes_xyxy: Tensor, default_cxcywh: Tensor, variances: Tensor) -> Tensor:
    """1 - GIoU of the decoded boxes, `[P]` (Rezatofighi et al. 2019, algorithm 1)."""
    iou, union, hull = _overlap(decode_boxes(offsets, default_cxcywh, variances), boxes_xyxy)
    hull_area = hull[..., 0] * hull[..., 1]
    return 1 - iou + (hull_area - union) / (hull_area + _EPSILON)


def ciou(offsets: Tensor, boxes_xyxy: Tensor, default_cxcywh: Tensor, variances: Tensor) -> Tensor:
    """1 - CIoU of the decoded boxes, `[P]` (Zheng et al. 2020, "Distance-IoU Loss", equation 10)."""
    boxes = decode_boxes(offsets, default_cxcywh, variances)
    iou, _, hull = _overlap(boxes, boxes_xyxy)
    gap = (boxes[..., :2] + boxes[..., 2:] - boxes_xyxy[..., :2] - boxes_xyxy[..., 2:]) / 2
    distance = ops.sum(gap**2, -1) / (ops.sum(hull**2, -1) + _EPSILON)
    size, true_size = boxes[..., 2:] - boxes[..., :2], boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]
    angle = ops.arctan2(true_size[..., 0], true_size[..., 1]) - ops.arctan2(
        size[..., 0], size[..., 1]
    )
    shape = 4 / 3.14159265**2 * angle**2
    trade = ops.stop_gradient(shape / (1 - iou + shape + _EPSILON))
    return 1 - iou + distance + trade * shape


@dataclass(frozen=True)
class ClassLoss:
    """A loss of class logits.

    Attributes:
        function: of logits, classes and known classes; an aligned one takes the quality of boxes too.
        scores: kind of the network's scores that it fits.
        is_aligned: whether it teaches how well the box of each score fits.
    """

    function: Callable[..., Tensor]
    scores: str
    is_aligned: bool = False


CLASS_LOSSES: dict[str, ClassLoss] = {
    "focal": ClassLoss(focal_loss, "sigmoid"),
    "aligned_focal": ClassLoss(quality_focal_loss, "sigmoid", is_aligned=True),
    "mined_softmax": ClassLoss(mined_softmax_loss, "softmax"),
}
BOX_LOSSES: dict[str, Callable[..., Tensor]] = {"smooth_l1": smooth_l1, "giou": giou, "ciou": ciou}


def box_loss(
    name: str,
    offsets: Tensor,
    boxes_xyxy: Tensor,
    classes: Tensor,
    default_cxcywh: Tensor,
    variances: Tensor,
    weights: Tensor | None = None,
) -> Tensor:
    """A box loss averaged over the positive default boxes of the batch; 0 where there are none.

    Args:
        name: one of BOX_LOSSES.
        offsets: `[B, N, 4]` predicted.
        boxes_xyxy: `[B, N, 4]` matched truth, pixels.
        classes: `[B, N]`; positive where > 0.
        default_cxcywh: `[N, 4]` default boxes, pixels.
        variances: `[4]`.
        weights: `[B, N]` float32, of the positives in the average, whose divisor is at least 1; all
            alike without.
    """
    positive = ops.cast(classes > 0, "float32")
    weights = positive if weights is None else positive * weights
    losses = BOX_LOSSES[name](
        offsets_of_matched(offsets, classes), boxes_xyxy, default_cxcywh, variances
    )
    return ops.sum(losses * weights) / total_weight(weights)
