"""The product's layout: a light feature pyramid at strides 8 to 128 under SSDLite.

DeepLabV3+ context on its stride-16 level; the decoder also reads the levels of strides 8 and 4.

The pyramid (Lin et al. 2017, "Feature Pyramid Networks") costs 0.8 ms of 7.5 on two cores and gives
the stride-8 level the context small people need. Context pooling stands on the fused stride-16
level, where dilation is cheap and no backbone stage has to be dilated. Every operator has an int8
kernel in the LiteRT CPU delegate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from mtv_perception.geometry.default_boxes import DefaultBoxSpec
from mtv_perception.network.backbone import backbone_features
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.deeplabv3plus import aspp, atrous_rates, decoder, linked
from mtv_perception.network.layers import batch_norm, conv, relu6, separable, upsample
from mtv_perception.network.preset_boxes import pyramid_padding, warehouse_boxes
from mtv_perception.network.ssdlite import ssdlite

# Channels: pyramid, context, decoder, decoder's skip.
_CHANNELS = {"warehouse": (128, 64, 64, 24), "warehouse-small": (64, 48, 32, 16)}
_SCORE_PRIOR = 0.01


def feature_pyramid(
    features: dict[int, Any], channels: int, padding: Sequence[tuple[int, int]]
) -> list[Any]:
    """Levels at strides 8, 16, 32, 64, 128, each `[B, H / stride, W / stride, channels]`.

    Args:
        features: backbone features at strides 8, 16, 32.
        channels: of every level.
        padding: rows and columns before the windows of strides 64 and 128.
    """
    lateral = {
        s: batch_norm(conv(features[s], channels, 1, f"lateral{s}"), f"lateral{s}_bn")
        for s in (8, 16, 32)
    }
    top = separable(relu6(lateral[32], "merge32_relu"), channels, "level32")
    levels = [top]
    for stride in (16, 8):
        above = levels[0]
        if above.shape[1] != lateral[stride].shape[1]:
            above = upsample(above, 2, f"upsample{stride}")
        merged = keras.layers.Add(name=f"merge{stride}")([lateral[stride], above])
        levels.insert(
            0, separable(relu6(merged, f"merge{stride}_relu"), channels, f"level{stride}")
        )
    for stride, before in zip((64, 128), padding, strict=True):
        levels.append(separable(levels[-1], channels, f"level{stride}", strides=2, before=before))
    return levels


def warehouse_outputs(
    images: Any, config: NetworkConfig, with_link: bool = True
) -> tuple[Any, Any, Any, dict[int, Any], DefaultBoxSpec, str]:
    """Class logits, box offsets, segmentation logits (stride 4).

    The backbone's features, the default boxes and the kind of score.

    Args:
        images: `[B, H, W, 3]`.
        config: of the network.
        with_link: False leaves the decoder's link out, as before version 9.
    """
    pyramid_channels, context_channels, decoder_channels, skip_channels = _CHANNELS[config.preset]
    features = backbone_features(images, config)
    padding = pyramid_padding(config.aligned_hw or config.size_hw, config.output_stride)
    levels = feature_pyramid(features, pyramid_channels, padding)
    grids = [(int(x.shape[1]), int(x.shape[2])) for x in levels]
    boxes = warehouse_boxes(config.size_hw, grids)
    counts = [item.boxes_per_point for item in boxes.maps]
    class_logits, box_offsets = ssdlite(levels, counts, len(config.names) - 1, _SCORE_PRIOR)
    context = aspp(
        levels[1], context_channels, atrous_rates(config.size_hw[0] // levels[1].shape[1])
    )
    if with_link:
        context = linked(context, levels[0])
    pixels = decoder(context, features[4], decoder_channels, skip_channels, len(config.names))
    return class_logits, box_offsets, pixels, features, boxes, "sigmoid"
