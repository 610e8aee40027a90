"""SSDLite: class logits and box offsets at every point of several feature maps.

Source: Liu et al. 2016 (SSD), section 2.1; Sandler et al. 2018 (MobileNetV2), section 6.2, for the
depthwise-separable heads. Each head ends in a plain 1x1 convolution with bias, so that logits and
offsets take any value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from mtv_perception.network.layers import batch_norm, depthwise, relu6


def ssdlite_head(
    feature: Any, boxes_per_point: int, values: int, name: str, prior: float | None = None
) -> Any:
    """One head on one map: `[B, H, W, C]` to `[B, H * W * boxes_per_point, values]`.

    Args:
        feature: the map.
        boxes_per_point: default boxes at each point.
        values: outputs a box (classes, or 4 offsets).
        name: prefix of the layer names.
        prior: start value of the scores; the bias is its logit (Lin et al. 2017, section 4.1).
    """
    x = relu6(
        batch_norm(depthwise(feature, f"{name}_depthwise"), f"{name}_depthwise_bn"), f"{name}_relu"
    )
    bias = keras.initializers.Constant(math.log(prior / (1 - prior))) if prior else "zeros"
    x = keras.layers.Conv2D(
        boxes_per_point * values,
        1,
        name=f"{name}_predict",
        bias_initializer=bias,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
    )(x)
    return keras.layers.Reshape((-1, values), name=f"{name}_boxes")(x)


def ssdlite(
    maps: Sequence[Any], boxes_per_point: Sequence[int], classes: int, prior: float | None = None
) -> tuple[Any, Any]:
    """All heads, joined in the order of the default boxes.

    Returns:
        Class logits `[B, N, classes]` and box offsets `[B, N, 4]` (centre x, y, width, height).
    """
    pairs = list(zip(maps, boxes_per_point, strict=True))
    logits = [
        ssdlite_head(x, n, classes, f"class_head_{i}", prior) for i, (x, n) in enumerate(pairs)
    ]
    offsets = [ssdlite_head(x, n, 4, f"box_head_{i}") for i, (x, n) in enumerate(pairs)]
    join = keras.layers.Concatenate
    return join(axis=1, name="class_logits")(logits), join(axis=1, name="box_offsets")(offsets)
