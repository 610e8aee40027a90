"""The reference layout, to compare with.

MobileNetV2, four SSDLite maps, DeepLabV3+ with a dense decoder.

Exactly 4,047,408 parameters at 4 classes and 6 boxes a point. With `legacy_heads` the last
convolution of each head is followed by batch norm and ReLU6, as in the original, which confines
logits and offsets to 0..6; without, each head ends in the bare convolution with a bias in place of
the batch norm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from mtv_perception.geometry.default_boxes import DefaultBoxSpec
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.deeplabv3plus import atrous_rates
from mtv_perception.network.layers import (
    batch_norm,
    conv,
    conv_bn_relu6,
    depthwise,
    relu6,
    separable,
    upsample,
)
from mtv_perception.network.mobilenetv2 import mobilenetv2_features
from mtv_perception.network.preset_boxes import reference_boxes

_FILTERS = 256


def _separable(x: Any, filters: int, name: str, strides: int = 1, dilation: int = 1) -> Any:
    """Depthwise and pointwise with one batch norm and ReLU6 at the end."""
    return separable(x, filters, name, strides, dilation, inner=False)


def _head(x: Any, boxes_per_point: int, values: int, name: str, legacy: bool) -> Any:
    x = depthwise(x, f"{name}_depthwise")
    if legacy:
        x = conv(x, boxes_per_point * values, 1, f"{name}_predict")
        x = relu6(batch_norm(x, f"{name}_predict_bn"), f"{name}_predict_relu")
    else:
        x = keras.layers.Conv2D(boxes_per_point * values, 1, name=f"{name}_predict")(x)
    return keras.layers.Reshape((-1, values), name=f"{name}_boxes")(x)


def _heads(maps: list[Any], boxes_per_point: int, values: int, name: str, legacy: bool) -> Any:
    parts = [_head(x, boxes_per_point, values, f"{name}_{i}", legacy) for i, x in enumerate(maps)]
    return keras.layers.Concatenate(axis=1, name=name)(parts)


def _aspp(x: Any, rates: Sequence[int]) -> Any:
    branches = [conv_bn_relu6(x, _FILTERS, 1, "aspp_1x1")]
    branches += [_separable(x, _FILTERS, f"aspp_rate{rate}", dilation=rate) for rate in rates]
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool")(x)
    pooled = conv_bn_relu6(pooled, _FILTERS, 1, "aspp_pool_conv")
    branches.append(keras.layers.UpSampling2D(x.shape[1:3], name="aspp_pool_spread")(pooled))
    return conv_bn_relu6(
        keras.layers.Concatenate(name="aspp_join")(branches), _FILTERS, 1, "aspp_project"
    )


def reference_outputs(
    images: Any, config: NetworkConfig
) -> tuple[Any, Any, Any, dict[str, Any], DefaultBoxSpec, str]:
    """Class logits, box offsets, segmentation logits (stride 4).

    The backbone's features, the default boxes and the kind of score.
    """
    if config.backbone != "mobilenetv2":
        raise ValueError(
            f"Expected backbone 'mobilenetv2' in the reference preset, got {config.backbone!r}."
        )
    classes = len(config.names)
    features = mobilenetv2_features(images, config.width, config.output_stride)
    deep = features["block_16_project_BN"]
    extra0 = _separable(deep, 320, "extra0", strides=2)
    extra1 = _separable(extra0, 360, "extra1", strides=2)
    maps = [features["block_13_expand_relu"], deep, extra0, extra1]
    grids = [(int(x.shape[1]), int(x.shape[2])) for x in maps]
    boxes = reference_boxes(config.size_hw, grids)
    count = boxes.maps[0].boxes_per_point
    class_logits = _heads(maps, count, classes, "class_logits", config.legacy_heads)
    box_offsets = _heads(maps, count, 4, "box_offsets", config.legacy_heads)

    skip = features["block_2_expand_relu"]
    context = _aspp(maps[0], atrous_rates(config.size_hw[0] // maps[0].shape[1]))
    context = upsample(context, skip.shape[1] // context.shape[1], "decoder_upsample")
    x = keras.layers.Concatenate(name="decoder_join")(
        [context, conv_bn_relu6(skip, 48, 1, "decoder_skip")]
    )
    x = conv_bn_relu6(x, _FILTERS, 3, "decoder_dense")
    x = _separable(x, _FILTERS, "decoder_separable")
    pixels = conv(x, classes, 3, "decoder_logits")
    return class_logits, box_offsets, pixels, features, boxes, "softmax"
