"""The weights of a shipped model, read back out of its LiteRT file.

So that training can go on from them.

The conversion folds batch norms into the convolutions before them, and int8 rounds the kernels.
What is read back computes what the file computes; the norms' statistics are lost, and measured anew
on images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mtv_perception.errors import WeightsError
from mtv_perception.network.deeplabv3plus import LINK
from mtv_perception.network.weights.idle_channels import filled_up
from mtv_perception.network.weights.pretrained import LayerWeights, set_layer_weights

_CONVOLUTIONS = {schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D}
_DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT8: np.int8,
}
# Names of constants: layer, the number its use has in the converted model, operation.
_KERNEL = re.compile(r"/(\w+?)_\d+/(?:convolution|depthwise)(?:;|$)")
_NORM = re.compile(r".*/(\w+?)_\d+/batchnorm/(mul|sub)")
# Channels that vary less keep the scale they have.
_LEAST_VARIANCE = 1e-6


@dataclass
class FoldedWeights:
    """float32 arrays by layer name, in Keras' order of axes.

    Attributes:
        kernels: of each convolution, times the scale of a norm that was folded into it.
        biases: of each convolution, with that norm's offset.
        scales: of norms that follow no convolution.
        offsets: of the same norms.
    """

    kernels: dict[str, np.ndarray] = field(default_factory=dict)
    biases: dict[str, np.ndarray] = field(default_factory=dict)
    scales: dict[str, np.ndarray] = field(default_factory=dict)
    offsets: dict[str, np.ndarray] = field(default_factory=dict)


def read_folded_weights(content: bytes) -> FoldedWeights:
    """The constants of a float32 or int8 LiteRT file that was converted from one of our networks.

    Raises:
        WeightsError: a convolution of no layer, or a weight in another number format.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    found = FoldedWeights()
    for operator in graph.operators:
        tensors = [graph.tensors[index] for index in operator.inputs if index >= 0]
        if model.operatorCodes[operator.opcodeIndex].builtinCode in _CONVOLUTIONS:
            name = _name(tensors[1])
            layer = _KERNEL.search(name)
            if layer is None:
                raise WeightsError(f"Expected a convolution of a layer, got {name[:80]!r}.")
            kernel, bias = (_constant(model, tensor) for tensor in tensors[1:])
            found.kernels[layer[1]], found.biases[layer[1]] = kernel.transpose(1, 2, 3, 0), bias
            continue
        for tensor in tensors:
            norm = _NORM.fullmatch(_name(tensor))
            if norm:
                arrays = found.scales if norm[2] == "mul" else found.offsets
                arrays[norm[1]] = _constant(model, tensor)
    return found


def _name(tensor: Any) -> str:
    return str(tensor.name.decode())


def _constant(model: Any, tensor: Any) -> np.ndarray:
    """A constant as float32."""
    data = model.buffers[tensor.buffer].data
    if data is None or tensor.type not in _DTYPES:
        raise WeightsError(
            f"Expected weights in float32 or int8, got another format in {_name(tensor)[:80]!r}."
        )
    values = (
        np.frombuffer(bytes(data), _DTYPES[tensor.type]).reshape(tensor.shape).astype(np.float32)
    )
    quantisation = tensor.quantization
    if quantisation is None or quantisation.scale is None:
        return values
    along = [1] * values.ndim
    along[quantisation.quantizedDimension] = -1
    zero_point, scale = (
        x.reshape(along).astype(np.float32) for x in (quantisation.zeroPoint, quantisation.scale)
    )
    return (values - zero_point) * scale


def set_folded_weights(model: keras.Model, weights: FoldedWeights) -> None:
    """Make a network compute what a LiteRT file computes; its norms only scale and shift.

    Channels that the export left out become zeros. The link of a file from before version 9 keeps
    its first weights, with which it adds nothing. Masks then differ slightly from the file's: the
    context is raised in two steps instead of one.

    Args:
        model: whose convolutions before norms have no bias.
        weights: of a network of the same layout.

    Raises:
        WeightsError: the file has no weights of some layer, of another shape, or of a layer the
            network has not.
    """
    strange = sorted(set(weights.kernels) - {layer.name for layer in model.layers})
    if strange:
        raise WeightsError(
            f"Expected weights of the network's layers alone, found those of {strange[:5]} too."
        )
    kernels, biases = filled_up(model, weights.kernels, weights.biases)
    weights = replace(weights, kernels=kernels, biases=biases)
    arrays: LayerWeights = {}
    has_link = any(name.startswith(LINK) for name in kernels)
    for layer in model.layers:
        if layer.name.startswith(LINK) and not has_link:
            continue
        if isinstance(layer, keras.layers.BatchNormalization):
            arrays[layer.name] = _norm_that_only_scales(layer, weights)
        elif layer.weights:
            parts = (weights.kernels, weights.biases) if layer.use_bias else (weights.kernels,)
            arrays[layer.name] = [_weights_of(layer.name, part) for part in parts]
    set_layer_weights(model, arrays)


def _norm_that_only_scales(
    norm: keras.layers.BatchNormalization, weights: FoldedWeights
) -> list[np.ndarray]:
    before = _producer(norm)
    if before.name in weights.kernels:
        offset = weights.biases[before.name]
        scale = np.ones_like(offset)
    else:
        scale, offset = (_weights_of(norm.name, part) for part in (weights.scales, weights.offsets))
    return [scale, offset, np.zeros_like(offset), np.full_like(offset, 1 - norm.epsilon)]


def _producer(layer: keras.layers.Layer) -> Any:
    """The layer that makes a layer's input."""
    return layer.input._keras_history.operation


def _weights_of(layer: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    if layer not in arrays:
        raise WeightsError(
            f"Expected weights of layer {layer!r}, found those of {sorted(arrays)[:5]} ..."
        )
    return arrays[layer]


def measure_norms(model: keras.Model, batches: Iterable[Any]) -> None:
    """Give every norm the statistics of its inputs.

    And convolutions before norms outputs of variance 1.

    What the network computes stays the same; what it computes while it trains, by the statistics of
    a batch, comes near to it, and its kernels get the scale that learning rates are made for.

    Args:
        model: whose norms follow other layers.
        batches: network inputs `[B, H, W, 3]` float32, all of one size B.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    inputs = keras.Model(model.input, [norm.input for norm in norms])

    def means_and_variances(images: Any) -> list[np.ndarray]:
        found = (
            x.astype(np.float32).reshape(-1, x.shape[-1]) for x in inputs.predict_on_batch(images)
        )
        return [np.stack([x.mean(0), x.var(0)]) for x in found]

    measured = [means_and_variances(images) for images in batches]
    for norm, moments in zip(norms, zip(*measured, strict=True), strict=True):
        means, variances = np.stack(moments, 1)
        _centre_and_scale(norm, means.mean(0), variances.mean(0) + means.var(0))


def _centre_and_scale(
    norm: keras.layers.BatchNormalization, mean: np.ndarray, variance: np.ndarray
) -> None:
    """Set a norm's statistics, and scale the convolution before it.

    Without a change of what they compute.
    """
    gamma, beta, old_mean, old_variance = norm.get_weights()
    scale = gamma / np.sqrt(old_variance + norm.epsilon)
    offset = beta - scale * old_mean
    size = np.ones_like(variance)
    before = _producer(norm)
    if isinstance(before, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
        size = np.sqrt(np.where(variance > _LEAST_VARIANCE, variance, 1))
        (kernel,) = before.get_weights()
        is_depthwise = isinstance(before, keras.layers.DepthwiseConv2D)
        before.set_weights([kernel / (size[:, None] if is_depthwise else size)])
    mean, variance, scale = mean / size, variance / size**2, scale * size
    norm.set_weights(
        [scale * np.sqrt(variance + norm.epsilon), offset + scale * mean, mean, variance]
    )
