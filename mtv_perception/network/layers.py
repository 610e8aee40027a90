"""The few convolution blocks that every network here is made of."""

from __future__ import annotations

from collections.abc import Sequence
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


def batch_norm(x: Any, name: str, scale: float = 1.0) -> Any:
    """Batch normalisation over `[B, H, W, C]`; `scale` is what gamma begins with."""
    first = keras.initializers.Constant(scale)
    return FusedBatchNormalization(
        epsilon=BN_EPSILON, momentum=BN_MOMENTUM, gamma_initializer=first, name=name
    )(x)


def conv(x: Any, filters: int, kernel: int, name: str, strides: int = 1, dilation: int = 1) -> Any:
    """Convolution without bias, SAME padding, `[B, H, W, C]` to `[B, H/s, W/s, filters]`."""
    return keras.layers.Conv2D(
        filters, kernel, strides, padding="same", dilation_rate=dilation, use_bias=False, name=name
    )(x)


def depthwise(
    x: Any,
    name: str,
    strides: int = 1,
    dilation: int = 1,
    kernel: int = 3,
    before: tuple[int, int] | None = None,
) -> Any:
    """Depthwise convolution without bias, SAME padding.

    With stride 2 and kernel 3, `before` says how many rows and columns of it lie before the first
    cell; None for TensorFlow's share.
    """
    if before is not None and before != (x.shape[1] % 2, x.shape[2] % 2):
        return AlignedDepthwiseConv2D(kernel, strides, before, use_bias=False, name=name)(x)
    return keras.layers.DepthwiseConv2D(
        kernel, strides, padding="same", dilation_rate=dilation, use_bias=False, name=name
    )(x)


class AlignedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Depthwise convolution that rounds up as SAME does, and pads as much before as it is told.

    Args:
        kernel_size: rows and columns of the kernel, the same.
        strides: of both axes, the same.
        before: rows and columns of zeros above and on the left.
        **rest: as of DepthwiseConv2D.
    """

    def __init__(
        self, kernel_size: Any, strides: Any, before: tuple[int, int], **rest: Any
    ) -> None:
        super().__init__(kernel_size, strides, **{**rest, "padding": "valid"})
        self.before = tuple(before)

    def pads(self, sides: Sequence[int]) -> list[tuple[int, int]]:
        """Zeros before and after the rows and columns of an input of so many."""
        ends = [
            (-(-side // stride) - 1) * stride + size
            for side, stride, size in zip(sides, self.strides, self.kernel_size, strict=True)
        ]
        return [
            (before, end - side - before)
            for before, end, side in zip(self.before, ends, sides, strict=True)
        ]

    def padded(self, inputs: Any) -> Any:
        """`[B, H, W, C]` with the zeros around it."""
        return keras.ops.pad(inputs, [(0, 0), *self.pads(inputs.shape[1:3]), (0, 0)])

    def call(self, inputs: Any) -> Any:
        """`[B, H, W, C]` to `[B, H / s, W / s, C]`, rounded up."""
        return super().call(self.padded(inputs))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Of the output."""
        sides = zip(input_shape[1:3], self.strides, strict=True)
        return input_shape[0], *(-(-side // stride) for side, stride in sides), input_shape[3]

    def get_config(self) -> dict[str, Any]:
        """What makes the layer again."""
        return {**super().get_config(), "before": self.before}


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
    before: tuple[int, int] | None = None,
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
        before: as of `depthwise`.
    """
    x = depthwise(x, f"{name}_depthwise", strides, dilation, before=before)
    if inner:
        x = relu6(batch_norm(x, f"{name}_depthwise_bn"), f"{name}_depthwise_relu")
    x = batch_norm(conv(x, filters, 1, f"{name}_pointwise"), f"{name}_pointwise_bn")
    return relu6(x, f"{name}_pointwise_relu") if activate else x


def upsample(x: Any, factor: int, name: str) -> Any:
    """Bilinear upsampling by a whole factor (half-pixel centres)."""
    return keras.layers.UpSampling2D(factor, interpolation="bilinear", name=name)(x)
