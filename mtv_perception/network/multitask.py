"""The joint networks by preset: one backbone, class logits, box offsets and segmentation logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras

from mtv_perception.geometry.default_boxes import DefaultBoxSpec
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.reference import reference_outputs
from mtv_perception.network.warehouse import warehouse_outputs


@dataclass(frozen=True)
class MultitaskNetwork:
    """A built network.

    Attributes:
        model: images `[B, H, W, 3]` in -1..1 to a dict of the three raw outputs.
        config: what it was built from.
        default_boxes: the boxes its offsets refer to.
        scores: how class logits become scores, "sigmoid" or "softmax".
        backbone: names of the layers between the images and the backbone's features.
    """

    model: keras.Model
    config: NetworkConfig
    default_boxes: DefaultBoxSpec
    scores: str = field(default="sigmoid")
    backbone: frozenset[str] = frozenset()


_Outputs = tuple[Any, Any, Any, dict[Any, Any], DefaultBoxSpec, str]
_Layout = Callable[[Any, NetworkConfig], _Outputs]
_PRESETS: dict[str, _Layout] = {
    "warehouse": warehouse_outputs,
    "warehouse-small": warehouse_outputs,
    "reference": reference_outputs,
}


def normalise(images: Any) -> Any:
    """Images of 0..255 to the networks' -1..1, float32."""
    return keras.ops.cast(images, "float32") / 127.5 - 1.0


def build_network(config: NetworkConfig) -> MultitaskNetwork:
    """Build the network a configuration describes, with fresh weights."""
    return _network(config, _PRESETS[config.preset])


def paths_without_link(config: NetworkConfig) -> list[str]:
    """The paths of a network's weights from before its decoder had a link, in the order of then.

    Keras orders layers by their distance from the outputs, which the link has changed.
    """
    network = _network(config, partial(warehouse_outputs, with_link=False))
    return [weight.path for weight in network.model.weights]


def _network(config: NetworkConfig, layout: _Layout) -> MultitaskNetwork:
    images = keras.Input((*config.size_hw, 3), name="images")
    class_logits, box_offsets, segmentation_logits, features, default_boxes, scores = layout(
        images, config
    )
    outputs = {
        "class_logits": class_logits,
        "box_offsets": box_offsets,
        "segmentation_logits": segmentation_logits,
    }
    name = config.preset.replace("-", "_")
    backbone = keras.Model(images, list(features.values()), name="backbone")
    return MultitaskNetwork(
        keras.Model(images, outputs, name=name),
        config,
        default_boxes,
        scores,
        frozenset(layer.name for layer in backbone.layers),
    )
