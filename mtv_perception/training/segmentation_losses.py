"""Segmentation losses over logits, per-pixel means, for masks that may be partial (255 = ignored).

Where a batch lies on several replicas, each gives its share: the sum over them is the loss of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from mtv_perception.training.detection_losses import known_matrix, partial_cross_entropy
from mtv_perception.training.replicas import replica_count, sum_over_replicas


def cross_entropy(
    logits: tf.Tensor, mask: tf.Tensor, mask_known: tf.Tensor, class_weights: Sequence[float]
) -> tf.Tensor:
    """Weighted cross-entropy, mean over the labelled pixels of the batch.

    Args:
        logits: `[B, h, w, C]`.
        mask: `[B, h, w]` class ids, 255 = ignored.
        mask_known: `[B, h, w]` bit sets of the classes the mask tells apart.
        class_weights: C weights.
    """
    count = logits.shape[-1]
    classes = tf.cast(mask, tf.int32)
    loss = partial_cross_entropy(logits, classes, tf.bitwise.bitwise_or(tf.cast(mask_known, tf.int32), 1))
    valid = classes < count
    weight = tf.where(
        valid, tf.gather(tf.constant(class_weights, tf.float32), tf.minimum(classes, count - 1)), 0.0
    )
    return tf.reduce_sum(weight * loss) / tf.maximum(sum_over_replicas(tf.reduce_sum(weight)), 1.0)


def _shares(
    logits: tf.Tensor, mask: tf.Tensor, mask_known: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Probabilities, one-hot truth and validity, each `[P, C]` over all pixels."""
    count = logits.shape[-1]
    classes = tf.reshape(tf.cast(mask, tf.int32), [-1])
    known = tf.bitwise.bitwise_or(tf.reshape(tf.cast(mask_known, tf.int32), [-1]), 1)
    truth = tf.one_hot(classes, count)
    # A class the mask does not tell apart may be anywhere its background is.
    valid = tf.cast(classes < count, tf.float32)[:, None] * tf.maximum(known_matrix(known, 0, count), truth)
    complete = tf.reduce_min(known_matrix(known, 1, count - 1), -1, keepdims=True)
    valid *= tf.concat([complete, tf.ones_like(valid[:, 1:])], -1)
    return tf.reshape(tf.nn.softmax(logits), [-1, count]), truth, valid


def _dice(
    shares: tuple[tf.Tensor, tf.Tensor, tf.Tensor], class_weights: Sequence[float], power: int
) -> tf.Tensor:
    probability, truth, valid = shares
    sums = (valid * probability * truth, valid * (probability**power + truth**power), valid)
    shared, total, labelled = sum_over_replicas([tf.reduce_sum(values, 0) for values in sums])
    dice = (2 * shared + 1) / (total + 1)
    weights = tf.constant(class_weights, tf.float32) * tf.cast(labelled > 0, tf.float32)
    loss = tf.reduce_sum(weights * (1 - dice)) / tf.maximum(tf.reduce_sum(weights), 1e-6)
    return loss / replica_count()


def dice(
    logits: tf.Tensor, mask: tf.Tensor, mask_known: tf.Tensor, class_weights: Sequence[float]
) -> tf.Tensor:
    """1 - Dice over the batch, weighted over classes (Milletari et al. 2016 with linear terms below)."""
    return _dice(_shares(logits, mask, mask_known), class_weights, 1)


def squared_dice(
    logits: tf.Tensor, mask: tf.Tensor, mask_known: tf.Tensor, class_weights: Sequence[float]
) -> tf.Tensor:
    """1 - Dice with squared terms below (Milletari et al. 2016, V-Net, section 3)."""
    return _dice(_shares(logits, mask, mask_known), class_weights, 2)


def lovasz_softmax(
    logits: tf.Tensor, mask: tf.Tensor, mask_known: tf.Tensor, class_weights: Sequence[float]
) -> tf.Tensor:
    """Lovasz-softmax, weighted mean over the classes present in the batch (Berman et al. 2018, algorithm 1).

    Over several replicas it is the mean of theirs: it ranks pixels, and each replica ranks its own.
    """
    probability, truth, valid = _shares(logits, mask, mask_known)
    losses, weights = [], []
    for index, weight in enumerate(class_weights):
        keep = valid[:, index] > 0
        target = tf.boolean_mask(truth[:, index], keep)
        error = tf.abs(target - tf.boolean_mask(probability[:, index], keep))
        order = tf.argsort(error, direction="DESCENDING")
        losses.append(tf.tensordot(tf.gather(error, order), _jaccard_gradient(tf.gather(target, order)), 1))
        weights.append(weight * tf.cast(tf.reduce_sum(target) > 0, tf.float32))
    loss = tf.reduce_sum(tf.stack(losses) * tf.stack(weights)) / tf.maximum(
        tf.reduce_sum(tf.stack(weights)), 1e-6
    )
    return loss / replica_count()


def _jaccard_gradient(target: tf.Tensor) -> tf.Tensor:
    """Gradient of the Jaccard loss extension at sorted errors, `[P]`."""
    total = tf.reduce_sum(target)
    shared = total - tf.cumsum(target)
    union = total + tf.cumsum(1 - target)
    jaccard = 1 - shared / tf.maximum(union, 1e-6)
    return tf.concat([jaccard[:1], jaccard[1:] - jaccard[:-1]], 0)


SEGMENTATION_LOSSES: dict[str, Callable[..., tf.Tensor]] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "squared_dice": squared_dice,
    "lovasz_softmax": lovasz_softmax,
}
