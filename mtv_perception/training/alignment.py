"""How well each default box already answers for its object: the target of its score, its weight in the box loss.

Which default box fits an object best, the network finds out while it learns; overlap with the untrained default box is
but a guess at it. A score that is taught the quality of its box also ranks well placed boxes above loose ones.
"""

from __future__ import annotations

import tensorflow as tf

from mtv_perception.training.detection_losses import decode_boxes, paired_iou

# Powers of score and overlap in the alignment.
_SCORE_POWER, _IOU_POWER = 1.0, 6.0


def alignment(
    logits: tf.Tensor,
    offsets: tf.Tensor,
    classes: tf.Tensor,
    objects: tf.Tensor,
    boxes_xyxy: tf.Tensor,
    default_cxcywh: tf.Tensor,
    variances: tf.Tensor,
) -> tf.Tensor:
    """The quality of each default box as an answer for its object, without gradient.

    score * IoU^6, scaled for each object so that its best box gets the largest IoU any of its boxes has.

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

    Source: Feng et al. 2021, "TOOD: Task-aligned One-stage Object Detection", section 3.2: the alignment and its
    scaling alone. Positives stay those of `data.targets`, and there are no first epochs with another loss.
    """
    where = tf.where(classes > 0)
    column = tf.cast(tf.gather_nd(classes, where), tf.int64) - 1
    score = tf.sigmoid(tf.gather_nd(logits, tf.concat([where, column[:, None]], 1)))
    boxes = decode_boxes(tf.gather_nd(offsets, where), tf.gather(default_cxcywh, where[:, 1]), variances)
    iou = paired_iou(boxes, tf.gather_nd(boxes_xyxy, where))
    aligned = tf.pow(score, _SCORE_POWER) * tf.pow(iou, _IOU_POWER)
    number = tf.cast(tf.gather_nd(objects, where), tf.int64)
    stride = tf.reduce_max(tf.concat([number, [0]], 0)) + 1
    _, segment = tf.unique(where[:, 0] * stride + number)
    count = tf.reduce_max(tf.concat([segment, [-1]], 0)) + 1
    best, best_iou = (
        tf.gather(tf.math.unsorted_segment_max(x, segment, count), segment) for x in (aligned, iou)
    )
    quality = tf.math.divide_no_nan(aligned, best) * best_iou
    return tf.stop_gradient(tf.scatter_nd(where, quality, tf.shape(classes, tf.int64)))
