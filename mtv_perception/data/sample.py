"""One labelled image and a set of them, whatever format they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.data.regions import Region, render_regions
from mtv_perception.errors import DatasetError, ImageError
from mtv_perception.labels import UNLABELED_ID, LabelSet
from mtv_perception.media.decode import read_image as decode_file

FAULTS_SHOWN = 50


@dataclass(frozen=True)
class Sample:
    """One image with what is known about it.

    Attributes:
        image_path: the image file.
        size_hw: its height and width, pixels.
        boxes_xyxy: `(N, 4)` float32, pixels.
        class_ids: `(N,)` int32.
        crowd: `(N,)` bool; such a box is neither an object to find nor background.
        mask_path: a PNG of class ids (255 = ignore), or None where pixels are unlabelled.
        box_classes: class ids whose every object in the image has a box; nothing is known of the
            others.
        mask_classes: class ids the mask tells apart; its background may hide the others.
        mask_ids: class id of each value in the mask file; empty where the values are the class ids.
        regions: in place of a mask file, the pixels of each object; None where pixels are
            unlabelled.
    """

    image_path: Path
    size_hw: tuple[int, int]
    boxes_xyxy: np.ndarray = field(default_factory=lambda: np.empty((0, 4), np.float32))
    class_ids: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    crowd: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    mask_path: Path | None = None
    box_classes: tuple[int, ...] = ()
    mask_classes: tuple[int, ...] = ()
    mask_ids: tuple[int, ...] = ()
    regions: tuple[Region, ...] | None = None


@dataclass(frozen=True)
class Dataset:
    """Samples of one origin.

    Attributes:
        name: for reports.
        labels: what the class ids mean.
        samples: in the order of the data set's index.
    """

    name: str
    labels: LabelSet
    samples: tuple[Sample, ...]

    def __len__(self) -> int:
        return len(self.samples)


def read_image(path: Path) -> np.ndarray:
    """An image file as `(H, W, 3)` uint8 RGB, upright; DatasetError when it is not a whole image."""
    try:
        return decode_file(path)
    except ImageError as error:
        raise DatasetError(str(error)) from error


def read_mask(path: Path) -> np.ndarray:
    """A mask file as `(H, W)` uint8 class ids; DatasetError when it is not one-channel."""
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.ndim != 2 or mask.dtype != np.uint8:
        found = "nothing decodable" if mask is None else f"{mask.dtype} of shape {mask.shape}"
        raise DatasetError(f"{path}: expected an 8-bit one-channel mask, got {found}.")
    return np.asarray(mask)


def sample_mask(sample: Sample) -> np.ndarray | None:
    """What every pixel is, `(H, W)` uint8 class ids (255 = ignore); None where pixels are unlabelled."""
    if sample.mask_path is None:
        return None if sample.regions is None else render_regions(sample.regions, sample.size_hw)
    mask = read_mask(sample.mask_path)
    if not sample.mask_ids:
        return mask
    table = np.full(256, UNLABELED_ID, np.uint8)
    known = sample.mask_ids[:UNLABELED_ID]
    table[: len(known)] = known
    return np.asarray(table[mask])


class FaultyDatasetError(DatasetError):
    """A data set with faults, of which the text shows the first.

    Attributes:
        where: the data set's folder or index file.
        faults: every one.
    """

    def __init__(self, where: Path | str, faults: Sequence[str]) -> None:
        self.where, self.faults = str(where), tuple(faults)
        more = [f"... and {len(faults) - FAULTS_SHOWN} more"] if len(faults) > FAULTS_SHOWN else []
        super().__init__("\n  ".join([self.title, *faults[:FAULTS_SHOWN], *more]))

    @property
    def title(self) -> str:
        """Where, and how many."""
        return f"{self.where}: {len(self.faults)} fault(s):"


def raise_faults(where: Path | str, faults: Sequence[str]) -> None:
    """Raise one FaultyDatasetError for all faults, if there is any."""
    if faults:
        raise FaultyDatasetError(where, faults)
