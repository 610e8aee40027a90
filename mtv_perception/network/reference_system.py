"""The reference system from image to results, to be timed: `predict` on every frame, boxes and suppression as layers.

The weights are random, so hardly a box reaches suppression; with trained ones it takes longer.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mtv_perception.geometry.codec import DEFAULT_VARIANCES
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.layers import upsample
from mtv_perception.network.multitask import build_network

# The original's settings, except the score threshold, which was tuned on its test set.
_BOXES_PER_CLASS = 4
_IOU_THRESHOLD = 0.025
_SCORE_THRESHOLD = 0.5


class DecodeBoxes(keras.layers.Layer):
    """Every default box's offsets `[B, N, 4]` to corners y, x, y, x, network pixels.

    Args:
        default_cxcywh: `(N, 4)`.
    """

    def __init__(self, default_cxcywh: np.ndarray) -> None:
        super().__init__(name="decode_boxes")
        self._default_cxcywh = tf.constant(default_cxcywh, tf.float32)

    def call(self, offsets: Any) -> Any:
        """Decode."""
        raw = offsets * tf.constant(DEFAULT_VARIANCES, tf.float32)
        centre = raw[..., :2] * self._default_cxcywh[:, 2:] + self._default_cxcywh[:, :2]
        half = tf.exp(raw[..., 2:]) * self._default_cxcywh[:, 2:] / 2
        return tf.concat([(centre - half)[..., ::-1], (centre + half)[..., ::-1]], -1)


class Suppress(keras.layers.Layer):
    """Non-maximum suppression within each class.

    Then of the classes that the mask shows no pixel of.
    """

    def call(self, boxes: Any, class_logits: Any, pixels: Any) -> Any:
        """Boxes, scores and classes `[B, 4 a class, ...]`; 0 where suppressed."""
        scores = tf.nn.softmax(class_logits)[..., 1:]
        classes = scores.shape[-1]
        found = tf.image.combined_non_max_suppression(
            boxes[:, :, None],
            scores,
            _BOXES_PER_CLASS,
            _BOXES_PER_CLASS * classes,
            _IOU_THRESHOLD,
            _SCORE_THRESHOLD,
            clip_boxes=False,
        )
        shown = tf.reduce_any(
            tf.one_hot(tf.argmax(pixels, -1), 1 + classes, True, False)[..., 1:], (1, 2)
        )
        present = tf.gather(shown, tf.cast(found.nmsed_classes, tf.int32), batch_dims=1)
        return (
            found.nmsed_boxes,
            found.nmsed_scores * tf.cast(present, tf.float32),
            found.nmsed_classes,
        )


class ReferenceSystem:
    """Takes an image `(480, 640, 3)` uint8 RGB, returns boxes, scores, classes and mask `(1, 480, 640, C)`."""

    def __init__(self) -> None:
        network = build_network(NetworkConfig(preset="reference", legacy_heads=True))
        raw = network.model.output
        pixels = keras.layers.Softmax(name="mask")(
            upsample(raw["segmentation_logits"], 4, "full_size")
        )
        boxes = DecodeBoxes(network.default_boxes.boxes_cxcywh())(raw["box_offsets"])
        found = Suppress(name="suppress")(boxes, raw["class_logits"], pixels)
        self._model = keras.Model(network.model.input, [*found, pixels])

    def __call__(self, image_rgb: np.ndarray) -> list[np.ndarray]:
        """One frame, run as the original runs it."""
        result: list[np.ndarray] = self._model.predict(
            image_rgb[None] / np.float32(127.5) - 1, verbose=0
        )
        return result
