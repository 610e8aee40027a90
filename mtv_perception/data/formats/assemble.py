"""From what a reader found to a Dataset: classes matched, boxes clipped, every fault reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.formats.classes import foreground_ids, match_classes
from mtv_perception.data.formats.faults import box_faults, check_image, check_mask, shown
from mtv_perception.data.regions import Region, encode_box, encode_segmentation
from mtv_perception.data.sample import Dataset, Sample, raise_faults
from mtv_perception.errors import DatasetError
from mtv_perception.geometry.boxes import clip_boxes
from mtv_perception.labels import UNLABELED_ID, LabelSet

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Entry:
    """One image as a reader found it, unchecked.

    Attributes:
        image_path: the image file.
        names: the data set's class name of each box.
        boxes_xyxy: `(N, 4)` float64 corners, pixels; fractions of the image's sides if `fractions`.
        crowd: whether each box is neither an object to find nor background; all are objects by
            default.
        segmentations: COCO outline of each box, or nothing; None where no pixels are labelled.
        mask_path: a mask file.
        size_hw: image size that the annotations state, pixels.
        label_path: the file that holds the boxes, to be named in faults.
        fractions: boxes are relative to the image.
    """

    image_path: Path
    names: tuple[str, ...] = ()
    boxes_xyxy: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))
    crowd: tuple[bool, ...] = ()
    segmentations: tuple[Any, ...] | None = None
    mask_path: Path | None = None
    size_hw: tuple[int, int] | None = None
    label_path: Path | None = None
    fractions: bool = False


@dataclass(frozen=True)
class ClassOptions:
    """What every reader lets its caller say of the classes; see read_coco."""

    rename: Mapping[str, str] | None = None
    box_classes: tuple[str, ...] | None = None
    mask_classes: tuple[str, ...] | None = None


def list_images(folder: Path, root: Path) -> tuple[dict[str, Path], list[str]]:
    """The image files of a folder by name without suffix, and a fault for each name that two share."""
    found: dict[str, Path] = {}
    faults = []
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if path.stem in found:
            faults.append(
                f"{shown(path, root)}: {found[path.stem].name} has the same name without suffix"
            )
        found.setdefault(path.stem, path)
    return found, faults


def mask_in(folder: Path, image_name: str) -> Path | None:
    """`NAME.png` of an image in a folder of masks, if it is there."""
    path = folder / f"{Path(image_name).stem}.png"
    return path if path.is_file() else None


def assemble(
    root: Path,
    labels: LabelSet,
    entries: Sequence[Entry],
    options: ClassOptions,
    *,
    names: Iterable[str] | None = None,
    mask_names: Sequence[str] | None = None,
    faults: Sequence[str] = (),
) -> Dataset:
    """Check what a reader found and make a Dataset of it.

    Args:
        root: the data set's folder or index file.
        labels: our classes.
        entries: one an image, in the data set's order.
        options: of the caller.
        names: every class name of the data set; by default those of the boxes.
        mask_names: the class name of each mask value; by default the values are our class ids.
        faults: what the reader itself found wrong.

    Raises:
        DatasetError: no images, or faults, all in one text.
    """
    if not entries and not faults:
        raise DatasetError(f"{root}: expected at least one image, got an empty data set.")
    base = root.parent if root.is_file() else root
    every = list(faults)
    stated = options.box_classes is not None or options.mask_classes is not None
    used = [name for entry in entries for name in entry.names]
    ids, found = match_classes(
        [*(used if names is None else names), *(mask_names or ())],
        labels,
        options.rename or {},
        not stated,
        used,
    )
    every += found
    table = _mask_table(mask_names, ids)
    samples, seen = [], set()
    for entry in entries:
        sample, masked, found = _checked(entry, base, ids, table or tuple(range(len(labels))))
        samples.append(replace(sample, mask_ids=table if sample.mask_path else ()))
        seen |= masked
        every += found
    boxed = {int(class_id) for sample in samples for class_id in sample.class_ids}
    box_classes, box_faults_ = _classes(options.box_classes, boxed, labels, "box_classes")
    mask_classes, mask_faults = _classes(options.mask_classes, seen, labels, "mask_classes")
    raise_faults(root, [*every, *box_faults_, *mask_faults])
    complete = (
        replace(sample, box_classes=box_classes, mask_classes=mask_classes) for sample in samples
    )
    return Dataset(
        root.resolve().stem if root.is_file() else root.resolve().name, labels, tuple(complete)
    )


def _classes(
    stated: tuple[str, ...] | None, seen: set[int], labels: LabelSet, where: str
) -> tuple[tuple[int, ...], list[str]]:
    if stated is not None:
        return foreground_ids(stated, labels, where)
    return tuple(sorted(seen - {0, UNLABELED_ID})), []


def _mask_table(mask_names: Sequence[str] | None, ids: Mapping[str, int]) -> tuple[int, ...]:
    """Our class id of each mask value; classes that are none of ours are background."""
    return tuple(ids.get(name, 0) for name in mask_names or ())


def _checked(
    entry: Entry, root: Path, ids: Mapping[str, int], table: tuple[int, ...]
) -> tuple[Sample, set[int], list[str]]:
    """The sample, the class ids its pixels show, and its faults."""
    where = shown(entry.image_path, root)
    size_hw, faults = check_image(entry.image_path, where, entry.size_hw)
    height, width = size_hw or (1, 1)
    kept = [index for index, name in enumerate(entry.names) if name in ids]
    boxes = entry.boxes_xyxy[kept] * ([width, height] * 2 if entry.fractions else 1)
    if size_hw is not None:
        faults += box_faults(boxes, size_hw, shown(entry.label_path or entry.image_path, root))
    sample = Sample(
        image_path=entry.image_path,
        size_hw=(height, width),
        boxes_xyxy=clip_boxes(boxes, (height, width)).astype(np.float32),
        class_ids=np.array([ids[entry.names[index]] for index in kept], np.int32),
        crowd=np.array(
            [entry.crowd[index] for index in kept] if entry.crowd else [False] * len(kept), bool
        ),
        mask_path=entry.mask_path,
    )
    if entry.mask_path is not None:
        values, found = check_mask(
            entry.mask_path, size_hw, len(table), shown(entry.mask_path, root)
        )
        return sample, {table[value] for value in values}, faults + found
    if entry.segmentations is None or size_hw is None:
        return sample, set(), faults
    regions, found = _regions(sample, [entry.segmentations[index] for index in kept], where)
    return replace(sample, regions=regions), {region.class_id for region in regions}, faults + found


def _regions(
    sample: Sample, segmentations: Sequence[Any], where: str
) -> tuple[tuple[Region, ...], list[str]]:
    """The outlined objects; crowds, whose outline is coarse, and boxes without outline are to be ignored."""
    regions, faults = [], []
    for index, segmentation in enumerate(segmentations):
        box = sample.boxes_xyxy[index]
        ignored = bool(sample.crowd[index]) or not segmentation
        try:
            counts = (
                encode_segmentation(segmentation, sample.size_hw)
                if segmentation
                else encode_box(box, sample.size_hw)
            )
        except ValueError as error:
            faults.append(
                f"{where}: outline of box {[round(float(value), 2) for value in box]}: {error}"
            )
            continue
        regions.append(Region(UNLABELED_ID if ignored else int(sample.class_ids[index]), counts))
    return tuple(regions), faults
