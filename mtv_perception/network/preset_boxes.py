"""The default boxes of each preset, so that they are known without building (or importing) a network."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mtv_perception.geometry.default_boxes import (
    DefaultBoxSpec,
    linear_scales,
    pyramid_spec,
    ssd_spec,
)

Grids = Sequence[tuple[int, int]]

_PYRAMID_STRIDES = (8, 16, 32, 64, 128)
_BASE_SIZES = (20.0, 40.0, 80.0, 160.0, 320.0)
_SIZE_STEPS = (1.0, math.sqrt(2.0))
_ASPECT_RATIOS = (0.4, 1.0, 2.0)

_SSD_STRIDES = (16, 32, 64, 128)
_SSD_PADDINGS = (0.025, 0.05, 0.075, 0.1)


def grids_of(size_hw: tuple[int, int], strides: tuple[int, ...]) -> list[tuple[int, int]]:
    """Rows and columns of the feature maps at some strides; every convolution rounds up."""
    return [(math.ceil(size_hw[0] / stride), math.ceil(size_hw[1] / stride)) for stride in strides]


def pyramid_padding(
    size_hw: tuple[int, int], output_stride: int = 32
) -> tuple[tuple[int, int], ...]:
    """Rows and columns of padding before the windows of the last two levels, SAME as TensorFlow has it.

    With an even number of cells the first window begins at the first cell, else one before. So weights
    that were trained at a size of other parity see every cell half a window aside of its default
    boxes, unless the network pads as it did at that size (`NetworkConfig.aligned_hw`).
    """
    return tuple(
        (rows % 2, columns % 2)
        for rows, columns in grids_of(size_hw, (output_stride, 2 * output_stride))
    )


def warehouse_boxes(size_hw: tuple[int, int], grids_hw: Grids | None = None) -> DefaultBoxSpec:
    """The boxes of the presets `warehouse` and `warehouse-small`.

    Args:
        size_hw: network input, pixels.
        grids_hw: of the maps; by default those at output stride 32.
    """
    grids = grids_hw or grids_of(size_hw, _PYRAMID_STRIDES)
    return pyramid_spec(size_hw, grids, _BASE_SIZES, _SIZE_STEPS, _ASPECT_RATIOS)


def reference_boxes(size_hw: tuple[int, int], grids_hw: Grids | None = None) -> DefaultBoxSpec:
    """The boxes of the preset `reference`; arguments as for `warehouse_boxes`."""
    scales = linear_scales(0.15, 0.95, len(_SSD_STRIDES))
    return ssd_spec(
        size_hw, grids_hw or grids_of(size_hw, _SSD_STRIDES), scales, paddings=_SSD_PADDINGS
    )


PRESET_BOXES = {
    "warehouse": warehouse_boxes,
    "warehouse-small": warehouse_boxes,
    "reference": reference_boxes,
}
