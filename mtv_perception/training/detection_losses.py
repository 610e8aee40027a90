"""Detection losses over raw logits and offsets, for labels that may be partial.

Where a batch lies on several replicas, each gives its share: the sum over them is the loss of the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from mtv_perception.training.replicas import sum_over_replicas

MAX_LOG_SCALE = 4.0
_EPSILON = 1e-7


def known_matrix(known: tf.Tensor, first_class: int, classes: int) -> tf.Tensor:
    """Bit sets `[B, N]` as 0/1 `[B, N, classes]`: whether the labels settle each class from `first_class` on."""
    bits = tf.bitwise.right_shift(
        tf.cast(known, tf.int32)[..., None], tf.range(first_class, first_class + classes, dtype=tf.int32)
    )
    return tf.cast(tf.bitwise.bitwise_and(bits, 1), tf.float32)


def focal_loss(
    logits: tf.Tensor, classes: tf.Tensor, known: tf.Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> tf.Tensor:
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
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
    score = tf.sigmoid(logits)
    miss = target * (1 - score) + (1 - target) * score
    weight = (target * alpha + (1 - target) * (1 - alpha)) * tf.pow(miss, gamma)
    return tf.reduce_sum(valid * weight * entropy) / positives(classes)


def quality_focal_loss(
    logits: tf.Tensor, classes: tf.Tensor, known: tf.Tensor, quality: tf.Tensor, beta: float = 2.0
) -> tf.Tensor:
    """Focal loss whose target is the quality of each positive's box, summed and divided by the sum of the qualities.

    Args:
        logits: `[B, N, K]` of classes 1..K.
        classes: `[B, N]` integer; 0 background, -1 ignored.
        known: `[B, N]` bit sets of the classes that are labelled there; others contribute nothing.
        quality: `[B, N]` in 0..1, see `alignment`.
        beta: focusing power.

    Source: Li et al. 2020, "Generalized Focal Loss", equation 2; the divisor as in the code of Feng et al. 2021 (TOOD),
    but at least 1.
    """
    target, valid = _targets_and_labelled(classes, known, logits.shape[-1])
    target *= quality[..., None]
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
    weight = tf.pow(tf.abs(target - tf.sigmoid(logits)), beta)
    return tf.reduce_sum(valid * weight * entropy) / total_weight(quality)


def _targets_and_labelled(classes: tf.Tensor, known: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """One-hot targets `[B, N, count]` of classes from 1 on, and 0/1 for what the labels settle."""
    classes = tf.cast(classes, tf.int32)
    target = tf.one_hot(classes - 1, count)
    valid = tf.cast(classes >= 0, tf.float32)[..., None] * tf.maximum(known_matrix(known, 1, count), target)
    return target, valid


def total_weight(weights: tf.Tensor) -> tf.Tensor:
    """The sum of the weights of the batch, over all replicas, at least 1."""
    return tf.maximum(sum_over_replicas(tf.reduce_sum(weights)), 1.0)


def positives(classes: tf.Tensor) -> tf.Tensor:
    """The number of positive default boxes of the batch, over all replicas, at least 1."""
    return total_weight(tf.cast(classes > 0, tf.float32))


def mined_softmax_loss(
    logits: tf.Tensor,
    classes: tf.Tensor,
    known: tf.Tensor,
    negatives_per_positive: float = 3.0,
    at_least: int = 8,
) -> tf.Tensor:
    """Softmax cross-entropy with the hardest negatives of each image.

    Args:
        logits: `[B, N, K]`, background first.
        classes: `[B, N]` integer; 0 background, -1 ignored.
        known: `[B, N]` bit sets; a background box where some class is unlabelled may also be that class, so its
            target is the sum of the background's and the unlabelled classes' probability.
        negatives_per_positive: mined in each image on its own.
        at_least: negatives mined in an image without positives.

    Source: Liu et al. 2016 (SSD), section 2.2, "Hard negative mining".
    """
    classes = tf.cast(classes, tf.int32)
    loss = partial_cross_entropy(logits, classes, known)
    positive = classes > 0
    negative_loss = tf.where(classes == 0, tf.stop_gradient(loss), -1.0)
    found = tf.reduce_sum(tf.cast(positive, tf.float32), 1)
    wanted = tf.cast(tf.where(found > 0, found * negatives_per_positive, float(at_least)), tf.int32)
    rank = tf.argsort(tf.argsort(negative_loss, axis=1, direction="DESCENDING", stable=True), axis=1)
    mined = (rank < wanted[:, None]) & (classes == 0)
    return tf.reduce_sum(tf.where(positive | mined, loss, 0.0)) / positives(classes)


def partial_cross_entropy(logits: tf.Tensor, classes: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Cross-entropy `[...]` of `[..., K]` logits where "background" may hide unlabelled classes.

    The target of a background element is the summed probability of the background and of every class not in `known`;
    with all classes known this is plain cross-entropy. Elements of a negative or out-of-range class give 0.

    Source: Fang et al. 2019, "Multi-organ Segmentation over Partially Labeled Datasets" (merged background).
    """
    count = logits.shape[-1]
    hidden = (1 - known_matrix(known, 0, count)) * tf.cast(classes == 0, tf.float32)[..., None]
    allowed = tf.maximum(tf.one_hot(classes, count), hidden)
    valid = (classes >= 0) & (classes < count)
    reachable = tf.reduce_logsumexp(tf.where(allowed > 0, logits, tf.fill(tf.shape(logits), -1e9)), -1)
    return tf.where(valid, tf.reduce_logsumexp(logits, -1) - reachable, 0.0)


def decode_boxes(offsets: tf.Tensor, default_cxcywh: tf.Tensor, variances: tf.Tensor) -> tf.Tensor:
    """Corners `[..., 4]` of the boxes the offsets describe; the same as geometry.codec.decode."""
    raw = offsets * variances
    centre = raw[..., :2] * default_cxcywh[..., 2:] + default_cxcywh[..., :2]
    half = tf.exp(tf.clip_by_value(raw[..., 2:], -MAX_LOG_SCALE, MAX_LOG_SCALE)) * default_cxcywh[..., 2:] / 2
    return tf.concat([centre - half, centre + half], -1)


def encode_boxes(boxes_xyxy: tf.Tensor, default_cxcywh: tf.Tensor, variances: tf.Tensor) -> tf.Tensor:
    """Offsets `[..., 4]` of boxes; the same as geometry.codec.encode."""
    centre = (boxes_xyxy[..., :2] + boxes_xyxy[..., 2:]) / 2
    size = tf.maximum(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 1e-3)
    shift = (centre - default_cxcywh[..., :2]) / default_cxcywh[..., 2:]
    return tf.concat([shift, tf.math.log(size / default_cxcywh[..., 2:])], -1) / variances


def smooth_l1(
    offsets: tf.Tensor, boxes_xyxy: tf.Tensor, default_cxcywh: tf.Tensor, variances: tf.Tensor
) -> tf.Tensor:
    """Smooth-L1 of the offsets, summed over the four, `[P]` (Girshick 2015, Fast R-CNN, equation 3)."""
    error = tf.abs(offsets - encode_boxes(boxes_xyxy, default_cxcywh, variances))
    return tf.reduce_sum(tf.where(error < 1, 0.5 * error * error, error - 0.5), -1)


def _overlap(a: tf.Tensor, b: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """IoU, union area and the sides of the smallest enclosing box, of boxes row by row."""
    sides = tf.maximum(tf.minimum(a[..., 2:], b[..., 2:]) - tf.maximum(a[..., :2], b[..., :2]), 0.0)
    shared = sides[..., 0] * sides[..., 1]
    areas = [tf.reduce_prod(box[..., 2:] - box[..., :2], -1) for box in (a, b)]
    union = areas[0] + areas[1] - shared
    hull = tf.maximum(a[..., 2:], b[..., 2:]) - tf.minimum(a[..., :2], b[..., :2])
    return shared / (union + _EPSILON), union, hull


def paired_iou(a_xyxy: tf.Tensor, b_xyxy: tf.Tensor) -> tf.Tensor:
    """IoU `[...]` of boxes `[..., 4]` row by row."""
    return _overlap(a_xyxy, b_xyxy)[0]


def giou(
    offsets: tf.Tensor, boxes_xyxy: tf.Tensor, default_cxcywh: tf.Tensor, variances: tf.Tensor
) -> tf.Tensor:
    """1 - GIoU of the decoded boxes, `[P]` (Rezatofighi et al. 2019, algorithm 1)."""
    iou, union, hull = _overlap(decode_boxes(offsets, default_cxcywh, variances), boxes_xyxy)
    hull_area = hull[..., 0] * hull[..., 1]
    return 1 - iou + (hull_area - union) / (hull_area + _EPSILON)


def ciou(
    offsets: tf.Tensor, boxes_xyxy: tf.Tensor, default_cxcywh: tf.Tensor, variances: tf.Tensor
) -> tf.Tensor:
    """1 - CIoU of the decoded boxes, `[P]` (Zheng et al. 2020, "Distance-IoU Loss", equation 10)."""
    boxes = decode_boxes(offsets, default_cxcywh, variances)
    iou, _, hull = _overlap(boxes, boxes_xyxy)
    gap = (boxes[..., :2] + boxes[..., 2:] - boxes_xyxy[..., :2] - boxes_xyxy[..., 2:]) / 2
    distance = tf.reduce_sum(gap**2, -1) / (tf.reduce_sum(hull**2, -1) + _EPSILON)
    size, true_size = boxes[..., 2:] - boxes[..., :2], boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]
    angle = tf.atan2(true_size[..., 0], true_size[..., 1]) - tf.atan2(size[..., 0], size[..., 1])
    shape = 4 / 3.14159265**2 * angle**2
    trade = tf.stop_gradient(shape / (1 - iou + shape + _EPSILON))
    return 1 - iou + distance + trade * shape


CLASS_LOSSES: dict[str, Callable[..., tf.Tensor]] = {"focal": focal_loss, "mined_softmax": mined_softmax_loss}
"""Those that need no boxes; `aligned_focal` does, see `quality_focal_loss`."""
SIGMOID_LOSSES = ("focal", "aligned_focal")
"""Names of the class losses of sigmoid scores; the others are of softmax scores."""
BOX_LOSSES: dict[str, Callable[..., tf.Tensor]] = {"smooth_l1": smooth_l1, "giou": giou, "ciou": ciou}


def box_loss(
    name: str,
    offsets: tf.Tensor,
    boxes_xyxy: tf.Tensor,
    classes: tf.Tensor,
    default_cxcywh: tf.Tensor,
    variances: tf.Tensor,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """A box loss averaged over the positive default boxes of the batch; 0 where there are none.

    Args:
        name: one of BOX_LOSSES.
        offsets: `[B, N, 4]` predicted.
        boxes_xyxy: `[B, N, 4]` matched truth, pixels.
        classes: `[B, N]`; positive where > 0.
        default_cxcywh: `[N, 4]` default boxes, pixels.
        variances: `[4]`.
        weights: `[B, N]` float32, of the positives in the average, whose divisor is at least 1; all alike without.
    """
    where = tf.where(classes > 0)
    losses = BOX_LOSSES[name](
        tf.gather_nd(offsets, where),
        tf.gather_nd(boxes_xyxy, where),
        tf.gather(default_cxcywh, where[:, 1]),
        variances,
    )
    if weights is None:
        return tf.reduce_sum(losses) / positives(classes)
    weights = tf.gather_nd(weights, where)
    return tf.reduce_sum(losses * weights) / total_weight(weights)
