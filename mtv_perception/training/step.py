"""One training step: losses of a batch, gradients, update, averaged weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from mtv_perception.geometry.codec import Variances
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.training.alignment import alignment
from mtv_perception.training.config import LossConfig, OptimiserConfig
from mtv_perception.training.detection_losses import (
    CLASS_LOSSES,
    SIGMOID_LOSSES,
    box_loss,
    quality_focal_loss,
)
from mtv_perception.training.keras_model import normalise
from mtv_perception.training.replicas import replica_count, sum_over_replicas
from mtv_perception.training.segmentation_losses import SEGMENTATION_LOSSES
from mtv_perception.training.weighting import TaskWeighting

Batch = dict[str, tf.Tensor]

# float16 loses gradients below 6e-8; multiplied by this they survive (Micikevicius et al. 2018, section 3.2).
LOSS_SCALES = {"float16": 128.0}


class MultitaskLoss:
    """The losses of the three tasks over a batch; on several replicas, the share of one in them.

    Args:
        network: whose outputs are judged.
        config: which losses.
    """

    def __init__(self, network: MultitaskNetwork, config: LossConfig) -> None:
        classes = len(network.config.names)
        if len(config.class_weights) != classes:
            raise ValueError(f"Expected {classes} class weights, got {config.class_weights!r}.")
        if (network.scores == "sigmoid") != (config.classes in SIGMOID_LOSSES):
            raise ValueError(
                f"Expected a class loss that fits {network.scores} scores, got {config.classes!r}."
            )
        self._config = config
        self._defaults = tf.constant(network.default_boxes.boxes_cxcywh())
        self._variances = tf.constant(tuple(Variances()), tf.float32)

    def __call__(self, outputs: dict[str, tf.Tensor], batch: Batch) -> dict[str, tf.Tensor]:
        """The loss of each task (scalars) from raw outputs and a batch of targets."""
        config = self._config
        outputs = {name: tf.cast(value, tf.float32) for name, value in outputs.items()}
        logits = outputs["segmentation_logits"]
        pixels = [
            weight
            * SEGMENTATION_LOSSES[name](logits, batch["mask"], batch["mask_known"], config.class_weights)
            for name, weight in config.segmentation.items()
        ]
        classes, boxes = self._detection(outputs["class_logits"], outputs["box_offsets"], batch)
        return {
            "classes": classes,
            "boxes": boxes,
            "segmentation": tf.add_n(pixels) if pixels else tf.constant(0.0),
        }

    def _detection(self, logits: tf.Tensor, offsets: tf.Tensor, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        """The losses of class logits and of box offsets."""
        name, classes, truth = self._config.classes, batch["classes"], batch["boxes_xyxy"]
        codec = (self._defaults, self._variances)
        if name == "aligned_focal":
            quality = alignment(logits, offsets, classes, batch["objects"], truth, *codec)
            scores = quality_focal_loss(logits, classes, batch["known"], quality)
        else:
            quality = None
            scores = CLASS_LOSSES[name](logits, classes, batch["known"])
        return scores, box_loss(self._config.boxes, offsets, truth, classes, *codec, quality)


def make_optimiser(config: OptimiserConfig) -> keras.optimizers.Optimizer:
    """The update rule; its learning rate is set before every step."""
    if config.name == "sgd":
        rule = keras.optimizers.SGD(
            config.learning_rate, momentum=0.9, nesterov=True, weight_decay=config.weight_decay
        )
    else:
        rule = keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay)
    rule.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "log_variance"])
    return rule


# How the layers of the backbones begin, and no others.
BACKBONE_PREFIXES = ("Conv1", "bn_Conv1", "expanded_conv", "block_", "Conv_1", "stem", "stage")
_FROZEN_NORMS: dict[str, tuple[str, ...]] = {"none": (), "backbone": BACKBONE_PREFIXES, "all": ("",)}


def freeze_norms(model: keras.Model, which: str) -> None:
    """Make batch norms keep their statistics and scale: of the `backbone`, of `all`, or `none`."""
    prefixes = _FROZEN_NORMS[which]
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = not layer.name.startswith(prefixes)


def freeze_layers(model: keras.Model, prefixes: Sequence[str]) -> None:
    """Take layers out of training, by the beginning of their name; ValueError for a prefix that names none."""
    for prefix in prefixes:
        layers = [layer for layer in model.layers if layer.name.startswith(prefix)]
        if not layers:
            raise ValueError(f"Expected layers whose name begins with {prefix!r}, found none.")
        for layer in layers:
            layer.trainable = False


class TrainingStep:
    """Everything that changes during training, and how one batch changes it.

    Args:
        network: to be trained.
        losses: which losses.
        optimiser: which update.
    """

    def __init__(self, network: MultitaskNetwork, losses: LossConfig, optimiser: OptimiserConfig) -> None:
        self._model = network.model
        self._loss = MultitaskLoss(network, losses)
        self.weighting = TaskWeighting(losses.weighting, losses.task_weights)
        self._trained = [*self._model.trainable_variables, *self.weighting.variables]
        self.optimiser = make_optimiser(optimiser)
        self.optimiser.build(self._trained)
        self._clip_norm, self._decay = optimiser.clip_norm, optimiser.ema
        number_format = self._model.layers[-1].compute_dtype
        self._half, self._loss_scale = number_format != "float32", LOSS_SCALES.get(number_format, 1.0)
        # Every replica holds the same weights after its update, so that the first one's average is all there is.
        mirrored = {"trainable": False, "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA}
        self.average = [tf.Variable(v.value, **mirrored) for v in self._model.weights]
        self._count = tf.Variable(0.0, **mirrored)

    def variables(self) -> dict[str, list[Any]]:
        """Every variable by group, as checkpoints keep them."""
        return {
            "model": list(self._model.weights),
            "average": self.average,
            "weighting": list(self.weighting.variables),
            "optimiser": list(self.optimiser.variables),
            "count": [self._count],
        }

    def averaged_weights(self) -> list[Any]:
        """The weights to evaluate and export, in the order of `model.weights`."""
        return [v.numpy() for v in (self.average if self._decay else self._model.weights)]

    def __call__(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Train on one batch (of one replica) and return what to log, scalars by name."""
        replicas = replica_count()
        sources = [v.value for v in self._trained]
        with tf.GradientTape() as tape:
            outputs = self._model(normalise(batch["images"]), training=True)
            # Of the whole batch, for weightings are not linear. Backwards, each replica's share gets the gradients of
            # all replicas' totals, which are alike: the mean of the gradients below is that of one total.
            losses = sum_over_replicas(self._loss(outputs, batch))
            total, weights = self.weighting(losses)
            scaled = total * self._loss_scale
        gradients = tape.gradient(scaled, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [gradient / replicas for gradient in sum_over_replicas(gradients)]
        gradients, norm = self._bounded([gradient / self._loss_scale for gradient in gradients])
        # The optimiser sums over the replicas once more.
        self.optimiser.apply([gradient / replicas for gradient in gradients], self._trained)
        if self._decay:
            self._average_weights()
        logged = {"total": total, "gradient_norm": norm}
        logged.update({f"loss/{task}": loss for task, loss in losses.items()})
        logged.update({f"weight/{task}": weight for task, weight in weights.items()})
        return logged

    def _bounded(self, gradients: list[tf.Tensor]) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Gradients clipped to the largest norm, and their norm before; in half precision an overflow is no step."""
        norm = tf.linalg.global_norm(gradients)
        if self._half:
            finite = tf.math.is_finite(norm)
            gradients = [tf.where(finite, gradient, tf.zeros_like(gradient)) for gradient in gradients]
            norm = tf.where(finite, norm, 0.0)
        if self._clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm, norm)
        return gradients, norm

    def _average_weights(self) -> None:
        """Move the averages towards the weights, faster in the beginning.

        Source: tf.train.ExponentialMovingAverage, decay min(decay, (1 + n) / (10 + n)) with `num_updates` n.
        """
        self._count.assign_add(1.0)
        decay = tf.minimum(self._decay, (1 + self._count) / (10 + self._count))
        for average, weight in zip(self.average, self._model.weights, strict=True):
            average.assign(average * decay + tf.cast(weight.value, average.dtype) * (1 - decay))
