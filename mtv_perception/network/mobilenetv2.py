"""MobileNetV2, layer by layer.

Source: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2.
Layer names follow keras.applications, so that its published weights load by name.
"""

from __future__ import annotations

from typing import Any

import keras

from mtv_perception.network.layers import (
    batch_norm,
    check_output_stride,
    conv,
    depthwise,
    make_divisible,
    relu6,
)

# Expansion, output channels, repeats, stride of the first repeat (table 2).
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

FINEST_BY_STRIDE = {
    4: "block_2_add",
    8: "block_5_add",
    16: "block_12_add",
    32: "block_16_project_BN",
}
"""The last linear bottleneck at each stride: what a neck taps."""


def _inverted_residual(
    x: Any, index: int, expansion: int, filters: int, strides: int, dilation: int
) -> tuple[Any, dict[str, Any]]:
    """One block; returns its output and its taps by layer name."""
    prefix = f"block_{index}" if index else "expanded_conv"
    inputs, taps = x, {}
    if expansion > 1:
        x = batch_norm(
            conv(x, expansion * inputs.shape[-1], 1, f"{prefix}_expand"), f"{prefix}_expand_BN"
        )
        x = taps[f"{prefix}_expand_relu"] = relu6(x, f"{prefix}_expand_relu")
    x = batch_norm(depthwise(x, f"{prefix}_depthwise", strides, dilation), f"{prefix}_depthwise_BN")
    x = relu6(x, f"{prefix}_depthwise_relu")
    x = taps[f"{prefix}_project_BN"] = batch_norm(
        conv(x, filters, 1, f"{prefix}_project"), f"{prefix}_project_BN"
    )
    if strides == 1 and inputs.shape[-1] == filters:
        x = taps[f"{prefix}_add"] = keras.layers.Add(name=f"{prefix}_add")([inputs, x])
    return x, taps


def mobilenetv2_features(
    images: Any, width: float = 1.0, output_stride: int = 32, include_top_conv: bool = False
) -> dict[str, Any]:
    """The features of MobileNetV2.

    Args:
        images: `[B, H, W, 3]`, scaled to -1..1.
        width: multiplier on every layer's channels.
        output_stride: 32, or 16 or 8 where the last stage or two are dilated instead of strided
            (DeepLab).
        include_top_conv: append the 1x1 convolution to 1280 channels.

    Returns:
        Feature tensors by keras.applications layer name: `Conv1_relu`, every expansion's ReLU6,
        every linear bottleneck (`..._project_BN` or `..._add`), and `out_relu`.
    """
    check_output_stride(output_stride)
    x = conv(images, make_divisible(32 * width), 3, "Conv1", strides=2)
    x = relu6(batch_norm(x, "bn_Conv1"), "Conv1_relu")
    features = {"Conv1_relu": x}
    index, stride, dilation = 0, 2, 1
    for expansion, channels, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            step = first_stride if repeat == 0 else 1
            block_dilation = dilation
            if step > 1 and stride == output_stride:
                step, dilation = 1, dilation * 2
            stride *= step
            x, taps = _inverted_residual(
                x, index, expansion, make_divisible(channels * width), step, block_dilation
            )
            features.update(taps)
            index += 1
    if include_top_conv:
        x = batch_norm(
            conv(x, 1280 if width <= 1 else make_divisible(1280 * width), 1, "Conv_1"), "Conv_1_bn"
        )
        features["out_relu"] = relu6(x, "out_relu")
    return features


def mobilenetv2(
    size_hw: tuple[int, int], width: float = 1.0, output_stride: int = 32
) -> keras.Model:
    """MobileNetV2 without its classifier as a model of all its taps (a dict of features by layer name)."""
    images = keras.Input((*size_hw, 3), name="images")
    return keras.Model(
        images, mobilenetv2_features(images, width, output_stride, include_top_conv=True)
    )
