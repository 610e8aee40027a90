"""ShuffleNetV2, layer by layer.

Source: Ma et al. 2018, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
figure 3 and table 5. Two options: an extra depthwise convolution before the first pointwise one of
each unit, with batch norm and no activation, for a larger receptive field in detection (section 4,
"ShuffleNet v2*"), and residual connections (section 3,
"ShuffleNet v2 with residual").
"""

from __future__ import annotations

from typing import Any

import keras

from mtv_perception.network.layers import (
    batch_norm,
    check_output_stride,
    conv,
    conv_bn_relu6,
    depthwise,
    relu6,
)

STAGE_CHANNELS = {
    0.5: (48, 96, 192),
    1.0: (116, 232, 464),
    1.5: (176, 352, 704),
    2.0: (244, 488, 976),
}
"""Channels of stages 2, 3 and 4 by width (table 5)."""

_STAGE_UNITS = (4, 8, 4)
_STEM_CHANNELS = 24


def channel_shuffle(x: Any, name: str) -> Any:
    """Interleave the two halves of the channels, `[B, H, W, 2c]`."""
    height, width, channels = x.shape[1:]
    x = keras.layers.Reshape((height, width, 2, channels // 2), name=f"{name}_split")(x)
    x = keras.layers.Permute((1, 2, 4, 3), name=f"{name}_permute")(x)
    return keras.layers.Reshape((height, width, channels), name=name)(x)


def _branch(
    x: Any, filters: int, name: str, strides: int, dilation: int, extra_depthwise: bool
) -> Any:
    if extra_depthwise:
        x = batch_norm(depthwise(x, f"{name}_extra"), f"{name}_extra_bn")
    x = conv_bn_relu6(x, filters, 1, f"{name}_expand")
    x = batch_norm(depthwise(x, f"{name}_depthwise", strides, dilation), f"{name}_depthwise_bn")
    return conv_bn_relu6(x, filters, 1, f"{name}_project")


def _unit(x: Any, name: str, dilation: int, extra_depthwise: bool, residual: bool) -> Any:
    half = x.shape[-1] // 2
    kept, worked = x[..., :half], x[..., half:]
    y = _branch(worked, half, name, 1, dilation, extra_depthwise)
    if residual:
        y = keras.layers.Add(name=f"{name}_add")([worked, y])
    return channel_shuffle(
        keras.layers.Concatenate(name=f"{name}_join")([kept, y]), f"{name}_shuffle"
    )


def _down_unit(
    x: Any, channels: int, name: str, strides: int, dilation: int, extra_depthwise: bool
) -> Any:
    half = channels // 2
    short = batch_norm(
        depthwise(x, f"{name}_short_depthwise", strides, dilation), f"{name}_short_depthwise_bn"
    )
    short = conv_bn_relu6(short, half, 1, f"{name}_short_project")
    long = _branch(x, half, name, strides, dilation, extra_depthwise)
    return channel_shuffle(
        keras.layers.Concatenate(name=f"{name}_join")([short, long]), f"{name}_shuffle"
    )


def shufflenetv2_features(
    images: Any,
    width: float = 1.0,
    output_stride: int = 32,
    extra_depthwise: bool = False,
    residual: bool = False,
) -> dict[int, Any]:
    """Features of ShuffleNetV2 by nominal stride: 4 (stem), 8, 16, 32.

    Args:
        images: `[B, H, W, 3]`, scaled to -1..1.
        width: 0.5, 1.0, 1.5 or 2.0.
        output_stride: 32, or 16 or 8 where the last stage or two are dilated instead of strided.
        extra_depthwise: one more depthwise 3x3 at the beginning of each unit's branch.
        residual: add each stride-1 branch's input to its output.
    """
    if width not in STAGE_CHANNELS:
        raise ValueError(
            f"Expected a ShuffleNetV2 width of {', '.join(map(str, STAGE_CHANNELS))}, got {width!r}."
        )
    check_output_stride(output_stride)
    x = relu6(
        batch_norm(conv(images, _STEM_CHANNELS, 3, "stem", strides=2), "stem_bn"), "stem_relu"
    )
    x = keras.layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    features = {4: x}
    for stage, (channels, units) in enumerate(
        zip(STAGE_CHANNELS[width], _STAGE_UNITS, strict=True), start=2
    ):
        nominal = 2 ** (stage + 1)
        dilation = max(nominal // output_stride, 1)
        # The first unit of a stage that gives up its stride dilates as the stage before it does.
        strides, first_dilation = (1, dilation // 2) if dilation > 1 else (2, 1)
        x = _down_unit(x, channels, f"stage{stage}_unit0", strides, first_dilation, extra_depthwise)
        for unit in range(1, units):
            x = _unit(x, f"stage{stage}_unit{unit}", dilation, extra_depthwise, residual)
        features[nominal] = x
    return features
