"""Which weights training moves, and by what rule; on any backend of Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from mtv_perception.training.config import OptimiserConfig


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
_FROZEN_NORMS: dict[str, tuple[str, ...]] = {
    "none": (),
    "backbone": BACKBONE_PREFIXES,
    "all": ("",),
}


def freeze_norms(model: keras.Model, which: str) -> None:
    """Make batch norms keep their statistics and scale: of the `backbone`, of `all`, or `none`."""
    prefixes = _FROZEN_NORMS[which]
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = not layer.name.startswith(prefixes)


def freeze_layers(model: keras.Model, prefixes: Sequence[str]) -> None:
    """Take layers out of training, by the beginning of their name.

    ValueError for a prefix that names none.
    """
    for prefix in prefixes:
        layers = [layer for layer in model.layers if layer.name.startswith(prefix)]
        if not layers:
            raise ValueError(f"Expected layers whose name begins with {prefix!r}, found none.")
        for layer in layers:
            layer.trainable = False


def average_decay(decay: float, updates: Any) -> Any:
    """How much of the averaged weights stays at an update.

    Less in the beginning, nothing where the decay is 0.

    Source: tf.train.ExponentialMovingAverage, decay min(decay, (1 + n) / (10 + n)) with
    `num_updates` n.
    """
    return keras.ops.minimum(decay, (1 + updates) / (10 + updates))
