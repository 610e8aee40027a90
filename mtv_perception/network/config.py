"""What network to build: preset, backbone, size and classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mtv_perception.config import setting
from mtv_perception.labels import LabelSet, labels_of, labels_with_background
from mtv_perception.network.preset_boxes import pyramid_padding


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
    aligned_hw: tuple[int, int] | None = setting(
        None,
        "Presets `warehouse`: input size, pixels, whose windows in the last two levels the weights know; "
        "null for `size_hw`, or that of `initial`.",
        low=32,
        high=4096,
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", labels_with_background(self.names).names)
        for name in ("size_hw", "aligned_hw") if self.preset != "reference" else ():
            size_hw = getattr(self, name) or (0, 0)
            if any(side % 32 for side in size_hw):
                raise ValueError(f"Expected a network {name} in multiples of 32, got {size_hw!r}.")

    def at_size(self, size_hw: tuple[int, int]) -> NetworkConfig:
        """The same network for another input size, whose windows lie as its weights know them."""
        return replace(self, size_hw=size_hw).aligned_with(self.aligned_hw or self.size_hw)

    def aligned_with(self, size_hw: tuple[int, int]) -> NetworkConfig:
        """The network whose windows lie as in one of that input size; `aligned_hw` only where they differ."""
        differs = self._padding(size_hw) != self._padding(self.size_hw)
        return replace(self, aligned_hw=size_hw if differs else None)

    def lines_up_with(self, other: NetworkConfig) -> bool:
        """Whether the windows of both lie alike."""
        ours, theirs = (net._padding(net.aligned_hw or net.size_hw) for net in (self, other))
        return ours == theirs

    def _padding(self, size_hw: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        if self.preset == "reference":  # which lines up with its own size alone
            return ()
        return pyramid_padding(size_hw, self.output_stride)

    @property
    def labels(self) -> LabelSet:
        """The names as a LabelSet."""
        return labels_of(self.names)
