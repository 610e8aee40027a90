"""What a reader of a data set format takes and gives: one signature for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mtv_perception.errors import DatasetError
from mtv_perception.labels import LabelSet

IGNORE = "ignore"
"""Of ReadOptions.mask_255: no class."""

# Names that tools give to the same part of a data set.
_ALIASES = (
    ("train", "training"),
    ("val", "valid", "validation", "dev"),
    ("test", "testing"),
)


@dataclass(frozen=True)
class ReadOptions:
    """How a caller wants a data set read.

    Attributes:
        labels: our classes. Classes of other names are left out if no object has them.
        rename: the data set's class name to ours. A class renamed to the background is left out.
        box_classes: our classes that have every object boxed. None: those with at least one box.
        mask_classes: our classes that the masks tell apart. None: those with at least one pixel.
        split: the part to read, for example `train`. Empty: every part.
        mask_255: our class that the value 255 means in mask files, or `ignore`. Empty: as the data
            set says it, else `ignore`, unless masks hold no value but 0 and 255, which is an error.
    """

    labels: LabelSet
    rename: Mapping[str, str] = field(default_factory=dict)
    box_classes: tuple[str, ...] | None = None
    mask_classes: tuple[str, ...] | None = None
    split: str = ""
    mask_255: str = ""


@dataclass(frozen=True)
class Split:
    """A part of a data set that can be read on its own.

    Attributes:
        name: as the data set calls it. Empty where the data set has one part only.
        sources: what the reader reads: index files, list files or folders of images.
    """

    name: str
    sources: tuple[Path, ...]


@dataclass(frozen=True)
class Entry:
    """One image as a reader found it, unchecked.

    Attributes:
        image_path: the image file.
        names: the data set's class name of each box.
        boxes_xyxy: `(N, 4)` float64 corners, pixels; fractions of the image's sides if `fractions`.
        crowd: whether each box is neither an object to find nor background. Empty: none is.
        segmentations: COCO outline of each box, or nothing. Empty where the format has none. Where
            no object has one, pixels are unlabelled. Polygons are fractions of the image's sides if
            `fractions`.
        mask_path: a mask file.
        size_hw: image size that the annotations state, pixels.
        label_path: the file that holds the boxes, to be named in errors.
        fractions: boxes and polygons are relative to the image.
    """

    image_path: Path
    names: tuple[str, ...] = ()
    boxes_xyxy: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))
    crowd: tuple[bool, ...] = ()
    segmentations: tuple[Any, ...] = ()
    mask_path: Path | None = None
    size_hw: tuple[int, int] | None = None
    label_path: Path | None = None
    fractions: bool = False


@dataclass(frozen=True)
class Contents:
    """What a reader found in one split.

    Attributes:
        entries: one for each image, in the data set's order.
        names: every class name of the data set. None: those of the boxes.
        mask_names: class name of each mask value. None: the values are our class ids.
        numbers: class name by the number that a mask value would be in the data set's own counting; to
            be compared with our class ids where `mask_names` is None.
        mask_255: as in ReadOptions, where the data set says it.
        faults: what is wrong. Any fault stops the reading.
        notes: what a user should know but need not change.
    """

    entries: tuple[Entry, ...]
    names: tuple[str, ...] | None = None
    mask_names: tuple[str, ...] | None = None
    faults: tuple[str, ...] = ()
    numbers: Mapping[int, str] = field(default_factory=dict, kw_only=True)
    mask_255: str = field(default="", kw_only=True)
    notes: tuple[str, ...] = ()


class Format(Protocol):
    """A layout of labelled images, as one or more tools write it."""

    @property
    def layout(self) -> str:
        """What a folder of this layout looks like, for error texts."""

    def find(self, root: Path) -> tuple[Split, ...]:
        """The splits in a folder or file; none if it is not of this layout."""

    def read(self, root: Path, split: Split, options: ReadOptions) -> Contents:
        """Read one split.

        Raises:
            DatasetError: the split as a whole can't be read. Errors of single images are `faults`.
        """


def choose_splits(root: Path, found: Sequence[Split], wanted: str) -> tuple[Split, ...]:
    """The splits that `wanted` names, or all of them if it is empty.

    `val`, `valid` and `validation` mean the same, and `train` also names `train2017`.

    Raises:
        DatasetError: none or several of the splits fit.
    """
    if not wanted:
        return tuple(found)
    names = {wanted.lower(), *_aliases(wanted.lower())}
    exact = [split for split in found if split.name == wanted]
    alike = [split for split in found if split.name.lower() in names]
    longer = [split for split in found if _begins(split.name.lower(), names)]
    chosen = exact or alike or longer
    if len(chosen) == 1:
        return tuple(chosen)
    offered = ", ".join(split.name for split in found if split.name)
    has = f"found {offered}" if offered else "the data set is in one part"
    raise DatasetError(f"{root}: expected one split of the name {wanted!r}, {has}.")


def _begins(name: str, wanted: set[str]) -> bool:
    """Whether a name is a wanted one followed by no letter: `train2017`, `val_1`."""
    return any(name.startswith(w) and not name[len(w) :][:1].isalpha() for w in wanted)


def _aliases(name: str) -> tuple[str, ...]:
    return next((group for group in _ALIASES if name in group), ())


def are_splits(names: Iterable[str]) -> bool:
    """Whether folder names look like parts of one data set.

    At least one is called train, val or test.
    """
    known = {alias for group in _ALIASES for alias in group}
    return any(_begins(name.lower(), known) for name in names)


def same_split(first: str, second: str) -> bool:
    """Whether two names mean the same split: `val` and `valid`, `train` and `train2017`."""
    first, second = first.lower(), second.lower()
    names = ({first, *_aliases(first)}, {second, *_aliases(second)})
    return _begins(first, names[1]) or _begins(second, names[0])
