"""What a person should look at in a data set.

Errors of its labels, and labels that are hardly meant so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import AUTO, find_format, read_dataset
from mtv_perception.data.sample import Dataset, FaultyDatasetError, Sample
from mtv_perception.geometry.boxes import pairwise_iou

# Two boxes of one object differ by less than a person's hand does: COCO's strictest IoU is .95.
_SAME_BOX_IOU = 0.95
# Smaller objects have no pixel of their own at the network's size.
_LEAST_SIDE_PX = 4.0


@dataclass(frozen=True)
class Problem:
    """One thing to look at.

    Attributes:
        text: what and where.
        is_error: it has to be corrected before the data can be used.
        image_path: the image it is about, if it is about one.
        box_xyxy: corners of the box it is about, pixels.
    """

    text: str
    is_error: bool
    image_path: Path | None = None
    box_xyxy: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Check:
    """What was found in a data set.

    Attributes:
        format: its layout.
        splits: names of its parts.
        dataset: what was read; None if there are errors.
        notes: how it was read.
        problems: errors first.
    """

    format: str
    splits: tuple[str, ...]
    dataset: Dataset | None
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        """How many problems are errors."""
        return sum(problem.is_error for problem in self.problems)


def check_dataset(path: Path, options: ReadOptions, format: str = AUTO) -> Check:
    """Read a data set and list what is wrong or unlikely.

    Raises:
        DatasetError: nothing there, no known layout, or an index that can't be read at all.
    """
    name, splits = find_format(path, format)
    names = tuple(split.name for split in splits if split.name)
    try:
        dataset = read_dataset(path, options, format)
    except FaultyDatasetError as error:
        problems = tuple(
            Problem(
                str(fault),
                True,
                getattr(fault, "image_path", None),
                getattr(fault, "box_xyxy", None),
            )
            for fault in error.faults
        )
        return Check(name, names, None, (), problems)
    return Check(name, names, dataset, dataset.notes, tuple(_unlikely(dataset)))


def _unlikely(dataset: Dataset) -> Iterator[Problem]:
    yield from _same_pictures(dataset)
    for sample in dataset.samples:
        yield from _unlikely_boxes(sample, dataset.labels.names)


def _same_pictures(dataset: Dataset) -> Iterator[Problem]:
    first: dict[str, Path] = {}
    for sample in dataset.samples:
        digest = hashlib.sha256(sample.image_path.read_bytes()).hexdigest()
        other = first.setdefault(digest, sample.image_path)
        if other != sample.image_path:
            text = f"{sample.image_path.name}: the same picture as {other.name}"
            yield Problem(text, False, sample.image_path)


def _unlikely_boxes(sample: Sample, names: tuple[str, ...]) -> Iterator[Problem]:
    boxes, where = sample.boxes_xyxy.astype(np.float64), sample.image_path.name

    def problem(index: int, text: str) -> Problem:
        return Problem(f"{where}: {text}", False, sample.image_path, tuple(boxes[index].tolist()))

    tiny = (boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf) < _LEAST_SIDE_PX
    for index in np.flatnonzero(tiny).tolist():
        width, height = boxes[index, 2:] - boxes[index, :2]
        name = names[sample.class_ids[index]]
        yield problem(index, f"{name} of {width:.1f}x{height:.1f} pixels")
    for first, second in np.argwhere(np.triu(pairwise_iou(boxes, boxes) >= _SAME_BOX_IOU, 1)):
        a, b = (names[sample.class_ids[index]] for index in (first, second))
        yield problem(
            second,
            f"{a} boxed twice" if a == b else f"two boxes at the same place, one {a}, one {b}",
        )
