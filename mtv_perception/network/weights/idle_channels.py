"""Channels inside a block that carry nothing: left out of an export, filled up again to train on.

Training can leave channels of an inverted residual block without effect: the ReLU6 after them gives
the same value at every pixel of every image. An export leaves them out, and puts that value into
the norm after the block. The network computes what it did, with less work.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from mtv_perception.network.multitask import MultitaskNetwork, normalise

_LOG = logging.getLogger(__name__)

LEAST_IMAGES = 64
"""With fewer images no channel counts as idle: what they don't show may be what it is for."""

# Beside each image its negative, and some noise: what a set of images happens not to show must not
# make a channel idle.
_NOISE_IMAGES = 16
# The ReLU6 gives values of 0 to 6, which int8 holds in steps of 0.024.
_LARGEST_CHANGE = 1e-3
# Kernels work on so many channels at once.
_MULTIPLE = 8


@dataclass(frozen=True)
class Block:
    """Layers in a row, none of which has another reader: the channels between are theirs alone.

    Attributes:
        expand: convolution without bias that makes the channels.
        depthwise: convolution without bias on them.
        project: 1x1 convolution without bias that ends them.
        expand_norm: after `expand`; a ReLU6 follows.
        depthwise_norm: after `depthwise`; `activation` follows.
        project_norm: after `project`.
        activation: the last ReLU6 on the channels.
    """

    expand: keras.layers.Conv2D
    depthwise: keras.layers.DepthwiseConv2D
    project: keras.layers.Conv2D
    expand_norm: keras.layers.BatchNormalization
    depthwise_norm: keras.layers.BatchNormalization
    project_norm: keras.layers.BatchNormalization
    activation: keras.layers.ReLU


_KINDS = (
    keras.layers.Conv2D,
    keras.layers.BatchNormalization,
    keras.layers.ReLU,
    keras.layers.DepthwiseConv2D,
    keras.layers.BatchNormalization,
    keras.layers.ReLU,
    keras.layers.Conv2D,
    keras.layers.BatchNormalization,
)


def blocks(model: keras.Model) -> list[Block]:
    """All of a model, in the order of its layers."""
    readers = _readers(model)
    found = []
    for layer in model.layers:
        row = list(_row(layer, readers))
        if len(row) < len(_KINDS):
            continue
        expand, expand_norm, _, depthwise, depthwise_norm, activation, project, project_norm = row
        biased = expand.use_bias or depthwise.use_bias or project.use_bias
        if not biased and project.kernel_size == (1, 1):
            norms = (expand_norm, depthwise_norm, project_norm)
            found.append(Block(expand, depthwise, project, *norms, activation))
    return found


def _readers(model: keras.Model) -> dict[str, list[Any]]:
    """Who reads each layer, by its name: layers of the model, and None for its outputs.

    Layers themselves also know readers in other models.
    """
    readers: dict[str, list[Any]] = {layer.name: [] for layer in model.layers}
    for layer in model.layers:
        inputs = (
            [] if isinstance(layer, keras.layers.InputLayer) else keras.tree.flatten(layer.input)
        )
        for tensor in inputs:
            readers[tensor._keras_history.operation.name].append(layer)
    for tensor in model.outputs:
        readers[tensor._keras_history.operation.name].append(None)
    return readers


def _row(layer: Any, readers: Mapping[str, list[Any]]) -> Iterator[Any]:
    """The layers from `layer` on, as far as they are of `_KINDS` and each is the only reader."""
    for kind in _KINDS:
        # In Keras a depthwise convolution is no Conv2D.
        if not isinstance(layer, kind):
            return
        yield layer
        # The last norm may have any readers.
        layer, *others = readers[layer.name] or [None]
        if others:
            return


def without_idle_channels(
    network: MultitaskNetwork, images: Sequence[np.ndarray]
) -> MultitaskNetwork:
    """A network without the channels that are idle on all images, their negatives, and noise.

    Of each block a multiple of 8 channels stays. With fewer than LEAST_IMAGES images, or where no
    channel is idle, it is the network that was given.

    Args:
        network: with its final weights.
        images: `(H, W, 3)` uint8 of its size.
    """
    found = blocks(network.model)
    if len(images) < LEAST_IMAGES or not found:
        return network
    low, high = _extremes(network.model, found, images)
    kept, values = {}, {}
    for block, least, largest in zip(found, low, high, strict=True):
        idle = largest - least < _LARGEST_CHANGE
        # A stable sort: first those that work, in their order; idle ones fill up.
        order = np.argsort(idle, kind="stable")
        count = -(-max(int((~idle).sum()), 1) // _MULTIPLE) * _MULTIPLE
        if count < len(idle):
            name = block.depthwise.name
            kept[name], values[name] = np.sort(order[:count]), (least + largest) / 2
    if not kept:
        return network
    left_out = sum(len(values[name]) - len(channels) for name, channels in kept.items())
    _LOG.info("%d channels are the same on all %d images: left out", left_out, len(images))
    return replace(network, model=_narrow(network.model, found, kept, values))


def _extremes(
    model: keras.Model, found: Sequence[Block], images: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The least and the largest value of every channel that each block's last ReLU6 gives."""
    outputs = [block.activation.output for block in found]
    over = (0, 1, 2)
    extremes = keras.Model(
        model.input,
        [[keras.ops.min(x, over) for x in outputs], [keras.ops.max(x, over) for x in outputs]],
    )
    measured = [extremes.predict_on_batch(normalise(image[None])) for image in _shown(images)]
    lows, highs = zip(*measured, strict=True)
    # NumPy keeps a NaN, and a channel with one is not idle.
    return (
        [np.min(values, 0) for values in zip(*lows, strict=True)],
        [np.max(values, 0) for values in zip(*highs, strict=True)],
    )


def _shown(images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """The images, their negatives, and noise."""
    yield from images
    yield from (255 - image for image in images)
    rng = np.random.default_rng(0)
    yield from (rng.integers(0, 256, images[0].shape, np.uint8) for _ in range(_NOISE_IMAGES))


def _narrow(
    model: keras.Model,
    found: Sequence[Block],
    kept: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
) -> keras.Model:
    """A copy of a model in which each block of `kept` has those channels alone.

    Args:
        model: to copy.
        found: its blocks.
        kept: channels by the name of the block's depthwise convolution.
        values: what each channel gives, where it is left out.
    """
    arrays = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    filters = {}
    for block in found:
        channels = kept.get(block.depthwise.name)
        if channels is None:
            continue
        filters[block.expand.name] = len(channels)
        constants = values[block.depthwise.name].copy()
        constants[channels] = 0
        (projection,) = arrays[block.project.name]
        gamma, beta, mean, variance = arrays[block.project_norm.name]
        arrays[block.project_norm.name] = [
            gamma,
            beta,
            mean - constants @ projection[0, 0],
            variance,
        ]
        for layer, axis in (
            (block.expand, -1),
            (block.expand_norm, 0),
            (block.depthwise, 2),
            (block.depthwise_norm, 0),
            (block.project, 2),
        ):
            arrays[layer.name] = [np.take(a, channels, axis) for a in arrays[layer.name]]

    def copied(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name in filters:
            config["filters"] = filters[layer.name]
        return type(layer).from_config(config)

    narrow = keras.models.clone_model(model, clone_function=copied)
    for layer in narrow.layers:
        if layer.weights:
            layer.set_weights(arrays[layer.name])
    return narrow


def filled_up(
    model: keras.Model,
    kernels: Mapping[str, np.ndarray],
    biases: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The kernels and biases of an export, with zeros for channels that it left out.

    Args:
        model: the whole network.
        kernels: by layer name, in Keras' order of axes; a depthwise kernel `(h, w, C, 1)`.
        biases: of the same layers.
    """
    kernels, biases = dict(kernels), dict(biases)
    for block in blocks(model):
        expand, depthwise, project = (
            x.name for x in (block.expand, block.depthwise, block.project)
        )
        if not {expand, depthwise, project} <= set(kernels):
            continue
        missing = block.expand.filters - kernels[expand].shape[-1]
        if missing <= 0:
            continue
        for name, axis in ((expand, 3), (depthwise, 2), (project, 2)):
            widths = [(0, missing if i == axis else 0) for i in range(4)]
            kernels[name] = np.pad(kernels[name], widths)
        for name in (expand, depthwise):
            biases[name] = np.pad(biases[name], (0, missing))
    return kernels, biases
