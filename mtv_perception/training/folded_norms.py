"""Norms with fixed statistics, computed inside the convolution before them.

With fixed statistics a norm scales and shifts each channel. The kernel takes the scale, and an
offset is added. This saves the norm's own pass over the activations. Kernel, scale and offset are
trained as before.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 3.2.
"""

from __future__ import annotations

from typing import Any

import keras

from mtv_perception.network.layers import AlignedDepthwiseConv2D


def fold_norms(model: keras.Model) -> None:
    """Have every norm of a model compute by its moving statistics, also in training.

    A norm that alone reads a convolution without bias becomes part of it. Layers and weights stay
    what they are, and without training the model computes what it did.

    Args:
        model: whose layers get another `call`.
    """
    for norm in model.layers:
        if not isinstance(norm, keras.layers.BatchNormalization):
            continue
        before = norm.input._keras_history.operation
        if _is_foldable(before, norm):
            before.call = _Folded(before, norm)
            norm.call = _unchanged
        else:
            norm.call = _Fixed(norm)


def _is_foldable(layer: Any, norm: keras.layers.BatchNormalization) -> bool:
    return (
        isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
        and not layer.use_bias
        and layer.activation is keras.activations.linear
        and [node.operation for node in layer._outbound_nodes] == [norm]
    )


def _unchanged(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    return inputs


def _scale_and_offset(norm: keras.layers.BatchNormalization) -> tuple[Any, Any]:
    """`(C,)` float32 each."""
    variables = (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    gamma, beta, mean, variance = (keras.ops.cast(v, "float32") for v in variables)
    scale = gamma * keras.ops.rsqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def _shifted(x: Any, offset: Any) -> Any:
    """`[B, H, W, C]` and an offset for each channel."""
    offset = keras.ops.cast(offset, x.dtype)
    if keras.backend.backend() != "tensorflow":
        return x + offset
    import tensorflow as tf

    return tf.nn.bias_add(x, offset)  # Its gradient has a kernel of its own.


class _Fixed:
    """What a norm computes by its moving statistics."""

    def __init__(self, norm: keras.layers.BatchNormalization) -> None:
        self._norm = norm

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        scale, offset = _scale_and_offset(self._norm)
        return _shifted(inputs * keras.ops.cast(scale, inputs.dtype), offset)


class _Folded:
    """What a convolution and the norm after it compute, `[B, H, W, C]` to `[B, h, w, D]`."""

    def __init__(self, layer: Any, norm: keras.layers.BatchNormalization) -> None:
        self._layer, self._norm = layer, norm
        is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        self._convolve = keras.ops.depthwise_conv if is_depthwise else keras.ops.conv
        # A depthwise kernel is (h, w, C, outputs of each channel), a dense one (h, w, C, D).
        self._channels = layer.kernel.shape[2:] if is_depthwise else layer.kernel.shape[3:]

    def __call__(self, inputs: Any) -> Any:
        layer = self._layer
        scale, offset = _scale_and_offset(self._norm)
        kernel = layer.kernel * keras.ops.reshape(scale, self._channels)
        x = self._convolve(
            layer.padded(inputs) if isinstance(layer, AlignedDepthwiseConv2D) else inputs,
            keras.ops.cast(kernel, inputs.dtype),
            strides=layer.strides,
            padding=layer.padding,
            data_format=layer.data_format,
            dilation_rate=layer.dilation_rate,
        )
        return _shifted(x, offset)
