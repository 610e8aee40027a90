"""What can be wrong with a labelled image, as sentences to collect: one check for every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtv_perception.data.sample import read_mask
from mtv_perception.errors import DatasetError, ImageError
from mtv_perception.geometry.boxes import clip_boxes
from mtv_perception.labels import UNLABELED_ID
from mtv_perception.media.decode import image_size, is_whole

# Annotators' boxes stick out of the image by a pixel of rounding, which is no fault.
TOLERANCE_PX = 1.5


def shown(path: Path, root: Path) -> str:
    """A path as faults name it: below `root` where it lies there."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def check_image(
    path: Path, where: str, claimed_hw: tuple[int, int] | None = None
) -> tuple[tuple[int, int] | None, list[str]]:
    """The image's height and width, or what is said of it where it can't be read, and the faults.

    Args:
        path: the image file.
        where: its name in the faults.
        claimed_hw: size that the annotations state, pixels.
    """
    if not path.is_file():
        return claimed_hw, [f"{where}: no such image file"]
    try:
        size_hw = image_size(path)
    except ImageError:
        return claimed_hw, [f"{where}: not an image, or of an unknown format"]
    faults = [] if is_whole(path) else [f"{where}: truncated, the end of the image is missing"]
    if claimed_hw is not None and claimed_hw != size_hw:
        faults.append(
            f"{where}: expected {_size(claimed_hw)} as annotated, got an image of {_size(size_hw)}"
        )
    return size_hw, faults


def box_faults(boxes_xyxy: np.ndarray, size_hw: tuple[int, int], where: str) -> list[str]:
    """A fault for each box of `(N, 4)`, pixels, that has no area or lies outside by more than rounding."""
    faults = []
    limit = np.array([size_hw[1], size_hw[0]] * 2, boxes_xyxy.dtype)
    for box, inside in zip(boxes_xyxy, clip_boxes(boxes_xyxy, size_hw), strict=True):
        text = f"{where}: box {[round(float(value), 2) for value in box]}"
        if not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
            faults.append(f"{text} has no area")
        elif (
            (box < -TOLERANCE_PX).any()
            or (box > limit + TOLERANCE_PX).any()
            or (inside[2:] <= inside[:2]).any()
        ):
            faults.append(f"{text} lies outside the image of {_size(size_hw)}")
    return faults


def check_mask(
    path: Path, size_hw: tuple[int, int] | None, value_count: int, where: str
) -> tuple[np.ndarray, list[str]]:
    """The values that occur in a mask file, and its faults.

    Args:
        path: the mask file.
        size_hw: of its image, pixels; None where unknown.
        value_count: values from this on are faults, 255 (ignore) apart.
        where: its name in the faults.

    Returns:
        `(K,)` ascending values below `value_count`, and the faults.
    """
    nothing = np.empty(0, np.int64)
    if not path.is_file():
        return nothing, [f"{where}: no such mask file"]
    if not is_whole(path):
        return nothing, [f"{where}: truncated, the end of the mask is missing"]
    try:
        mask = read_mask(path)
    except DatasetError:
        hint = "a PNG with a palette or colours has to be stored as its indices"
        return nothing, [f"{where}: expected an 8-bit one-channel mask; {hint}"]
    faults = []
    if size_hw is not None and mask.shape != size_hw:
        faults.append(
            f"{where}: expected a mask of {_size(size_hw)} as its image, got {_size(mask.shape)}"
        )
    values = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    unknown = values[(values >= value_count) & (values != UNLABELED_ID)]
    if unknown.size:
        faults.append(
            f"{where}: expected mask values below {value_count} or 255, got {unknown.tolist()}"
        )
    return values[values < value_count], faults


def _size(size_hw: tuple[int, ...]) -> str:
    return f"{size_hw[1]}x{size_hw[0]} pixels"
