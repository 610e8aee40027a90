"""What network to build: preset, backbone, size and classes."""

from __future__ import annotations

from dataclasses import dataclass

from mtv_perception.config import setting
from mtv_perception.labels import LabelSet, labels_of, labels_with_background


@dataclass(frozen=True)
class NetworkConfig:
    """What to build."""

    preset: str = setting(
        "warehouse", "Layout of the network.", choices=("warehouse", "warehouse-small", "reference")
    )
    names: tuple[str, ...] = setting(
        LabelSet().names,
        "Class names in the order of their ids from 1 on. The background has id 0 and is added.",
    )
    size_hw: tuple[int, int] = setting(
        (480, 640),
        "Network input, pixels, multiples of 128 for the full pyramid.",
        low=32,
        high=4096,
    )
    backbone: str = setting(
        "mobilenetv2", "Feature extractor.", choices=("mobilenetv2", "shufflenetv2")
    )
    width: float = setting(1.0, "Channel multiplier of the backbone.", low=0.1, high=4.0)
    output_stride: int = setting(
        32, "32, or 16 or 8, where the last stage or two are dilated.", low=8, high=32
    )
    extra_depthwise: bool = setting(
        False, "ShuffleNetV2: a depthwise convolution more in each unit."
    )
    residual: bool = setting(False, "ShuffleNetV2: residual connections in the units of stride 1.")
    legacy_heads: bool = setting(
        False,
        "reference: batch norm and ReLU6 after the last convolution of each head.",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", labels_with_background(self.names).names)

    @property
    def labels(self) -> LabelSet:
        """The names as a LabelSet."""
        return labels_of(self.names)
