"""One training step: losses of a batch, gradients, update, averaged weights."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from mtv_perception.network.multitask import MultitaskNetwork, normalise
from mtv_perception.training.config import OptimiserConfig
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.losses.multitask import Batch, MultitaskLoss
from mtv_perception.training.losses.replicas import replica_count, sum_over_replicas
from mtv_perception.training.losses.weighting import TaskWeighting
from mtv_perception.training.update import average_decay, make_optimiser

# float16 loses gradients below 6e-8; multiplied by this they survive (Micikevicius et al. 2018,
# section 3.2).
LOSS_SCALES = {"float16": 128.0}


class TrainingStep:
    """Everything that changes during training, and how one batch changes it.

    Args:
        network: to be trained.
        losses: which losses.
        optimiser: which update.
    """

    def __init__(
        self, network: MultitaskNetwork, losses: LossConfig, optimiser: OptimiserConfig
    ) -> None:
        self._model = network.model
        self._loss = MultitaskLoss(network, losses)
        self.weighting = TaskWeighting(losses.weighting, losses.task_weights)
        self._trained = [*self._model.trainable_variables, *self.weighting.variables]
        self.optimiser = make_optimiser(optimiser)
        self.optimiser.build(self._trained)
        self._clip_norm, self._decay = optimiser.clip_norm, float(optimiser.ema)
        number_format = self._model.layers[-1].compute_dtype
        self._half, self._loss_scale = (
            number_format != "float32",
            LOSS_SCALES.get(number_format, 1.0),
        )
        # Every replica holds the same weights after its update, so that the first one's average is
        # all there is.
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
        return [v.numpy() for v in self.average]

    def __call__(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Train on one batch (of one replica) and return what to log, scalars by name."""
        replicas = replica_count()
        sources = [v.value for v in self._trained]
        with tf.GradientTape() as tape:
            outputs = self._model(normalise(batch["images"]), training=True)
            # Of the whole batch, for weightings are not linear. Backwards, each replica's share
            # gets the gradients of all replicas' totals, which are alike: the mean of the gradients
            # below is that of one total.
            losses = sum_over_replicas(self._loss(outputs, batch))
            total, weights = self.weighting(losses)
            scaled = total * self._loss_scale
        gradients = tape.gradient(
            scaled, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        gradients = [gradient / replicas for gradient in sum_over_replicas(gradients)]
        gradients, norm = self._bounded([gradient / self._loss_scale for gradient in gradients])
        # The optimiser sums over the replicas once more.
        self.optimiser.apply([gradient / replicas for gradient in gradients], self._trained)
        self._average_weights()
        logged = {"total": total, "gradient_norm": norm}
        logged.update({f"loss/{task}": loss for task, loss in losses.items()})
        logged.update({f"weight/{task}": weight for task, weight in weights.items()})
        return logged

    def _bounded(self, gradients: list[tf.Tensor]) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Gradients clipped to the largest norm, and their norm before.

        In half precision an overflow is no step.
        """
        norm = tf.linalg.global_norm(gradients)
        if self._half:
            finite = tf.math.is_finite(norm)
            gradients = [
                tf.where(finite, gradient, tf.zeros_like(gradient)) for gradient in gradients
            ]
            norm = tf.where(finite, norm, 0.0)
        if self._clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm, norm)
        return gradients, norm

    def _average_weights(self) -> None:
        """Move the averages towards the weights; onto them where the decay is 0."""
        self._count.assign_add(1.0)
        decay = average_decay(self._decay, tf.convert_to_tensor(self._count))
        for average, weight in zip(self.average, self._model.weights, strict=True):
            average.assign(average * decay + tf.cast(weight.value, average.dtype) * (1 - decay))
