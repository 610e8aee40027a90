"""Default (prior) boxes: the grid of reference shapes the detection head's offsets refer to.

Source: Liu et al. 2016, "SSD: Single Shot MultiBox Detector", section 2.2. A specification lists,
for every feature map, its grid and its box shapes in network-input pixels, so that what the network
was trained with can be written into the artefact and rebuilt on the robot exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtv_perception.geometry.boxes import cxcywh_to_xyxy


@dataclass(frozen=True)
class DefaultBoxMap:
    """The default boxes of one feature map.

    Attributes:
        grid_hw: rows and columns of the feature map.
        shapes_wh: width and height of each box at a point, network-input pixels.
        padding: None puts the centres at (i + 0.5) / n of the image; a number p spreads them evenly
            from p to 1 - p of it.
        step: puts them at (i + 0.5) * step pixels instead, as the cells of a map of that stride
            lie, which may reach beyond an image that is no whole number of strides long.
    """

    grid_hw: tuple[int, int]
    shapes_wh: tuple[tuple[float, float], ...]
    padding: float | None = None
    step: float | None = None

    def __post_init__(self) -> None:
        sides = [side for shape in self.shapes_wh for side in shape]
        if min(self.grid_hw) < 1 or not sides or not all(0 < side < math.inf for side in sides):
            raise ValueError(
                f"Expected a positive grid and box shapes, got {self.grid_hw!r}, {self.shapes_wh!r}."
            )
        if self.padding is not None and not 0 <= self.padding < 0.5:
            raise ValueError(f"Expected a padding in 0 .. 0.5, got {self.padding!r}.")
        if self.step is not None and not (0 < self.step < math.inf and self.padding is None):
            raise ValueError(
                f"Expected a positive step and no padding, got {self.step!r} and {self.padding!r}."
            )

    @property
    def boxes_per_point(self) -> int:
        """How many boxes stand at each grid point."""
        return len(self.shapes_wh)


@dataclass(frozen=True)
class DefaultBoxSpec:
    """All default boxes of a network.

    Attributes:
        size_hw: network input, pixels.
        maps: finest first; boxes are ordered map, row, column, shape.
    """

    size_hw: tuple[int, int]
    maps: tuple[DefaultBoxMap, ...]

    @property
    def count(self) -> int:
        """The number of default boxes."""
        return sum(math.prod(item.grid_hw) * item.boxes_per_point for item in self.maps)

    def boxes_cxcywh(self) -> np.ndarray:
        """Every default box, `(count, 4)` float32, centre form, network-input pixels."""
        return np.concatenate([_map_boxes(item, self.size_hw) for item in self.maps]).astype(
            np.float32
        )

    def boxes_xyxy(self) -> np.ndarray:
        """Every default box, `(count, 4)` float32, corners, network-input pixels.

        Not clipped to the image.
        """
        return cxcywh_to_xyxy(self.boxes_cxcywh())


def _centres(count: int, length: float, padding: float | None, step: float | None) -> np.ndarray:
    if step is not None:
        return (np.arange(count) + 0.5) * step
    if padding is None:
        return (np.arange(count) + 0.5) * length / count
    return (
        np.linspace(padding, 1 - padding, count) * length if count > 1 else np.array([length / 2])
    )


def _map_boxes(item: DefaultBoxMap, size_hw: tuple[int, int]) -> np.ndarray:
    rows, columns = item.grid_hw
    shape = (rows, columns, item.boxes_per_point)
    boxes = np.empty((*shape, 4), np.float64)
    boxes[..., 0] = _centres(columns, size_hw[1], item.padding, item.step)[None, :, None]
    boxes[..., 1] = _centres(rows, size_hw[0], item.padding, item.step)[:, None, None]
    boxes[..., 2:] = np.asarray(item.shapes_wh, np.float64)
    return boxes.reshape(-1, 4)


def linear_scales(lowest: float, highest: float, count: int) -> tuple[float, ...]:
    """Scales spaced evenly, one a map (SSD section 2.2, equation 4)."""
    if count < 1 or not 0 < lowest <= highest:
        raise ValueError(
            f"Expected count >= 1 and 0 < lowest <= highest, got {count!r}, {lowest!r}, {highest!r}."
        )
    return tuple(float(scale) for scale in np.linspace(lowest, highest, count))


def ssd_spec(
    size_hw: tuple[int, int],
    grids_hw: Sequence[tuple[int, int]],
    scales: Sequence[float],
    aspect_ratios: Sequence[float] | Sequence[Sequence[float]] = (1.0, 2.0, 3.0, 1 / 2, 1 / 3),
    extra_square: bool = True,
    paddings: Sequence[float | None] | None = None,
) -> DefaultBoxSpec:
    """SSD default boxes: scale s and ratio r give width s * W * sqrt(r) and height s * H / sqrt(r).

    Args:
        size_hw: network input, pixels.
        grids_hw: rows and columns of each map.
        scales: one a map, fraction of the image side.
        aspect_ratios: width over height; one tuple for all maps, or one tuple a map.
        extra_square: add the box of scale sqrt(s_k * s_{k+1}) (the last map takes s_{k+1} = 1).
        paddings: centre padding of each map, see DefaultBoxMap.
    """
    if len(scales) != len(grids_hw):
        raise ValueError(f"Expected {len(grids_hw)} scales, one a map, got {len(scales)}.")
    per_map = [tuple(r) if isinstance(r, Sequence) else None for r in aspect_ratios]
    ratios = [tuple(aspect_ratios)] * len(grids_hw) if None in per_map else per_map
    if len(ratios) != len(grids_hw):
        raise ValueError(f"Expected aspect ratios for {len(grids_hw)} maps, got {len(ratios)}.")
    height, width = size_hw
    maps = []
    for index, grid in enumerate(grids_hw):
        scale = scales[index]
        of_map: Sequence[float] = ratios[index]  # type: ignore[assignment]  # one list or one a map
        shapes = [(scale * width * math.sqrt(r), scale * height / math.sqrt(r)) for r in of_map]
        if extra_square:
            following = scales[index + 1] if index + 1 < len(scales) else 1.0
            side = math.sqrt(scale * following)
            shapes.append((side * width, side * height))
        maps.append(
            DefaultBoxMap((grid[0], grid[1]), tuple(shapes), paddings[index] if paddings else None)
        )
    return DefaultBoxSpec(tuple(size_hw), tuple(maps))  # type: ignore[arg-type]


def _stride(size_hw: tuple[int, int], grid_hw: tuple[int, int]) -> float:
    """The stride, a power of two, of a map whose grid is the image's sides divided by it and rounded up."""
    return 2.0 ** math.ceil(math.log2(max(s / g for s, g in zip(size_hw, grid_hw, strict=True))))


def pyramid_spec(
    size_hw: tuple[int, int],
    grids_hw: Sequence[tuple[int, int]],
    base_sizes: Sequence[float],
    size_steps: Sequence[float],
    aspect_ratios: Sequence[float],
) -> DefaultBoxSpec:
    """Boxes of fixed pixel size at each level, as feature pyramids use them.

    Args:
        size_hw: network input, pixels.
        grids_hw: rows and columns of each level.
        base_sizes: square side of each level, pixels.
        size_steps: factors on the base size at every point (e.g. 1 and sqrt 2).
        aspect_ratios: width over height, area kept.

    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", section 4 (anchors).
    """
    maps = tuple(
        DefaultBoxMap(
            (int(grid[0]), int(grid[1])),
            tuple(
                (base * s * math.sqrt(r), base * s / math.sqrt(r))
                for s in size_steps
                for r in aspect_ratios
            ),
            step=_stride(size_hw, grid),
        )
        for grid, base in zip(grids_hw, base_sizes, strict=True)
    )
    return DefaultBoxSpec((int(size_hw[0]), int(size_hw[1])), maps)
