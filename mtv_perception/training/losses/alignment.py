"""How well each default box already answers for its object.

The target of its score, its weight in the box loss.

Which default box fits an object best, the network finds out while it learns; overlap with the
untrained default box is but a guess at it. A score that is taught the quality of its box also ranks
well placed boxes above loose ones.
"""

from __future__ import annotations

from keras import ops

from mtv_perception.training.losses.detection import (
    Tensor,
    decode_boxes,
    offsets_of_matched,
    one_hot,
    paired_iou,
)

# Powers of score and overlap in the alignment.
_SCORE_POWER, _IOU_POWER = 1.0, 6.0


def alignment(
    logits: Tensor,
    offsets: Tensor,
    classes: Tensor,
    objects: Tensor,
    boxes_xyxy: Tensor,
    default_cxcywh: Tensor,
    variances: Tensor,
) -> Tensor:
    """The quality of each default box as an answer for its object, without gradient.

    score * IoU^6, scaled for each object so that its best box gets the largest IoU any of its boxes
    has.

    Args:
        logits: `[B, N, K]` float32, of classes 1..K.
        offsets: `[B, N, 4]` float32, predicted.
        classes: `[B, N]` integer; positive where > 0.
        objects: `[B, N]` integer, which object of its image a positive answers for.
        boxes_xyxy: `[B, N, 4]` matched truth, pixels.
        default_cxcywh: `[N, 4]` default boxes, pixels.
        variances: `[4]`.

    Returns:
        `[B, N]` float32 in 0..1; 0 where not positive.

    Source: Feng et al. 2021, "TOOD: Task-aligned One-stage Object Detection", section 3.2: the
    alignment and its scaling alone. Positives stay those of `data.targets`, and there are no first
    epochs with another loss.
    """
    positive = ops.cast(classes > 0, "float32")
    score = ops.sum(
        ops.sigmoid(logits) * one_hot(ops.cast(classes, "int32") - 1, logits.shape[-1]), -1
    )
    boxes = decode_boxes(offsets_of_matched(offsets, classes), default_cxcywh, variances)
    iou = positive * paired_iou(boxes, boxes_xyxy)
    aligned = ops.power(score, _SCORE_POWER) * ops.power(iou, _IOU_POWER)
    # Objects are fewer than default boxes, so that this numbers those of the whole batch apart.
    batch, count = ops.shape(classes)[0], classes.shape[1]
    segment = ops.arange(batch, dtype="int32")[:, None] * count + ops.maximum(
        ops.cast(objects, "int32"), 0
    )
    best, best_iou = (_largest_of_segment(x, segment, batch * count) for x in (aligned, iou))
    return ops.stop_gradient(ops.divide_no_nan(aligned, best) * best_iou)


def _largest_of_segment(values: Tensor, segment: Tensor, count: int) -> Tensor:
    """For each element the largest of the elements with its segment number, `[B, N]`."""
    segment = ops.reshape(segment, (-1,))
    largest = ops.segment_max(ops.reshape(values, (-1,)), segment, count)
    return ops.reshape(ops.take(largest, segment), ops.shape(values))
