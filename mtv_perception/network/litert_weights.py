"""The weights of a shipped model, read back out of its LiteRT file, so that training can go on from them.

The conversion folds batch norms into the convolutions before them, and int8 rounds the kernels. What is read back
computes what the file computes; the norms' statistics are lost, and measured anew on images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mtv_perception.errors import WeightsError

# Names of constants: layer, the number its use has in the converted model, operation.
_KERNEL = re.compile(r"/(\w+?)_\d+/(?:convolution|depthwise)(?:;|$)")
_NORM = re.compile(r".*/(\w+?)_\d+/batchnorm/(mul|sub)")
# Channels that vary less keep the scale they have.
_LEAST_VARIANCE = 1e-6


@dataclass
class FoldedWeights:
    """Arrays by layer name, in Keras' order of axes.

    Attributes:
        kernels: of each convolution, times the scale of a norm that was folded into it.
        biases: of each convolution, with that norm's offset.
        norms: scale (`mul`) and offset (`sub`) of norms that follow no convolution.
    """

    kernels: dict[str, np.ndarray] = field(default_factory=dict)
    biases: dict[str, np.ndarray] = field(default_factory=dict)
    norms: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)


def read_folded_weights(content: bytes) -> FoldedWeights:
    """The constants of a float32 or int8 LiteRT file that was converted from one of our networks.

    Raises:
        WeightsError: a weight in another number format.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    convolutions = {schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D}
    found = FoldedWeights()
    for operator in graph.operators:
        tensors = [graph.tensors[i] for i in operator.inputs]
        names = [tensor.name.decode() for tensor in tensors]
        if model.operatorCodes[operator.opcodeIndex].builtinCode in convolutions:
            layer = _KERNEL.search(names[1])
            if layer is None:
                raise WeightsError(f"Expected a convolution of a layer, got {names[1]!r}.")
            kernel, bias = (_constant(model, tensor) for tensor in tensors[1:])
            found.kernels[layer[1]], found.biases[layer[1]] = kernel.transpose(1, 2, 3, 0), bias
            continue
        for name, tensor in zip(names, tensors, strict=True):
            norm = _NORM.fullmatch(name)
            if norm:
                found.norms.setdefault(norm[1], {})[norm[2]] = _constant(model, tensor)
    return found


def _constant(model: Any, tensor: Any) -> np.ndarray:
    """A constant as float32."""
    from ai_edge_litert import schema_py_generated as schema

    dtypes = {
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.INT32: np.int32,
        schema.TensorType.INT8: np.int8,
    }
    data = model.buffers[tensor.buffer].data
    if data is None or tensor.type not in dtypes:
        raise WeightsError(
            f"Expected weights in float32 or int8, got {tensor.name.decode()!r} of type {tensor.type}."
        )
    values = np.frombuffer(bytes(data), dtypes[tensor.type]).reshape(tensor.shape).astype(np.float32)
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

    Raises:
        WeightsError: the file has no weights of some layer, or of another shape.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            _set_norm(layer, weights)
        elif layer.weights:
            arrays = [_of(weights.kernels, layer.name)]
            layer_weights = [*arrays, _of(weights.biases, layer.name)] if layer.use_bias else arrays
            _set(layer, layer_weights)


def _set_norm(norm: keras.layers.BatchNormalization, weights: FoldedWeights) -> None:
    before = _producer(norm)
    if before.name in weights.kernels:
        offset = weights.biases[before.name]
        scale = np.ones_like(offset)
    else:
        scale, offset = (_of(weights.norms, norm.name)[part] for part in ("mul", "sub"))
    _set(norm, [scale, offset, np.zeros_like(offset), np.full_like(offset, 1 - norm.epsilon)])


def _producer(layer: keras.layers.Layer) -> Any:
    """The layer that makes a layer's input."""
    return layer.input._keras_history.operation


def _of(arrays: dict[str, Any], layer: str) -> Any:
    if layer not in arrays:
        raise WeightsError(f"Expected weights of layer {layer!r}, found those of {sorted(arrays)[:5]} ...")
    return arrays[layer]


def _set(layer: keras.layers.Layer, arrays: list[np.ndarray]) -> None:
    expected, found = [tuple(w.shape) for w in layer.weights], [a.shape for a in arrays]
    if expected != found:
        raise WeightsError(f"{layer.name}: expected weights of shapes {expected}, got {found}.")
    layer.set_weights(arrays)


def measure_norms(model: keras.Model, batches: Iterable[tf.Tensor]) -> None:
    """Give every norm the statistics of its inputs, and convolutions before norms outputs of variance 1.

    What the network computes stays the same; what it computes while it trains, by the statistics of a batch, comes near
    to it, and its kernels get the scale that learning rates are made for.

    Args:
        model: whose norms follow other layers.
        batches: network inputs `[B, H, W, 3]`.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    inputs = keras.Model(model.input, [norm.input for norm in norms])

    @tf.function(autograph=False)
    def first_and_second(images: tf.Tensor) -> list[tf.Tensor]:
        found = (tf.nn.moments(x, (0, 1, 2)) for x in inputs(images, training=False))
        return [tf.stack([mean, variance + mean * mean]) for mean, variance in found]

    batchwise = [[moments.numpy() for moments in first_and_second(images)] for images in batches]
    for norm, moments in zip(norms, zip(*batchwise, strict=True), strict=True):
        mean, square = np.mean(moments, 0)
        _centre(norm, mean, np.maximum(square - mean * mean, 0))


def _centre(norm: keras.layers.BatchNormalization, mean: np.ndarray, variance: np.ndarray) -> None:
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
    norm.set_weights([scale * np.sqrt(variance + norm.epsilon), offset + scale * mean, mean, variance])
