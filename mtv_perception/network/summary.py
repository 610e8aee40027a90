"""Parameters, multiply-adds and output shapes of a network."""

from __future__ import annotations

import math
from typing import Any

import keras

from mtv_perception.network.multitask import MultitaskNetwork


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one image: every convolution and dense layer; batch norm folds into them."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
        elif isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape)
    return int(total)


def summarise(network: MultitaskNetwork) -> dict[str, Any]:
    """The figures of `mtv summary` as plain values."""
    model = network.model
    return {
        "preset": network.config.preset,
        "backbone": network.config.backbone,
        "width": network.config.width,
        "size_hw": list(network.config.size_hw),
        "parameters": int(model.count_params()),
        "multiply_adds": multiply_adds(model),
        "default_boxes": network.default_boxes.count,
        "scores": network.scores,
        "outputs": {name: list(tensor.shape[1:]) for name, tensor in model.output.items()},
    }
