"""Depthwise kernels rounded to int8 by what their outputs lose by it.

Not each weight to the nearest.

Such a kernel has nine weights and one scale. Where they nearly cancel, as in an edge filter, nine
roundings to the nearest leave a sum that was none, and the norm after it makes it large: one such
layer can cost the network most of what int8 costs.

Source: Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization", the
objective of section 3; for nine weights all choices can be tried. What the mean of the output still
moves by goes into the norm: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization
and Bias Correction", section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product

import keras
import numpy as np
import tensorflow as tf

from mtv_perception.network.layers import AlignedDepthwiseConv2D
from mtv_perception.network.multitask import normalise

_LARGEST = 127
# Enough of them for moments of 9 x 9: each gives thousands of positions.
_IMAGES = 8
_POSITIONS_STEP = 2


def round_kernel(kernel: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Whole numbers of steps of max / 127 for the weights of one kernel.

    Each rounded up or down, that err least.

    Args:
        kernel: `(K,)`, not all 0.
        covariance: `(K, K)` of the inputs under the kernel.

    Returns:
        `(K,)` float64: the rounded weights, of the same largest magnitude.
    """
    weights = kernel.astype(np.float64)
    largest = np.abs(weights).argmax()
    step = abs(weights[largest]) / _LARGEST
    ups = np.array(list(product((0, 1), repeat=len(weights))))
    ups = ups[ups[:, largest] == 0]  # it is a whole number of steps, and makes the scale
    choices = np.clip(np.floor(weights / step) + ups, -_LARGEST, _LARGEST)
    choices[:, largest] = np.sign(weights[largest]) * _LARGEST
    errors = choices * step - weights
    return step * choices[np.einsum("ki,ij,kj->k", errors, covariance, errors).argmin()]


def spread(images: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    """So many of the images, from all their data sets, which lie one after the other."""
    positions = np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)
    return [images[position] for position in positions]


@contextmanager
def rounded_depthwise(model: keras.Model, images: Sequence[np.ndarray]) -> Iterator[None]:
    """Within it, the kernels of depthwise convolutions before norms are what int8 can hold.

    Afterwards what they were.

    Args:
        model: of `network.multitask`.
        images: `(H, W, 3)` uint8 of its size; 8 of them give the moments of every layer's inputs.
    """
    pairs = [(layer, norm) for layer in model.layers if (norm := _norm_after(layer)) is not None]
    kept = [(item, item.get_weights()) for pair in pairs for item in pair]
    try:
        for (layer, norm), (means, covariances) in zip(
            pairs, _moments(model, pairs, images), strict=True
        ):
            (kernel,) = layer.get_weights()
            flat = kernel.reshape(-1, kernel.shape[2])
            rounded = flat.copy()
            for channel in np.flatnonzero(flat.any(0)):
                rounded[:, channel] = round_kernel(flat[:, channel], covariances[channel])
            layer.set_weights([rounded.reshape(kernel.shape)])
            gamma, beta, mean, variance = norm.get_weights()
            norm.set_weights([gamma, beta, mean + (means * (rounded - flat)).sum(0), variance])
        yield
    finally:
        for item, weights in kept:
            item.set_weights(weights)


def _norm_after(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """The norm that alone reads a depthwise convolution without bias.

    If that is what the layer is.
    """
    if not isinstance(layer, keras.layers.DepthwiseConv2D) or layer.use_bias:
        return None
    readers = [node.operation for node in layer._outbound_nodes]
    return (
        readers[0]
        if [isinstance(r, keras.layers.BatchNormalization) for r in readers] == [True]
        else None
    )


def _moments(
    model: keras.Model,
    pairs: Sequence[tuple[keras.layers.DepthwiseConv2D, keras.layers.Layer]],
    images: Sequence[np.ndarray],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of the inputs under each layer's kernel: means `(K, C)` and covariances `(C, K, K)`."""
    inputs = keras.Model(model.input, {layer.name: layer.input for layer, _ in pairs})
    sums: list[list[np.ndarray]] = []
    for image in spread(images, _IMAGES):
        found = inputs(normalise(image[None]), training=False)
        sums.append([_sums(layer, found[layer.name]) for layer, _ in pairs])
    return [_mean_and_covariance(np.sum(layer, 0)) for layer in zip(*sums, strict=True)]


def _sums(layer: keras.layers.DepthwiseConv2D, x: tf.Tensor) -> np.ndarray:
    """Sums of products `(C, K + 1, K + 1)` of the inputs under the kernel and of 1."""
    rows, columns = layer.kernel_size
    is_aligned = isinstance(layer, AlignedDepthwiseConv2D)
    patches = tf.image.extract_patches(
        layer.padded(x) if is_aligned else x,
        [1, rows, columns, 1],
        [1, *layer.strides, 1],
        [1, *layer.dilation_rate, 1],
        "VALID" if is_aligned else "SAME",
    )[:, ::_POSITIONS_STEP, ::_POSITIONS_STEP]
    values = tf.reshape(patches, (-1, rows * columns, x.shape[-1]))
    values = tf.transpose(tf.concat([values, tf.ones_like(values[:, :1])], 1), (2, 1, 0))
    return tf.matmul(values, values, transpose_b=True).numpy().astype(np.float64)


def _mean_and_covariance(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    moments = sums / sums[:, -1:, -1:]
    means = moments[:, :-1, -1]
    return means.T, moments[:, :-1, :-1] - means[:, :, None] * means[:, None, :]
