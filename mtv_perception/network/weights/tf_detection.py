"""SSDLite-MobileNetV2 as the TF Object Detection API builds it, from our own layers.

With a frozen graph's weights.

It exists to prove backbone, default boxes, codec and suppression against weights nobody here made,
and to lend its backbone, which has seen people.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtv_perception.geometry.default_boxes import (
    DefaultBoxMap,
    DefaultBoxSpec,
    linear_scales,
    ssd_spec,
)
from mtv_perception.network.layers import conv_bn_relu6, separable
from mtv_perception.network.mobilenetv2 import mobilenetv2_features
from mtv_perception.network.ssdlite import ssdlite
from mtv_perception.network.weights.pretrained import (
    LayerWeights,
    mobilenetv2_from_graph,
    read_frozen_graph,
    set_layer_weights,
    slim_batch_norm,
    slim_convolution,
)

SIZE_HW = (300, 300)
_GRIDS = ((19, 19), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1))
_EXTRA_CHANNELS = (512, 256, 256, 128)
_SCOPE = "FeatureExtractor/MobilenetV2/"


@dataclass(frozen=True)
class DetectionNetwork:
    """A detection-only network.

    Attributes:
        model: images `[B, 300, 300, 3]` in -1..1 to `class_logits` `[B, N, K]` (sigmoid) and
            `box_offsets`.
        default_boxes: the boxes its offsets refer to.
    """

    model: keras.Model
    default_boxes: DefaultBoxSpec


def tf_default_boxes() -> DefaultBoxSpec:
    """Scales .2 to .95 over six maps; the finest map has three boxes, of scales .1, .2, .2."""
    spec = ssd_spec(SIZE_HW, _GRIDS, linear_scales(0.2, 0.95, 6), (1.0, 2.0, 0.5, 3.0, 0.3333))
    side_h, side_w = SIZE_HW
    finest = tuple(
        (scale * side_w * math.sqrt(ratio), scale * side_h / math.sqrt(ratio))
        for scale, ratio in ((0.1, 1.0), (0.2, 2.0), (0.2, 0.5))
    )
    return DefaultBoxSpec(SIZE_HW, (DefaultBoxMap(_GRIDS[0], finest), *spec.maps[1:]))


def build_tf_detection(classes: int) -> DetectionNetwork:
    """The network with fresh weights."""
    images = keras.Input((*SIZE_HW, 3), name="images")
    features = mobilenetv2_features(images, include_top_conv=True)
    maps = [features["block_13_expand_relu"], features["out_relu"]]
    x = features["out_relu"]
    for index, channels in enumerate(_EXTRA_CHANNELS):
        x = conv_bn_relu6(x, channels // 2, 1, f"extra{index}_reduce")
        x = separable(x, channels, f"extra{index}", strides=2)
        maps.append(x)
    boxes = tf_default_boxes()
    logits, offsets = ssdlite(maps, [item.boxes_per_point for item in boxes.maps], classes)
    return DetectionNetwork(
        keras.Model(images, {"class_logits": logits, "box_offsets": offsets}), boxes
    )


def load_tf_detection(path: Path) -> DetectionNetwork:
    """The network of a frozen graph; WeightsError when it is another one."""
    constants = read_frozen_graph(path)
    boxes_per_point = [item.boxes_per_point for item in tf_default_boxes().maps]
    columns = (
        slim_convolution(constants, "BoxPredictor_0/ClassPredictor")[0].shape[-1]
        // boxes_per_point[0]
    )
    network = build_tf_detection(columns - 1)
    set_layer_weights(network.model, mobilenetv2_from_graph(constants))
    set_layer_weights(network.model, _extra_layers(constants), prefix="extra")
    set_layer_weights(network.model, _heads(constants, boxes_per_point, columns))
    return network


def _extra_layers(constants: Mapping[str, np.ndarray]) -> LayerWeights:
    weights: LayerWeights = {}
    for index, channels in enumerate(_EXTRA_CHANNELS):
        scopes = {
            f"extra{index}_reduce": f"layer_19_1_Conv2d_{index + 2}_1x1_{channels // 2}",
            f"extra{index}_depthwise": f"layer_19_2_Conv2d_{index + 2}_3x3_s2_{channels}_depthwise",
            f"extra{index}_pointwise": f"layer_19_2_Conv2d_{index + 2}_3x3_s2_{channels}",
        }
        for name, scope in scopes.items():
            weights[name] = slim_convolution(constants, _SCOPE + scope)
            weights[f"{name}_bn"] = slim_batch_norm(constants, _SCOPE + scope)
    return weights


def _heads(
    constants: Mapping[str, np.ndarray], boxes_per_point: list[int], columns: int
) -> LayerWeights:
    """Head weights; the background's column is left out, and (y, x, h, w) becomes (x, y, w, h)."""
    weights: LayerWeights = {}
    orders: dict[str, tuple[str, int, Any]] = {
        "class_head": ("ClassPredictor", columns, slice(1, None)),
        "box_head": ("BoxEncodingPredictor", 4, [1, 0, 3, 2]),
    }
    for index, count in enumerate(boxes_per_point):
        for head, (predictor, values, order) in orders.items():
            scope = f"BoxPredictor_{index}/{predictor}"
            name = f"{head}_{index}"
            weights[f"{name}_depthwise"] = slim_convolution(constants, f"{scope}_depthwise")
            weights[f"{name}_depthwise_bn"] = slim_batch_norm(constants, f"{scope}_depthwise")
            kernel, bias = slim_convolution(constants, scope)
            kernel = kernel.reshape(*kernel.shape[:3], count, values)[..., order]
            bias = bias.reshape(count, values)[:, order]
            weights[f"{name}_predict"] = [kernel.reshape(*kernel.shape[:3], -1), bias.reshape(-1)]
    return weights
