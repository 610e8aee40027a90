"""From what a reader found to a Dataset.

Classes matched, boxes clipped, every fault reported at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.classes import foreground_ids, match_classes
from mtv_perception.data.faults import (
    TOLERANCE_PX,
    Fault,
    ImageFacts,
    box_faults,
    check_image,
    check_mask,
)
from mtv_perception.data.formats.base import IGNORE, Contents, Entry, ReadOptions
from mtv_perception.data.formats.files import shown
from mtv_perception.data.regions import (
    Region,
    covered_box,
    encode_box,
    encode_segmentation,
)
from mtv_perception.data.sample import Dataset, Sample, raise_faults
from mtv_perception.errors import DatasetError
from mtv_perception.geometry.boxes import clip_boxes
from mtv_perception.labels import UNLABELED_ID, LabelSet

# A left edge and a width of six decimals, or of 32 bits, may add up to a little more than 1.
_LARGEST_FRACTION = 1.001
# Of a box that reaches out of the image: its centre at the edge, as wide as the image.
_LARGEST_REACH = 1.5


def assemble(root: Path, contents: Sequence[Contents], options: ReadOptions) -> Dataset:
    """Check what a reader found and make a Dataset of it.

    Args:
        root: the data set's folder or index file.
        contents: of each split that is read.
        options: of the caller.

    Raises:
        DatasetError: no images, or faults, all in one text.
    """
    faults = [fault for part in contents for fault in part.faults]
    entries = [entry for part in contents for entry in part.entries]
    if not entries and not faults:
        raise DatasetError(f"{root}: expected at least one image, got an empty data set.")
    base = root.parent if root.is_file() else root
    faults += [fault for part in contents for fault in _listed_twice(part.entries, base)]
    used = [name for entry in entries for name in entry.names]
    mask_names = [name for part in contents for name in part.mask_names or ()]
    listed = [name for part in contents for name in part.names or ()]
    stated = options.box_classes is not None or options.mask_classes is not None
    ids, found = match_classes(
        [*listed, *used, *mask_names], options.labels, options.rename, not stated, used
    )
    faults += found
    samples: list[Sample] = []
    seen: set[int] = set()
    mask_values: set[int] = set()
    made_notes: list[str] = []
    for part in contents:  # Each may say for itself what mask values mean.
        own = replace(options, mask_255=options.mask_255 or part.mask_255)
        table = _MaskTable(part.mask_names, ids, own)
        maker = _Maker(base, ids, table, _all_outlined(part, ids))
        samples += [maker.sample(entry) for entry in part.entries]
        faults += [*_in_fractions(part), *maker.faults, *table.faults(maker.mask_values)]
        made_notes += _mask_notes(part, maker.mask_values, ids, options)
        made_notes += _empty_masks(part, maker, ids, options)
        seen |= maker.seen
        mask_values |= maker.mask_values
        made_notes += maker.notes()
    box_classes, box_faults_ = _classes(
        options.box_classes, _boxed(samples), options, "box_classes"
    )
    mask_classes, mask_faults = _classes(options.mask_classes, seen, options, "mask_classes")
    raise_faults(root, [*faults, *box_faults_, *mask_faults])
    complete = (replace(s, box_classes=box_classes, mask_classes=mask_classes) for s in samples)
    notes = [note for part in contents for note in part.notes] + made_notes
    unused = _unused_renames(options, [*listed, *used, *mask_names])
    notes += unused.values()
    notes += _without_effect(options, samples, mask_values)
    notes += _background_objects(used, options)
    notes += _crowded(samples, options.labels)
    return Dataset(
        root.resolve().stem if root.is_file() else root.resolve().name,
        options.labels,
        tuple(complete),
        tuple(sorted(seen - {0, UNLABELED_ID})),
        tuple(dict.fromkeys(notes)),
        unused_renames=unused,
    )


def _unused_renames(options: ReadOptions, names: Iterable[str]) -> dict[str, str]:
    """The names in `rename` that the data set does not have, such as misspelt ones, and a note on each."""
    known = dict.fromkeys(names)
    classes = ", ".join(known) or "none"
    return {
        old: f"rename {old!r} has no effect: no class has that name; the classes are {classes}"
        for old in options.rename
        if old not in known
    }


def _without_effect(options: ReadOptions, samples: Iterable[Sample], values: set[int]) -> list[str]:
    """Tells of options about masks where there are none to apply them to."""
    notes = []
    if options.mask_255 and UNLABELED_ID not in values:
        why = "no mask file has the value 255" if values else "there are no mask files"
        notes.append(f"mask_255: {options.mask_255} has no effect: {why}")
    if options.mask_classes and all(s.mask_path is None and s.regions is None for s in samples):
        names = ", ".join(options.mask_classes)
        notes.append(f"mask_classes: {names} has no effect: there are no masks and no outlines")
    return notes


def _background_objects(used: Iterable[str], options: ReadOptions) -> list[str]:
    """Tells of objects that the data set itself calls background."""
    name = options.labels.names[0]
    count = 0 if name in options.rename else sum(item == name for item in used)
    if not count:
        return []
    return [
        f"{count} objects are of a class {name!r} and are left out; `rename` makes another class of them"
    ]


def _mask_notes(
    part: Contents, values: set[int], ids: Mapping[str, int], options: ReadOptions
) -> list[str]:
    """What a user should know of the meaning of the values of a part's masks."""
    labels, own = options.labels, sorted(values - {0, UNLABELED_ID})
    if part.mask_names is not None:
        names = [part.mask_names[value] for value in own if value < len(part.mask_names)]
        others = [name for name in names if name not in ids and name not in options.rename]
        if not others:
            return []
        return [
            f"masks show {', '.join(others)}: taken as background; `rename` makes classes of them"
        ]
    for value in own:
        name = part.numbers.get(value)
        if name is not None and value < len(labels) and ids.get(name) != value:
            return [
                f"mask value {value} is taken as {labels.names[value]}, the class of that number here, though "
                f"the data set numbers {name} so; name the values in masks/classes.txt, one a line, background "
                "first"
            ]
    return []


def _empty_masks(
    part: Contents, maker: _Maker, ids: Mapping[str, int], options: ReadOptions
) -> list[str]:
    """Tells of mask files that show no class, unless it is stated that they could have."""
    names = {options.labels.names[ids[n]] for e in part.entries for n in e.names if n in ids}
    stated = options.mask_classes is not None and names.isdisjoint(options.mask_classes)
    if stated or not maker.mask_values or maker.seen - {0, UNLABELED_ID}:
        return []
    return [
        "masks hold background alone, and no pixel of a class; if that is meant, mask_classes says "
        "of which classes there is none"
    ]


def _all_outlined(part: Contents, ids: Mapping[str, int]) -> bool:
    """Whether every object of our classes has an outline: then an image without objects is background."""
    outlined = [
        bool(outline)
        for entry in part.entries
        for name, outline in zip(
            entry.names, entry.segmentations or [None] * len(entry.names), strict=True
        )
        if name in ids
    ]
    return bool(outlined) and all(outlined)


def _in_fractions(part: Contents) -> list[str]:
    """A fault where boxes in pixels are fractions of the image, as YOLO writes them, or the reverse."""
    beyond = [e.boxes_xyxy.max(1) for e in part.entries if len(e.boxes_xyxy) and e.fractions]
    if beyond and np.concatenate(beyond).min() > _LARGEST_REACH:
        return [
            "expected boxes in fractions of the image's sides, 0 .. 1, got none that lies in the "
            "image: if they are pixels or percent, divide them by width and height, or by 100"
        ]
    if 0 < _largest_corner(part) <= _LARGEST_FRACTION:
        return [
            "expected outlines in pixels, got none that reaches beyond the first pixel of its image: "
            "they look like fractions of its sides; multiply them by its width and height"
        ]
    boxes = [e.boxes_xyxy for e in part.entries if len(e.boxes_xyxy) and not e.fractions]
    if not boxes or (np.abs(np.concatenate(boxes)) > _LARGEST_FRACTION).any():
        return []
    return [
        "expected boxes in pixels, got none that reaches beyond the first pixel of its image: they "
        "look like fractions of its sides; multiply them by its width and height"
    ]


def _largest_corner(part: Contents) -> float:
    """The largest number of all polygons in pixels; 0 where there are none, or where one is broken."""
    entries = (entry for entry in part.entries if not entry.fractions)
    outlines = (item for entry in entries for item in entry.segmentations)
    polygons = [polygon for item in outlines if isinstance(item, list) for polygon in item]
    try:
        return max((float(np.max(polygon)) for polygon in polygons), default=0.0)
    except (TypeError, ValueError):
        return 0.0


def _listed_twice(entries: Sequence[Entry], base: Path) -> list[str]:
    """A fault for each image file that stands in more than one entry.

    Each would hide the other's objects.
    """
    counts: dict[Path, int] = {}
    for entry in entries:
        counts[entry.image_path] = counts.get(entry.image_path, 0) + 1
    return [
        Fault(
            f"{shown(path, base)}: listed {count} times; merge its annotations into one entry", path
        )
        for path, count in counts.items()
        if count > 1
    ]


def _boxed(samples: Iterable[Sample]) -> set[int]:
    return {int(class_id) for sample in samples for class_id in sample.class_ids}


def _crowded(samples: Iterable[Sample], labels: LabelSet) -> list[str]:
    """Tells of each class whose objects are crowds for the greater part."""
    ids = np.concatenate([sample.class_ids for sample in samples] or [np.zeros(0, int)])
    crowd = np.concatenate([sample.crowd for sample in samples] or [np.zeros(0, bool)])
    found = []
    for class_id in np.unique(ids):
        count, crowds = int((ids == class_id).sum()), int(crowd[ids == class_id].sum())
        if 2 * crowds > count:
            found.append(
                f"{crowds} of {count} objects of {labels.names[class_id]} are crowds (COCO: "
                "iscrowd 1, VOC: difficult 1): they teach nothing and are not judged. The COCO "
                "export of CVAT writes objects drawn as masks so; export `CVAT for images` instead"
            )
    return found


def _classes(
    stated: tuple[str, ...] | None, seen: set[int], options: ReadOptions, where: str
) -> tuple[tuple[int, ...], list[str]]:
    if stated is not None:
        return foreground_ids(stated, options.labels, where)
    return tuple(sorted(seen - {0, UNLABELED_ID})), []


class _MaskTable:
    """What the values of the data set's mask files mean.

    Args:
        names: class name of each value; None where the values are our class ids.
        ids: our class id by the data set's class name.
        options: of the caller.
    """

    def __init__(
        self, names: Sequence[str] | None, ids: Mapping[str, int], options: ReadOptions
    ) -> None:
        # Classes that are none of ours are background.
        known = [ids.get(name, 0) for name in names] if names else range(len(options.labels))
        self._count = min(len(known), UNLABELED_ID)
        self._mask_255, self._faults = _meaning_of_255(options.mask_255, options.labels)
        filled = [*known[: self._count], *[UNLABELED_ID] * (256 - self._count)]
        filled[UNLABELED_ID] = self._mask_255
        self._is_plain = names is None and self._mask_255 == UNLABELED_ID
        self.ids = tuple(filled)
        self._is_stated = bool(options.mask_255)

    @property
    def sample_ids(self) -> tuple[int, ...]:
        """Class id of each value, empty where the values are the ids."""
        return () if self._is_plain else self.ids

    def unknown(self, values: np.ndarray) -> list[int]:
        """The values that mean nothing."""
        return values[(values >= self._count) & (values != UNLABELED_ID)].tolist()

    @property
    def expected(self) -> str:
        """Which values are known, for error texts."""
        return f"mask values below {self._count} or 255"

    def faults(self, values: set[int]) -> list[str]:
        """What is wrong with the values of all masks together."""
        if self._is_stated or UNLABELED_ID not in values or values - {0, UNLABELED_ID}:
            return list(self._faults)
        return [
            *self._faults,
            "masks hold no values but 0 and 255, and 255 means ignore; if it is a class, say which "
            "(mask_255: NAME), else write mask_255: ignore",
        ]


def _meaning_of_255(stated: str, labels: LabelSet) -> tuple[int, list[str]]:
    if stated in ("", IGNORE):
        return UNLABELED_ID, []
    if stated in labels.names:
        return labels.id_of(stated), []
    known = ", ".join((IGNORE, *labels.names))
    return UNLABELED_ID, [f"mask_255: expected one of {known}, got {stated!r}"]


class _Maker:
    """Samples from entries.

    Args:
        base: folder that error texts name files from.
        ids: our class id by the data set's class name.
        table: what mask values mean.
        all_outlined: whether every object has an outline.

    Attributes:
        faults: of all entries.
        seen: class ids that pixels have.
        mask_values: values of all mask files.
    """

    def __init__(
        self, base: Path, ids: Mapping[str, int], table: _MaskTable, all_outlined: bool
    ) -> None:
        self._base, self._ids, self._table = base, ids, table
        self._all_outlined = all_outlined
        self.faults: list[str] = []
        self.seen: set[int] = set()
        self.mask_values: set[int] = set()
        self._turned: list[tuple[str, ImageFacts]] = []
        self._bare: list[str] = []
        self._count = 0

    def sample(self, entry: Entry) -> Sample:
        """The sample of one entry."""
        self._count += 1
        where = shown(entry.image_path, self._base)
        facts = check_image(entry.image_path, where, entry.size_hw)
        self.faults += [Fault(text, entry.image_path) for text in facts.faults]
        self._turned += [(where, facts)] if facts.as_stored or facts.is_unsure else []
        height, width = facts.size_hw or (1, 1)
        kept = [index for index, name in enumerate(entry.names) if name in self._ids]
        boxes = entry.boxes_xyxy[kept] * ([width, height] * 2 if entry.fractions else 1)
        if facts.size_hw is not None:
            label_path = shown(entry.label_path or entry.image_path, self._base)
            self.faults += box_faults(boxes, facts.size_hw, label_path, entry.image_path)
        crowd = [entry.crowd[index] for index in kept] if entry.crowd else [False] * len(kept)
        sample = Sample(
            image_path=entry.image_path,
            size_hw=(height, width),
            boxes_xyxy=clip_boxes(boxes, (height, width)).astype(np.float32),
            class_ids=np.array([self._ids[entry.names[index]] for index in kept], np.int32),
            crowd=np.array(crowd, bool),
            as_stored=facts.as_stored,
        )
        if entry.mask_path is not None:
            return self._masked(sample, entry.mask_path, facts.size_hw)
        outlines = [entry.segmentations[index] for index in kept] if entry.segmentations else []
        if facts.size_hw is not None and any(outlines):
            scale = (width, height) if entry.fractions else (1, 1)
            sample = self._outlined(sample, [_scaled(item, scale) for item in outlines], where)
        elif not kept and self._all_outlined:
            sample = replace(sample, regions=())
        # Background where objects have no outlines would teach that there are none.
        self._bare += [where] if sample.regions is None else []
        return sample

    def _masked(self, sample: Sample, path: Path, size_hw: tuple[int, int] | None) -> Sample:
        where = shown(path, self._base)
        values, found = check_mask(path, size_hw, where)
        self.faults += [Fault(text, sample.image_path) for text in found]
        unknown = self._table.unknown(values)
        if unknown:
            text = f"{where}: expected {self._table.expected}, got {unknown}"
            self.faults.append(Fault(text, sample.image_path))
        self.mask_values |= set(values.tolist())
        self.seen |= {self._table.ids[value] for value in values}
        return replace(sample, mask_path=path, mask_ids=self._table.sample_ids)

    def _outlined(self, sample: Sample, segmentations: Sequence[Any], where: str) -> Sample:
        """Outlined objects; crowds, whose outline is coarse.

        And boxes without outline, or whose outline covers no pixel, are ignored. Without any
        outline pixels stay unlabelled.
        """
        regions, size_hw, drawn = [], sample.size_hw, False
        for index, segmentation in enumerate(segmentations):
            box = sample.boxes_xyxy[index]
            try:
                counts = encode_segmentation(segmentation, size_hw) if segmentation else b""
                covered = covered_box(counts, size_hw) if counts else None
                if covered is not None and not _touch(covered, box):
                    raise ValueError(f"It lies elsewhere, in {_rounded(covered)}.")
                counts = encode_box(box, size_hw) if covered is None else counts
            except ValueError as error:
                text = f"{where}: outline of box {_rounded(box)}: {error}"
                self.faults.append(Fault(text, sample.image_path, box))
                continue
            drawn |= covered is not None
            ignored = covered is None or bool(sample.crowd[index])
            class_id = UNLABELED_ID if ignored else int(sample.class_ids[index])
            regions.append(Region(class_id, counts))
        if not drawn:
            return sample
        self.seen |= {region.class_id for region in regions}
        return replace(sample, regions=tuple(regions))

    def notes(self) -> list[str]:
        """What was decided about images that EXIF data turns, and about unlabelled pixels."""
        stored = [where for where, facts in self._turned if facts.as_stored]
        unsure = [(w, facts) for w, facts in self._turned if facts.is_unsure]
        found = []
        if stored:
            found.append(
                f"{len(stored)} images are read without the turn of their EXIF data, because their "
                f"annotations state the stored size: {stored[0]}"
            )
        if unsure:
            where, facts = unsure[0]
            found.append(
                f"{len(unsure)} images are turned by their EXIF data, and their boxes are taken to "
                f"refer to the turned image, as viewers show it; sizes can't tell: {where} "
                f"(orientation {facts.orientation}). Look at them with `mtv data check`."
            )
        if 0 < len(self._bare) < self._count:
            found.append(
                f"{len(self._bare)} of {self._count} images have no outline and no mask: their "
                f"pixels are unlabelled, and only their boxes are used: {self._bare[0]}"
            )
        return found


def _touch(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> bool:
    """Whether two boxes overlap, or are apart by the rounding of their corners alone."""
    gaps = np.maximum(first_xyxy[:2] - second_xyxy[2:], second_xyxy[:2] - first_xyxy[2:])
    return bool(gaps.max() <= TOLERANCE_PX)


def _rounded(box_xyxy: np.ndarray) -> list[float]:
    return [round(float(value), 2) for value in box_xyxy]


def _scaled(segmentation: Any, scale_xy: tuple[int, int]) -> Any:
    """Polygons in pixels; run lengths and nothing as they are."""
    if scale_xy == (1, 1) or not isinstance(segmentation, list):
        return segmentation
    return [(np.array(part).reshape(-1, 2) * scale_xy).ravel().tolist() for part in segmentation]
