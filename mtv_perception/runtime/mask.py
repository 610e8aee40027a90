"""From coarse segmentation logits to a full-size mask and its confidence, in 8-bit planes.

Upsampling takes longer than everything else that follows the network, so it waits until somebody
reads the mask or the confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np

from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.labels import UNLABELED_ID
from mtv_perception.runtime.outputs import Tensor
from mtv_perception.types import Segmentation


def logit_planes(logits: Tensor) -> tuple[np.ndarray, float]:
    """Logits `(h, w, C)` as uint8 of the same shape and the real units of one step.

    int8 logits are shifted, which loses nothing; floats are spread over 255 steps between their
    extremes.
    """
    if logits.is_quantised:
        return logits.values.view(np.uint8) ^ np.uint8(128), logits.scale
    # Class by class, as OpenVINO lays them out; then nothing is copied here.
    planes = np.ascontiguousarray(logits.values.transpose(2, 0, 1))
    low, high = float(planes.min()), float(planes.max())
    step = max(high - low, 1e-6) / 255
    flat = planes.reshape(1, -1)
    # Nothing is negative after the shift, but for -0.0: the absolute value changes nothing.
    steps = cv2.convertScaleAbs(cv2.subtract(flat, low), alpha=1 / step)
    return steps.reshape(planes.shape).transpose(1, 2, 0), step


def _split(cells: np.ndarray) -> list[np.ndarray]:
    """Cells `(h, w, C)` class by class, each `(h, w)` and contiguous."""
    if cells.strides[0] > cells.strides[2] and cells.shape[2] > 1:
        return list(cv2.split(np.ascontiguousarray(cells)))
    return [np.ascontiguousarray(cells[..., index]) for index in range(cells.shape[2])]


def _confidence_table(step: float) -> np.ndarray:
    """uint8 confidence by the lead of the best logit over the second, in steps."""
    return np.round(255 / (1 + np.exp(-np.arange(256) * step))).astype(np.uint8)


def segment(
    logits: Tensor, letterbox: Letterbox, size_hw: tuple[int, int], threshold: float
) -> Segmentation:
    """The class of every pixel, computed when it is read for the first time.

    Logits are interpolated bilinearly (half-pixel centres) class by class, then compared, so that
    outlines run between the coarse cells. The lowest id wins a tie.

    Args:
        logits: `(h, w, C)` over the whole network input; not used after the call.
        letterbox: where the image lies in it.
        size_hw: size of the mask, pixels: the source image's, or that of the image inside the
            network input.
        threshold: confidence below which a pixel is unlabelled (255), 0..1; 0.5 is the lowest
            there is.
    """
    cells, step = logit_planes(logits)
    planes = _split(letterbox.crop_cells(cells))
    return UpsampledSegmentation(planes, step, size_hw, threshold)


class UpsampledSegmentation(Segmentation):
    """A segmentation that is upsampled when it is read.

    Args:
        planes: coarse logits class by class, each `(h, w)` uint8.
        step: real units of one step of them.
        size_hw: of the mask, pixels.
        threshold: confidence below which a pixel is unlabelled.
    """

    _planes: Sequence[np.ndarray]
    _step: float
    _size_hw: tuple[int, int]
    _threshold: float

    def __init__(
        self,
        planes: Sequence[np.ndarray],
        step: float,
        size_hw: tuple[int, int],
        threshold: float,
    ) -> None:
        # The base class is frozen.
        self.__dict__.update(_planes=planes, _step=step, _size_hw=size_hw, _threshold=threshold)

    @cached_property
    def class_ids(self) -> np.ndarray:  # type: ignore[override]
        """`(H, W)` uint8."""
        if self._threshold > 0.5:
            return self._both[0]
        return best_classes(self._planes, self._size_hw)

    @cached_property
    def confidence(self) -> np.ndarray:  # type: ignore[override]
        """`(H, W)` uint8."""
        return self._both[1]

    @cached_property
    def _both(self) -> tuple[np.ndarray, np.ndarray]:
        return classes_and_confidence(self._planes, self._step, self._size_hw, self._threshold)


def best_classes(planes: Sequence[np.ndarray], size_hw: tuple[int, int]) -> np.ndarray:
    """The class of the largest interpolated logit of every pixel, `(H, W)` uint8.

    A class is interpolated only inside the rectangle outside of which it can't win. Interpolation
    and rounding keep the order of values, so the result is that of interpolating all.

    Args:
        planes: `(h, w)` uint8, one a class.
        size_hw: H and W.
    """
    class_ids = np.zeros(size_hw, np.uint8)
    reached = {k: area for k in range(1, len(planes)) if (area := _reach(planes, k, size_hw))}
    if not reached:
        return class_ids
    whole = _around(list(reached.values()))
    best = _upsampled(planes[0], size_hw, whole)
    for class_id, area in reached.items():
        rival = _upsampled(planes[class_id], size_hw, area)
        top, left = (own.start - all_of.start for own, all_of in zip(area, whole, strict=True))
        part = best[top : top + rival.shape[0], left : left + rival.shape[1]]
        wins = cv2.compare(rival, part, cv2.CMP_GT)
        # Ids rise from round to round, so the maximum overwrites exactly where the class wins.
        np.maximum(class_ids[area], wins & np.uint8(class_id), out=class_ids[area])
        np.maximum(part, rival, out=part)
    return class_ids


_Area = tuple[slice, slice]
_FOUR_CELLS = np.ones((2, 2), np.uint8)


def _reach(planes: Sequence[np.ndarray], class_id: int, size_hw: tuple[int, int]) -> _Area | None:
    """Rows and columns of pixels outside of which a class can't win; None where it can't anywhere.

    Between four cells it can win only if it beats each other class in at least one of them.
    """
    plane, possible = planes[class_id], None
    for other, rival in enumerate(planes):
        if other == class_id:
            continue
        beats = cv2.compare(plane, rival, cv2.CMP_GT if other < class_id else cv2.CMP_GE)
        near = cv2.dilate(beats, _FOUR_CELLS)
        possible = near if possible is None else cv2.bitwise_and(possible, near)
    left, top, columns, rows = cv2.boundingRect(possible)
    if not rows:
        return None
    scale = _whole_scale(plane.shape, size_hw)
    if scale is None:
        return slice(0, size_hw[0]), slice(0, size_hw[1])
    # A block of four cells is named by its last one and ends at that one's centre.
    return (
        slice(max(top - 1, 0) * scale[0], (top + rows) * scale[0]),
        slice(max(left - 1, 0) * scale[1], (left + columns) * scale[1]),
    )


def _whole_scale(cells_hw: tuple[int, ...], size_hw: tuple[int, int]) -> tuple[int, int] | None:
    """Pixels a cell along rows and columns, where both are whole numbers."""
    rows, columns = cells_hw
    if size_hw[0] % rows or size_hw[1] % columns:
        return None
    return size_hw[0] // rows, size_hw[1] // columns


def _around(areas: Sequence[_Area]) -> _Area:
    rows, columns = (
        slice(min(part.start for part in side), max(part.stop for part in side))
        for side in zip(*areas, strict=True)
    )
    return rows, columns


def _upsampled(plane: np.ndarray, size_hw: tuple[int, int], area: _Area) -> np.ndarray:
    """Part of a plane that is interpolated to the mask's size."""
    scale = _whole_scale(plane.shape, size_hw)
    if scale is None:
        full = cv2.resize(plane, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_LINEAR)
        return full[area]
    cells, inside = [], []
    for part, step, count in zip(area, scale, plane.shape, strict=True):
        # One cell more on each side, so that its edge is interpolated as inside the whole plane.
        first, last = max(part.start // step - 1, 0), min(part.stop // step + 1, count)
        cells.append(slice(first, last))
        inside.append(slice(part.start - first * step, part.stop - first * step))
    cut = plane[cells[0], cells[1]]
    size = (cut.shape[1] * scale[1], cut.shape[0] * scale[0])
    return cv2.resize(cut, size, interpolation=cv2.INTER_LINEAR)[inside[0], inside[1]]


def classes_and_confidence(
    planes: Sequence[np.ndarray], step: float, size_hw: tuple[int, int], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Class and confidence of every pixel, both `(H, W)` uint8; see `segment`."""
    width_height = (size_hw[1], size_hw[0])
    best = cv2.resize(planes[0], width_height, interpolation=cv2.INTER_LINEAR)
    class_ids = np.zeros(size_hw, np.uint8)
    second = np.zeros(size_hw, np.uint8)
    for class_id, plane in enumerate(planes[1:], start=1):
        rival = cv2.resize(plane, width_height, interpolation=cv2.INTER_LINEAR)
        wins = cv2.compare(rival, best, cv2.CMP_GT)
        # Ids rise from round to round, so the maximum overwrites exactly where the new class wins.
        # NumPy here: OpenCV takes a mask of one pixel beside a number for two numbers.
        cv2.max(class_ids, np.bitwise_and(wins, np.uint8(class_id), out=wins), dst=class_ids)
        cv2.max(second, cv2.min(rival, best), dst=second)
        cv2.max(best, rival, dst=best)
    confidence = cv2.LUT(cv2.subtract(best, second), _confidence_table(step))
    if threshold > 0.5:
        unlabelled = np.where(np.arange(256) < round(threshold * 255), UNLABELED_ID, 0).astype(
            np.uint8
        )
        cv2.max(class_ids, cv2.LUT(confidence, unlabelled), dst=class_ids)
    return class_ids, confidence
