"""Segmentation losses over logits, per-pixel means.

For masks that may be partial (255 = ignored); on any backend.

Where a batch lies on several replicas, each gives its share: the sum over them is the loss of the
batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keras import ops

from mtv_perception.training.losses.detection import (
    Tensor,
    is_wide,
    known_matrix,
    one_hot,
    partial_cross_entropy,
)
from mtv_perception.training.losses.replicas import replica_count, sum_over_replicas


def cross_entropy(
    logits: Tensor, mask: Tensor, mask_known: Tensor, class_weights: Sequence[float]
) -> Tensor:
    """Weighted cross-entropy, mean over the labelled pixels of the batch.

    Args:
        logits: `[B, h, w, C]`.
        mask: `[B, h, w]` class ids, 255 = ignored.
        mask_known: `[B, h, w]` bit sets of the classes the mask tells apart, see `known_matrix`.
        class_weights: C weights.
    """
    count = logits.shape[-1]
    classes = ops.cast(mask, "int32")
    loss = partial_cross_entropy(logits, classes, mask_known)
    weights = ops.convert_to_tensor(class_weights, "float32")
    weight = ops.where(classes < count, ops.take(weights, ops.minimum(classes, count - 1)), 0.0)
    return ops.sum(weight * loss) / ops.maximum(sum_over_replicas(ops.sum(weight)), 1.0)


def _shares(logits: Tensor, mask: Tensor, mask_known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities, one-hot truth and validity, each `[P, C]` over all pixels."""
    count = logits.shape[-1]
    classes = ops.reshape(ops.cast(mask, "int32"), (-1,))
    told_apart = known_matrix(mask_known, 1, count - 1, is_wide(mask_known, mask))
    told_apart = ops.reshape(told_apart, (-1, count - 1))
    truth = one_hot(classes, count)
    # A class the mask does not tell apart may be anywhere its background is.
    complete = ops.min(told_apart, -1, keepdims=True)
    foreground = ops.maximum(told_apart, truth[:, 1:])
    valid = ops.cast(classes < count, "float32")[:, None] * ops.concatenate(
        [complete, foreground], -1
    )
    return ops.reshape(ops.softmax(logits), (-1, count)), truth, valid


def _dice(
    shares: tuple[Tensor, Tensor, Tensor], class_weights: Sequence[float], power: int
) -> Tensor:
    probability, truth, valid = shares
    sums = (valid * probability * truth, valid * (probability**power + truth**power), valid)
    shared, total, labelled = sum_over_replicas([ops.sum(values, 0) for values in sums])
    dice = (2 * shared + 1) / (total + 1)
    weights = ops.convert_to_tensor(class_weights, "float32") * ops.cast(labelled > 0, "float32")
    loss = ops.sum(weights * (1 - dice)) / ops.maximum(ops.sum(weights), 1e-6)
    return loss / replica_count()


def dice(
    logits: Tensor, mask: Tensor, mask_known: Tensor, class_weights: Sequence[float]
) -> Tensor:
    """1 - Dice over the batch, weighted over classes (Milletari et al. 2016 with linear terms below)."""
    return _dice(_shares(logits, mask, mask_known), class_weights, 1)


def squared_dice(
    logits: Tensor, mask: Tensor, mask_known: Tensor, class_weights: Sequence[float]
) -> Tensor:
    """1 - Dice with squared terms below (Milletari et al. 2016, V-Net, section 3)."""
    return _dice(_shares(logits, mask, mask_known), class_weights, 2)


def lovasz_softmax(
    logits: Tensor, mask: Tensor, mask_known: Tensor, class_weights: Sequence[float]
) -> Tensor:
    """Lovasz-softmax, weighted mean over the classes present in the batch (Berman et al. 2018, algorithm 1).

    Over several replicas it is the mean of theirs: it ranks pixels, and each replica ranks its own.
    """
    probability, truth, valid = _shares(logits, mask, mask_known)
    losses, weights = [], []
    for index, weight in enumerate(class_weights):
        target = valid[:, index] * truth[:, index]
        # What is not labelled comes last, where it changes no other pixel's share, and counts
        # nothing itself.
        error = ops.where(valid[:, index] > 0, ops.abs(target - probability[:, index]), -1.0)
        order = ops.argsort(-error)
        ranked = ops.relu(ops.take(error, order))
        losses.append(ops.sum(ranked * _jaccard_gradient(ops.take(target, order))))
        weights.append(weight * ops.cast(ops.sum(target) > 0, "float32"))
    weights = ops.stack(weights)
    return (
        ops.sum(ops.stack(losses) * weights) / ops.maximum(ops.sum(weights), 1e-6) / replica_count()
    )


def _jaccard_gradient(target: Tensor) -> Tensor:
    """Gradient of the Jaccard loss extension at sorted errors, `[P]`."""
    total = ops.sum(target)
    shared = total - ops.cumsum(target)
    union = total + ops.cumsum(1 - target)
    jaccard = 1 - shared / ops.maximum(union, 1e-6)
    return ops.concatenate([jaccard[:1], jaccard[1:] - jaccard[:-1]], 0)


SEGMENTATION_LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "squared_dice": squared_dice,
    "lovasz_softmax": lovasz_softmax,
}
