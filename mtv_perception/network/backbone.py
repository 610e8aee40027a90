"""The backbones by name, each giving the last features at strides 4, 8, 16 and 32."""

from __future__ import annotations

from typing import Any

from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.mobilenetv2 import FINEST_BY_STRIDE, mobilenetv2_features
from mtv_perception.network.shufflenetv2 import shufflenetv2_features


def _mobilenetv2(images: Any, config: NetworkConfig) -> dict[int, Any]:
    features = mobilenetv2_features(images, config.width, config.output_stride)
    return {stride: features[layer] for stride, layer in FINEST_BY_STRIDE.items()}


def _shufflenetv2(images: Any, config: NetworkConfig) -> dict[int, Any]:
    return shufflenetv2_features(
        images, config.width, config.output_stride, config.extra_depthwise, config.residual
    )


BACKBONES = {"mobilenetv2": _mobilenetv2, "shufflenetv2": _shufflenetv2}


def backbone_features(images: Any, config: NetworkConfig) -> dict[int, Any]:
    """Features by nominal stride (4, 8, 16, 32); none is coarser than the output stride."""
    return BACKBONES[config.backbone](images, config)
