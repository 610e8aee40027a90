"""One labelled image and a set of them, whatever format they came from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mtv_perception.data.mask_file import read_mask
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
        as_stored: boxes and mask refer to the stored pixels, not to those that EXIF data turns.
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
    as_stored: bool = False


@dataclass(frozen=True)
class Dataset:
    """Samples of one origin.

    Attributes:
        name: for reports.
        labels: what the class ids mean.
        samples: in the order of the data set's index.
        masked: class ids that at least one labelled pixel has.
        notes: what a user should know about how it was read.
        left_out: labelled images that could not be read, and labels without an image, in words.
        unused_renames: the notes on names in `rename` that none of its classes has, by the name.
    """

    name: str
    labels: LabelSet
    samples: tuple[Sample, ...]
    masked: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unused_renames: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples)


def fingerprint(datasets: Sequence[Dataset]) -> str:
    """SHA-256 of the names, sizes and labels of all images, data set by data set.

    Pixels are not read, and folders do not matter.
    """
    found = hashlib.sha256()
    for dataset in datasets:
        found.update(repr((len(dataset), dataset.labels.names)).encode())
        for sample in sorted(dataset.samples, key=lambda sample: os.fsencode(sample.image_path)):
            mask = sample.mask_path
            about = (sample.size_hw, sample.box_classes, sample.mask_classes, sample.mask_ids)
            regions = [(region.class_id, region.counts) for region in sample.regions or ()]
            masked = mask.stat().st_size if mask and mask.is_file() else 0
            found.update(os.fsencode(sample.image_path.name))
            found.update(repr((about, regions, masked)).encode())
            for array in (sample.boxes_xyxy, sample.class_ids, sample.crowd):
                found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def shared_files(first: Iterable[Dataset], second: Iterable[Dataset]) -> list[Path]:
    """The image files that data sets of both groups name, in the order of their paths."""
    return sorted(_files(first) & _files(second))


def _files(datasets: Iterable[Dataset]) -> set[Path]:
    return {sample.image_path.resolve() for dataset in datasets for sample in dataset.samples}


def refuse_repeated(datasets: Iterable[tuple[str, Sequence[Dataset]]]) -> None:
    """Refuse an image file that stands in two data sets: it would count twice, or train and judge.

    Args:
        datasets: the name and the parts of each; parts of one may share images.

    Raises:
        DatasetError: names both, and such a file.
    """
    owners: dict[Path, str] = {}
    for name, parts in datasets:
        own = _files(parts)
        again = {path: owners[path] for path in own if path in owners}
        if again:
            path = min(again)
            raise DatasetError(
                f"{name}: expected images that no data set before it has, got {len(again)} of "
                f"{again[path]} again, such as {path}: give each image in one data set."
            )
        owners |= dict.fromkeys(own, name)


def read_image(path: Path, as_stored: bool = False) -> np.ndarray:
    """An image file as `(H, W, 3)` uint8 RGB; DatasetError when it is not a whole image.

    Args:
        path: the file.
        as_stored: leave the pixels as they are stored, whatever turn EXIF data asks for.
    """
    try:
        return decode_file(path, upright=not as_stored)
    except ImageError as error:
        raise DatasetError(str(error)) from error


def sample_image(sample: Sample) -> np.ndarray:
    """A sample's image `(H, W, 3)` uint8 RGB, turned as its boxes are."""
    return read_image(sample.image_path, sample.as_stored)


def sample_mask(sample: Sample) -> np.ndarray | None:
    """What every pixel is, `(H, W)` uint8 class ids (255 = ignore).

    None where pixels are unlabelled.
    """
    if sample.mask_path is None:
        return None if sample.regions is None else render_regions(sample.regions, sample.size_hw)
    mask = read_mask(sample.mask_path)
    if not sample.mask_ids:
        return mask
    table = np.full(256, UNLABELED_ID, np.uint8)
    table[: len(sample.mask_ids)] = sample.mask_ids
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
        return f"{self.where}: {len(self.faults)} error(s):"


def raise_faults(where: Path | str, faults: Sequence[str]) -> None:
    """Raise one FaultyDatasetError for all faults, if there is any."""
    if faults:
        raise FaultyDatasetError(where, faults)
