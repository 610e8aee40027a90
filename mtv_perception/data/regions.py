"""Objects' pixels as run lengths.

COCO's polygons and RLE encoded compactly, and rendered into a mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtv_perception.errors import DatasetError
from mtv_perception.labels import UNLABELED_ID

_MIN_POLYGON_NUMBERS = 6
_MOST_BITS = 60  # of a run length; no image has so many pixels


@dataclass(frozen=True)
class Region:
    """The pixels of one object.

    Attributes:
        class_id: its class; 255 where the pixels are to be ignored.
        counts: COCO's compressed run lengths, column by column over the whole image.
    """

    class_id: int
    counts: bytes


def _coco_mask() -> Any:
    """pycocotools.mask: a dependency of training that only sets with polygons or run lengths need."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise DatasetError(
            "Expected pycocotools to render polygons: pip install 'mtv_perception[train]'."
        ) from error
    return mask


def encode_segmentation(segmentation: Any, size_hw: tuple[int, int]) -> bytes:
    """Compressed run lengths of a COCO `segmentation`.

    Args:
        segmentation: a list of polygons `[x0, y0, x1, y1, ...]` in pixels, or `{"size": [h, w],
            "counts":
            ...}` with counts as a list or as COCO's compressed string.
        size_hw: of the image, pixels.

    Raises:
        ValueError: neither of these, or run lengths for an image of another size.
    """
    if isinstance(segmentation, dict):
        return _encode_runs(segmentation, size_hw)
    if not isinstance(segmentation, list) or not all(
        _is_polygon(polygon) for polygon in segmentation
    ):
        raise ValueError("Expected polygons [x0, y0, x1, y1, x2, y2, ...] or run lengths.")
    reach = max(size_hw)
    if any(min(polygon) < -reach or max(polygon) > 2 * reach for polygon in segmentation):
        raise ValueError(f"Expected polygons within the image of {size_hw[1]}x{size_hw[0]} pixels.")
    mask = _coco_mask()
    return bytes(mask.merge(mask.frPyObjects(segmentation, *size_hw))["counts"])


def _is_polygon(polygon: Any) -> bool:
    if not isinstance(polygon, list) or len(polygon) < _MIN_POLYGON_NUMBERS or len(polygon) % 2:
        return False
    return all(_is_finite(value) for value in polygon)


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _encode_runs(runs: dict[str, Any], size_hw: tuple[int, int]) -> bytes:
    size, counts, pixels = runs.get("size"), runs.get("counts"), size_hw[0] * size_hw[1]
    if size != list(size_hw):
        raise ValueError(f"Expected run lengths of size {list(size_hw)}, got {size!r}.")
    lengths = _unpack(counts) if isinstance(counts, (str, bytes)) else counts
    if not isinstance(lengths, list) or not all(isinstance(n, int) and n >= 0 for n in lengths):
        raise ValueError("Expected run lengths as a list of numbers from 0, or as COCO's string.")
    if sum(lengths) != pixels:
        raise ValueError(
            f"Expected run lengths that add up to {pixels} pixels, got {sum(lengths)}."
        )
    return bytes(_coco_mask().frPyObjects({"size": size, "counts": lengths}, *size_hw)["counts"])


def _unpack(text: str | bytes) -> list[int]:
    """Run lengths from COCO's string: five bits a character.

    From the fourth on, less the last but one.

    Source: rleFrString in the COCO API (maskApi.c).
    """
    lengths: list[int] = []
    value = shift = 0
    for byte in text.encode() if isinstance(text, str) else text:
        bits = byte - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if shift > _MOST_BITS:
            raise ValueError("Expected COCO's string of run lengths, got a number without end.")
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    return lengths


def encode_box(box_xyxy: np.ndarray, size_hw: tuple[int, int]) -> bytes:
    """Run lengths of a box `(4,)`, corners in pixels."""
    x0, y0, x1, y1 = (float(value) for value in box_xyxy)
    return encode_segmentation([[x0, y0, x1, y0, x1, y1, x0, y1]], size_hw)


def covered_box(counts: bytes, size_hw: tuple[int, int]) -> np.ndarray | None:
    """The box `(4,)` around the pixels of run lengths, corners in pixels; None where none is set."""
    x, y, width, height = _coco_mask().toBbox({"size": list(size_hw), "counts": counts})
    return np.array([x, y, x + width, y + height]) if width * height else None


def render_regions(regions: Sequence[Region], size_hw: tuple[int, int]) -> np.ndarray:
    """A mask `(H, W)` uint8 of class ids, background where no region lies.

    Regions to ignore lie below all others, and large ones below small ones, which they would hide
    otherwise.
    """
    out = np.zeros(size_hw, np.uint8)
    if not regions:
        return out
    mask = _coco_mask()
    runs = [{"size": list(size_hw), "counts": region.counts} for region in regions]
    areas = mask.area(runs)
    for index in sorted(
        range(len(regions)), key=lambda i: (regions[i].class_id != UNLABELED_ID, -int(areas[i]))
    ):
        out[mask.decode(runs[index]).astype(bool)] = regions[index].class_id
    return out
