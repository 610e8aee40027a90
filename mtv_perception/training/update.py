"""Which weights training moves, and by what rule; on any backend of Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from mtv_perception.network.deeplabv3plus import LINK
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.training.config import OptimiserConfig
from mtv_perception.training.folded_norms import fold_norms


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


def freeze_norms(network: MultitaskNetwork, which: str) -> None:
    """Freeze statistics, scale and offset of batch norms: of the `backbone`, of `all`, or of `none`.

    With `statistics` all norms keep their statistics, and scale and offset are trained. The norm of
    the decoder's link stays trainable by `all`.

    ValueError where there are none to freeze.
    """
    norms = [x for x in network.model.layers if isinstance(x, keras.layers.BatchNormalization)]
    every = frozenset(norm.name for norm in norms)
    kept = {
        "none": frozenset[str](),
        "backbone": network.backbone,
        "all": every,
        "statistics": every,
    }
    if which != "none" and not kept[which] & every:
        raise ValueError(
            f"freeze_norms: expected batch norms to freeze ({which}), found none in a network "
            f"with backbone {network.config.backbone!r}; set it to none."
        )
    if which == "statistics":
        fold_norms(network.model)
        return
    for norm in norms:
        # A frozen scale of zeros would keep an untrained link from ever learning.
        norm.trainable = norm.name not in kept[which] or norm.name.startswith(LINK)


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
