"""What can be wrong with a labelled image, as sentences to collect: one check for every format."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from mtv_perception.data.formats.files import is_file
from mtv_perception.data.mask_file import read_mask
from mtv_perception.errors import DatasetError, ImageError
from mtv_perception.geometry.boxes import clip_boxes
from mtv_perception.media.decode import image_header, is_whole
from mtv_perception.media.files import IMAGE_SUFFIXES

# Annotators' boxes stick out of the image by a pixel of rounding, which is no fault.
TOLERANCE_PX = 1.5
# CIPA DC-008 (EXIF 2.32), section 4.6.4: orientations 5 to 8 swap rows and columns.
_FIRST_TRANSPOSED = 5


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image file.

    Attributes:
        size_hw: height and width that its boxes refer to; None where nothing tells.
        as_stored: these are of the stored pixels, not of those that EXIF data turns.
        orientation: of EXIF, 1 where the image is not turned.
        is_unsure: the sizes do not tell whether boxes refer to the stored or the turned pixels.
        faults: what is wrong.
    """

    size_hw: tuple[int, int] | None
    as_stored: bool = False
    orientation: int = 1
    is_unsure: bool = False
    faults: tuple[str, ...] = ()


def check_image(path: Path, where: str, claimed_hw: tuple[int, int] | None = None) -> ImageFacts:
    """What an image file is, and what is wrong with it.

    Boxes refer to the pixels whose size the annotations state: the stored ones or, as viewers show
    them, those that EXIF data turns. Where both have one size, or none is stated, it is the latter.

    Args:
        path: the image file.
        where: its name in the faults.
        claimed_hw: size that the annotations state, pixels.
    """
    if not is_file(path):
        return ImageFacts(claimed_hw, faults=(f"{where}: no such image file{_alike(path)}",))
    try:
        header = image_header(path)
    except ImageError as error:
        reason = _reason(path, error)
        return ImageFacts(claimed_hw, faults=(f"{where}: not an image: {reason}",))
    faults = [] if is_whole(path) else [f"{where}: truncated, the end of the image is missing"]
    stored, orientation = header.size_hw, header.orientation
    upright = stored[::-1] if orientation >= _FIRST_TRANSPOSED else stored
    as_stored = claimed_hw == stored != upright
    is_unsure = orientation > 1 and (claimed_hw is None or upright == stored)
    if claimed_hw not in (None, upright, stored):
        turned = f" (EXIF orientation {orientation})" if orientation > 1 else ""
        faults.append(
            f"{where}: expected {_size(claimed_hw)} as annotated, "
            f"got an image of {_size(upright)}{turned}"
        )
    size_hw = stored if as_stored else upright
    return ImageFacts(size_hw, as_stored, orientation, is_unsure, tuple(faults))


def _reason(path: Path, error: ImageError) -> str:
    """An error's text without the path, for a sentence that names the file in its own way."""
    text = str(error).removeprefix(f"{path}: ").rstrip(".")
    return f"{text[:1].lower()}{text[1:]}"


def _alike(path: Path) -> str:
    """What to do: a file whose name differs by its case alone, as after a copy from Windows.

    Or by its suffix, as after a conversion.
    """
    names = _names_in(path.parent)
    near = names.get(path.name.lower()) or names.get(path.stem.lower())
    return f"; there is {near}" if near else "; copy it there, or remove its entry from the labels"


@lru_cache(maxsize=8)
def _names_in(folder: Path) -> dict[str, str]:
    """The names in a folder by their lower case; those of images also without suffix.

    Kept, as many files of one may be missing.
    """
    try:
        names = sorted(item.name for item in folder.iterdir())
    except OSError:
        return {}
    stems = {
        Path(name).stem.lower(): name for name in names if name.lower().endswith(IMAGE_SUFFIXES)
    }
    return stems | {name.lower(): name for name in names}


class Fault(str):
    """What is wrong with a data set, as a sentence that knows what to show beside it.

    Attributes:
        image_path: the image it is about, if it is about one.
        box_xyxy: corners of the box it is about in pixels, if it is about one.
    """

    __slots__ = ("box_xyxy", "image_path")
    image_path: Path | None
    box_xyxy: tuple[float, ...] | None

    def __new__(
        cls, text: str, image_path: Path | None = None, box_xyxy: np.ndarray | None = None
    ) -> Fault:
        """A fault about an image, and perhaps a box in it."""
        fault = super().__new__(cls, text)
        fault.image_path = image_path
        fault.box_xyxy = None if box_xyxy is None else tuple(map(float, box_xyxy))
        return fault


def box_faults(
    boxes_xyxy: np.ndarray, size_hw: tuple[int, int], where: str, image_path: Path | None = None
) -> list[str]:
    """A fault for each box of `(N, 4)`, pixels, that has no area or lies outside by more than rounding."""
    faults: list[str] = []
    limit = np.array([size_hw[1], size_hw[0]] * 2, boxes_xyxy.dtype)
    for box, inside in zip(boxes_xyxy, clip_boxes(boxes_xyxy, size_hw), strict=True):
        text = f"{where}: box {[round(float(value), 2) for value in box]}"
        if not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
            faults.append(Fault(f"{text} has no area", image_path, box))
        elif (
            (box < -TOLERANCE_PX).any()
            or (box > limit + TOLERANCE_PX).any()
            or (inside[2:] <= inside[:2]).any()
        ):
            outside = f"{text} lies outside the image of {_size(size_hw)}"
            faults.append(Fault(outside, image_path, box))
    return faults


def check_mask(
    path: Path, size_hw: tuple[int, int] | None, where: str
) -> tuple[np.ndarray, list[str]]:
    """The values that occur in a mask file, and its faults.

    Args:
        path: the mask file.
        size_hw: of its image, pixels; None where unknown.
        where: its name in the faults.

    Returns:
        `(K,)` ascending values, and the faults.
    """
    nothing = np.empty(0, np.int64)
    if not is_file(path):
        return nothing, [f"{where}: no such mask file"]
    try:
        image_header(path)
    except ImageError as error:
        return nothing, [f"{where}: no mask: {_reason(path, error)}"]
    if not is_whole(path):
        return nothing, [f"{where}: truncated, the end of the mask is missing"]
    try:
        mask = read_mask(path)
    except DatasetError as error:
        return nothing, [f"{where}: {str(error).removeprefix(f'{path}: ')}"]
    faults = []
    if size_hw is not None and mask.shape != size_hw:
        faults.append(
            f"{where}: expected a mask of {_size(size_hw)} as its image, got {_size(mask.shape)}"
        )
    return np.flatnonzero(np.bincount(mask.ravel(), minlength=256)), faults


def _size(size_hw: tuple[int, ...]) -> str:
    return f"{size_hw[1]}x{size_hw[0]} pixels"
