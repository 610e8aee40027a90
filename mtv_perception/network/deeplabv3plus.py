"""DeepLabV3+: atrous spatial pyramid pooling and a light decoder.

Source: Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
Segmentation", sections 3.1 and 3.2; image pooling from Chen et al. 2017 (DeepLabV3), section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from mtv_perception.network.layers import (
    batch_norm,
    conv,
    conv_bn_relu6,
    relu6,
    separable,
    upsample,
)

LINK = "decoder_link"
"""Prefix of the link's layer names. Files from before version 9 have no such layers."""


def atrous_rates(stride: int) -> tuple[int, ...]:
    """Rates that are as wide on the image at stride 8 as at 16 (Chen et al. 2017, section 3.3)."""
    return tuple(rate * max(16 // stride, 1) for rate in (3, 6, 12))


def aspp(feature: Any, filters: int, rates: Sequence[int], name: str = "aspp") -> Any:
    """A 1x1 branch, one atrous separable branch a rate, and image pooling.

    Concatenated and projected.

    Args:
        feature: `[B, H, W, C]`, of fixed size.
        filters: channels of each branch and of the output.
        rates: atrous rates.
        name: prefix of the layer names.

    Returns:
        `[B, H, W, filters]`.
    """
    branches = [conv_bn_relu6(feature, filters, 1, f"{name}_1x1")]
    branches += [separable(feature, filters, f"{name}_rate{rate}", dilation=rate) for rate in rates]
    joined = keras.layers.Concatenate(name=f"{name}_join")(branches)
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(feature)
    pooled = conv_bn_relu6(pooled, filters, 1, f"{name}_pool_conv")
    # A 1x1 convolution over a concatenation is the sum of one over each part, so the pooled branch
    # is projected at one pixel and broadcast by the addition instead of being copied to every pixel
    # first.
    x = keras.layers.Add(name=f"{name}_add")(
        [
            conv(joined, filters, 1, f"{name}_project"),
            conv(pooled, filters, 1, f"{name}_pool_project"),
        ]
    )
    return relu6(batch_norm(x, f"{name}_project_bn"), f"{name}_project_relu")


def linked(context: Any, feature: Any) -> Any:
    """Context brought to a feature's stride and added to a projection of it.

    The projection's norm begins with a scale of zeros, so that an untrained link adds nothing. The
    link is this project's own: research/experiments.md has its figures.

    Args:
        context: `[B, h, w, C]`.
        feature: `[B, H, W, c]`, H a whole multiple of h.

    Returns:
        `[B, H, W, C]`.
    """
    factor = feature.shape[1] // context.shape[1]
    raised = upsample(context, factor, f"{LINK}_upsample") if factor > 1 else context
    projected = conv(feature, context.shape[-1], 1, f"{LINK}_project")
    projected = batch_norm(projected, f"{LINK}_bn", scale=0.0)
    return relu6(keras.layers.Add(name=f"{LINK}_add")([raised, projected]), f"{LINK}_relu")


def decoder(
    context: Any, skip: Any, filters: int, skip_filters: int, classes: int, name: str = "decoder"
) -> Any:
    """Context brought to the skip's stride, joined with it, refined, and turned into logits.

    Args:
        context: `[B, h, w, C]`, coarse.
        skip: `[B, H, W, c]`, H a whole multiple of h.
        filters: channels of the two separable refinements.
        skip_filters: channels the skip is reduced to.
        classes: output channels.
        name: prefix of the layer names.

    Returns:
        `[B, H, W, classes]` logits.
    """
    if skip.shape[1] % context.shape[1] or skip.shape[2] % context.shape[2]:
        raise ValueError(
            f"Expected a skip of a whole multiple of {context.shape[1:3]}, got {skip.shape[1:3]}."
        )
    x = upsample(context, skip.shape[1] // context.shape[1], f"{name}_upsample")
    if skip_filters:
        skip = conv_bn_relu6(skip, skip_filters, 1, f"{name}_skip")
    x = keras.layers.Concatenate(name=f"{name}_join")([x, skip])
    x = separable(x, filters, f"{name}_refine0")
    x = separable(x, filters, f"{name}_refine1")
    return keras.layers.Conv2D(classes, 1, name=f"{name}_logits")(x)
