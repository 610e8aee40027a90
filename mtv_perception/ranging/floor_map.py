"""What of the floor in front of the robot is free.

A grid of cells from the mask and the measured objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from mtv_perception.config import setting
from mtv_perception.errors import ConfigError
from mtv_perception.geometry.camera import FloorCamera
from mtv_perception.labels import BACKGROUND_ID, LabelSet
from mtv_perception.ranging.config import MARKED
from mtv_perception.ranging.measure import Measured

UNKNOWN, FREE, RAIL, OCCUPIED = -1, 0, 50, 100
"""Values of nav_msgs/OccupancyGrid: unknown, free, marked (a rail), occupied."""


MOST_CELLS = 1_000_000
"""Of a floor map: more would hold up the measuring for seconds whenever the camera's pose changes."""


@dataclass(frozen=True)
class FloorMapConfig:
    """The grid. Flat, so that every field can be one ROS parameter."""

    floor_length: float = setting(
        8.0, "Extent of the floor map ahead of the base (m).", low=1.0, high=50.0
    )
    floor_width: float = setting(8.0, "Extent of the floor map across (m).", low=1.0, high=50.0)
    floor_cell: float = setting(0.1, "Edge length of a cell (m).", low=0.02, high=1.0)

    def __post_init__(self) -> None:
        rows, columns = self.shape
        if rows * columns > MOST_CELLS:
            raise ConfigError(
                f"floor_length, floor_width, floor_cell: expected a floor map of at most {MOST_CELLS} cells, "
                f"got {columns}x{rows}; take larger cells or a smaller floor."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Cells across (y) and along (x): rows and columns of the grid."""
        return round(self.floor_width / self.floor_cell), round(self.floor_length / self.floor_cell)

    @property
    def origin_xy(self) -> tuple[float, float]:
        """The corner with the smallest coordinates, floor frame, m."""
        return 0.0, -self.shape[0] * self.floor_cell / 2


class FloorMapper:
    """Makes floor maps for one camera.

    A cell is free where the mask shows background at its middle, and marked where any pixel on it
    shows a rail. It is occupied where an object of any other class in the mask meets the floor, or
    where the box of a measured object stands. What lies behind objects, or outside of the image, is
    unknown. Background is no proof of free floor:
    goods and racks that the network was not trained on look like it.

    Args:
        camera: calibrated and at a known place above the floor.
        labels: names of the class ids.
        config: the grid.
    """

    def __init__(
        self, camera: FloorCamera, labels: LabelSet, config: FloorMapConfig | None = None
    ) -> None:
        self._camera, self.config = camera, config or FloorMapConfig()
        self._obstacles = np.zeros(256, bool)
        self._marked = np.zeros(256, bool)
        for index, name in enumerate(labels.foreground, start=1):
            self._obstacles[index], self._marked[index] = name != MARKED, name == MARKED
        self._cells_of: dict[tuple[int, ...], np.ndarray] = {}

    def draw(
        self, mask: np.ndarray | None, objects: tuple[Measured, ...], can_be_free: bool = True
    ) -> np.ndarray:
        """One frame's map.

        Args:
            mask: `(H, W)` uint8 class ids, source size or scaled; None where there is no mask: then
                only measured objects are known.
            objects: measured.
            can_be_free: whether background in the mask is none of the classes; False where the
                network was not trained for the masks of all.

        Returns:
            `(rows, columns)` int8 of UNKNOWN, FREE, RAIL, OCCUPIED; row 0 is the smallest y (the
            right side), column 0 the smallest x.
        """
        grid = np.full(self.config.shape, UNKNOWN, np.int8)
        if mask is not None:
            rows, columns, seen = self._middles
            height, width = self._camera.intrinsics.size_hw
            shown = mask[rows * mask.shape[0] // height, columns * mask.shape[1] // width]
            grid[seen] = np.where((shown == BACKGROUND_ID) & can_be_free, FREE, UNKNOWN)
            self._mark(grid, self._marked[mask], RAIL)
            self._mark(grid, _lower_ends(self._obstacles[mask]), OCCUPIED)
        for item in objects:
            cv2.fillPoly(grid.view(np.uint8), [self._cells(footprint(item))], OCCUPIED)
        return grid

    def _mark(self, grid: np.ndarray, pixels: np.ndarray, value: int) -> None:
        """Set the cells that some pixels of the mask lie on."""
        cells = self._pixel_cells(pixels.shape)[pixels]
        grid.reshape(-1)[cells[cells >= 0]] = value

    def _pixel_cells(self, shape: tuple[int, ...]) -> np.ndarray:
        """The flat index of the cell on which each pixel's lower edge lies.

        -1 outside of the grid, and where things do not stand upright in the image; kept by size.
        """
        if shape not in self._cells_of:
            (height, width), (rows, columns) = self._camera.intrinsics.size_hw, self.config.shape
            y, x = np.mgrid[: shape[0], : shape[1]]
            pixels = np.stack([(x + 0.5) * width / shape[1], (y + 1.0) * height / shape[0]], -1)
            floor = self._camera.pixels_to_floor(pixels.reshape(-1, 2)) - self.config.origin_xy
            with np.errstate(invalid="ignore"):
                cells = np.floor(floor / self.config.floor_cell)
                inside = np.all((cells >= 0) & (cells < (columns, rows)), axis=1)
                inside[inside] &= self._camera.is_upright(pixels.reshape(-1, 2)[inside])
            index = np.full(len(cells), -1, np.int64)
            index[inside] = cells[inside, 1].astype(int) * columns + cells[inside, 0].astype(int)
            self._cells_of = {shape: index.reshape(shape)}
        return self._cells_of[shape]

    @cached_property
    def _middles(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows and columns of the source pixels of the cells seen upright in the image.

        And which cells these are.
        """
        rows, columns = self.config.shape
        x0, y0 = self.config.origin_xy
        y, x = (np.mgrid[:rows, :columns] + 0.5) * self.config.floor_cell
        pixels = self._camera.floor_to_pixels(np.stack([x0 + x, y0 + y], -1).reshape(-1, 2))
        height, width = self._camera.intrinsics.size_hw
        with np.errstate(invalid="ignore"):
            inside = np.all((pixels >= 0) & (pixels < (width, height)), axis=1)
            inside[inside] &= self._camera.is_upright(pixels[inside])
        chosen = pixels[inside].astype(int)
        return chosen[:, 1], chosen[:, 0], inside.reshape(rows, columns)

    def _cells(self, corners_xy: np.ndarray) -> np.ndarray:
        cells = (corners_xy - self.config.origin_xy) / self.config.floor_cell - 0.5
        return np.rint(np.clip(cells, -1e4, 1e4)).astype(np.int32)


def footprint(item: Measured) -> np.ndarray:
    """`(4, 2)` corners of an object's box on the floor, in order, m."""
    c, s = np.cos(item.yaw), np.sin(item.yaw)
    half = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * item.size[:2] / 2
    return half @ np.array([[c, s], [-s, c]]) + item.center[:2]


def _lower_ends(hit: np.ndarray) -> np.ndarray:
    """The pixels of a bool image with none of the same below them."""
    ends = hit.copy()
    ends[:-1] &= ~hit[1:]
    ends[-1] = False  # cut off by the image: the object goes on below
    return ends
