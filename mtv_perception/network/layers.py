"""The few convolution blocks that every network here is made of."""

from __future__ import annotations

from typing import Any

import keras

BN_EPSILON = 1e-3
"""Batch-norm epsilon of the published MobileNet weights, in Keras and in the TF Object Detection API alike."""

BN_MOMENTUM = 0.97
"""Short fine-tuning runs need moving statistics that keep up; the published .999 lags for thousands of steps."""


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, never more than 10% below it.

    Source: Sandler et al. 2018 (MobileNetV2), the authors' width-multiplier rounding.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def check_output_stride(output_stride: int) -> None:
    """ValueError unless the backbones can end at it."""
    if output_stride not in (8, 16, 32):
        raise ValueError(f"Expected an output stride of 8, 16 or 32, got {output_stride!r}.")


_FUSED = {"tensorflow": "_tensorflow", "torch": "_torch"}


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation that trains by the fused kernel of TensorFlow or PyTorch.

    Keras' own composes it from single operations, which take a third of a training step on a CPU.
    The moving variance averages the unbiased variance of each batch (Ioffe & Szegedy 2015,
    algorithm 2).
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """`[B, H, W, C]` normalised over all but the channels."""
        if training and self.trainable and keras.backend.backend() in _FUSED:
            return getattr(self, _FUSED[keras.backend.backend()])(inputs)
        return super().call(inputs, training=training, mask=mask)

    def _tensorflow(self, inputs: Any) -> Any:
        import tensorflow as tf

        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.cast(self.gamma, tf.float32),
            tf.cast(self.beta, tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        for average, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + new * (1 - self.momentum))
        return outputs

    def _torch(self, inputs: Any) -> Any:
        import torch

        # Channels second in shape; in memory they stay last, where the kernels want them. The
        # averages move in place.
        outputs = torch.nn.functional.batch_norm(
            inputs.permute(0, 3, 1, 2),
            *(v.value for v in (self.moving_mean, self.moving_variance, self.gamma, self.beta)),
            training=True,
            momentum=1 - self.momentum,
            eps=self.epsilon,
        )
        return outputs.permute(0, 2, 3, 1)


def batch_norm(x: Any, name: str) -> Any:
    """Batch normalisation over `[B, H, W, C]`."""
    return FusedBatchNormalization(epsilon=BN_EPSILON, momentum=BN_MOMENTUM, name=name)(x)


def conv(x: Any, filters: int, kernel: int, name: str, strides: int = 1, dilation: int = 1) -> Any:
    """Convolution without bias, SAME padding, `[B, H, W, C]` to `[B, H/s, W/s, filters]`."""
    return keras.layers.Conv2D(
        filters, kernel, strides, padding="same", dilation_rate=dilation, use_bias=False, name=name
    )(x)


def depthwise(x: Any, name: str, strides: int = 1, dilation: int = 1, kernel: int = 3) -> Any:
    """Depthwise convolution without bias, SAME padding."""
    return keras.layers.DepthwiseConv2D(
        kernel, strides, padding="same", dilation_rate=dilation, use_bias=False, name=name
    )(x)


def relu6(x: Any, name: str) -> Any:
    """ReLU cut at 6."""
    return keras.layers.ReLU(6.0, name=name)(x)


def conv_bn_relu6(x: Any, filters: int, kernel: int, name: str, strides: int = 1) -> Any:
    """Convolution, batch norm, ReLU6."""
    return relu6(batch_norm(conv(x, filters, kernel, name, strides), f"{name}_bn"), f"{name}_relu")


def separable(
    x: Any,
    filters: int,
    name: str,
    strides: int = 1,
    dilation: int = 1,
    activate: bool = True,
    inner: bool = True,
) -> Any:
    """Depthwise 3x3 and pointwise 1x1, each with batch norm and ReLU6.

    Args:
        x: `[B, H, W, C]`.
        filters: output channels.
        name: prefix of the layer names.
        strides: of the depthwise convolution.
        dilation: of the depthwise convolution (atrous rate).
        activate: end in ReLU6.
        inner: batch norm and ReLU6 between the two convolutions.
    """
    x = depthwise(x, f"{name}_depthwise", strides, dilation)
    if inner:
        x = relu6(batch_norm(x, f"{name}_depthwise_bn"), f"{name}_depthwise_relu")
    x = batch_norm(conv(x, filters, 1, f"{name}_pointwise"), f"{name}_pointwise_bn")
    return relu6(x, f"{name}_pointwise_relu") if activate else x


def upsample(x: Any, factor: int, name: str) -> Any:
    """Bilinear upsampling by a whole factor (half-pixel centres)."""
    return keras.layers.UpSampling2D(factor, interpolation="bilinear", name=name)(x)
