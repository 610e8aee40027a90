"""Reading the data of a fit, and deciding which images train, choose and judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mtv_perception.data.formats.open import (
    DatasetConfig,
    class_names,
    count_images,
    expand,
    find_splits,
    open_dataset,
    open_datasets,
    shared_images,
)
from mtv_perception.data.sample import Dataset, Sample, raise_faults, refuse_repeated
from mtv_perception.errors import ConfigError, DatasetError
from mtv_perception.evaluation.records import can_judge
from mtv_perception.fit.options import FitOptions
from mtv_perception.fit.split import (
    LEAST_IMAGES,
    PARTS,
    Parting,
    leaks,
    pairs_alike,
    part_samples,
    write_list,
)
from mtv_perception.labels import BACKGROUND_NAME, LabelSet

# What labelling tools call the splits.
_SPLIT_NAMES = {
    "train": ("train", "training", "train2017"),
    "check": ("val", "valid", "validation", "dev", "val2017"),
    "judge": ("test", "testing"),
}


@dataclass(frozen=True)
class Prepared:
    """The data of a fit.

    Attributes:
        labels: the classes, background first.
        entries: data set entries of a training configuration, by part.
        datasets: the same, opened, by part.
        notes: what a user should know: how images were parted, near-duplicates on both sides.
    """

    labels: LabelSet
    entries: dict[str, list[dict[str, Any]]]
    datasets: dict[str, list[Dataset]]
    notes: tuple[str, ...]

    def samples(self, part: str) -> list[Sample]:
        """All images of a part."""
        return [sample for dataset in self.datasets[part] for sample in dataset.samples]

    def dataset(self, part: str) -> Dataset:
        """All images of a part as one data set."""
        names = ", ".join(dict.fromkeys(dataset.name for dataset in self.datasets[part]))
        return Dataset(names, self.labels, tuple(self.samples(part)))


def prepare(options: FitOptions, lists: Path, known: Sequence[str] = ()) -> Prepared:
    """Read every data set, and part each by its own splits or by `part_samples`.

    A data set that is too small to be parted trains only, if others choose and judge.

    Args:
        options: of the fit.
        lists: folder for the lists of images.
        known: classes of the first weights. Those of the data keep their order, so that class ids
            stay what they were.

    Raises:
        ConfigError: classes or sources that are none of these.
        DatasetError: what can't be read, errors of the labels, or no object of any class.
    """
    # A configuration may be used from another folder.
    paths = [expand(path).absolute() for path in options.data]
    configs = [DatasetConfig(path, rename=options.rename) for path in paths]
    found = class_names(_used(configs))
    classes = options.classes or tuple(sorted(found, key=lambda name: [*known, name].index(name)))
    if not classes:
        places = ", ".join(map(str, options.data))
        raise DatasetError(
            f"{places}: expected labelled objects or masks, found none of any class; label some first."
        )
    unknown = [name for name in classes if name not in found]
    if unknown:
        raise ConfigError(
            f"classes: expected names of the data ({', '.join(found)}), got {unknown[0]!r}; "
            "--rename THEIRS=OURS maps a name."
        )
    _check_sources(options.sources, classes, known)
    left_out = [name for name in found if name not in classes]
    rename = {
        **{theirs: ours for theirs, ours in options.rename.items() if ours not in left_out},
        **{theirs: BACKGROUND_NAME for theirs, ours in options.rename.items() if ours in left_out},
        **dict.fromkeys((n for n in left_out if n not in options.rename), BACKGROUND_NAME),
    }
    configs = [replace(config, rename=rename) for config in configs]
    labels = LabelSet((BACKGROUND_NAME, *classes))
    prepared = Prepared(labels, {n: [] for n in PARTS}, {n: [] for n in PARTS}, ())
    notes = [f"Classes left out: {', '.join(left_out)}."] if left_out else []
    held = []
    for number, config in enumerate(configs):
        file = lists / f"{number + 1}-{config.path.name}"
        before = {part: len(datasets) for part, datasets in prepared.datasets.items()}
        notes += _add(prepared, config, file, alone=len(configs) == 1)
        added = [d for part in PARTS for d in prepared.datasets[part][before[part] :]]
        held.append((str(config.path), added))
    refuse_repeated(held)
    if len(configs) > 1 and (count := _shared_between(prepared)):
        notes.append(
            f"{count} images that judge or choose are near-duplicates of images of another data set "
            "that train, which flatters the figures; give overlapping exports as one folder."
        )
    crowds = [sample.crowd for sample in prepared.samples("train")]
    if any(c.any() for c in crowds) and all(c.all() for c in crowds):
        raise DatasetError(
            "expected objects to learn in the images to train on, got none that is not a crowd "
            "(COCO: iscrowd 1, VOC: difficult 1). Masks of CVAT are read from its export "
            "`CVAT for images`."
        )
    if prepared.samples("check") and not any(map(can_judge, prepared.samples("check"))):
        raise DatasetError(
            "expected an object or a mask in the images that choose the checkpoint and the thresholds, got "
            "none: label more images, or give a split `val` that has some."
        )
    empty = [part for part in PARTS if not prepared.samples(part)]
    if empty:
        raise DatasetError(
            f"expected images for {', '.join(PARTS)}, got none for {', '.join(empty)}: images that "
            f"look alike stay in one part, and a folder of fewer than {LEAST_IMAGES} images trains "
            "only. Add images of other places or drives."
        )
    return replace(prepared, notes=tuple(notes))


def _used(configs: Sequence[DatasetConfig]) -> list[DatasetConfig]:
    """The parts of data sets that a fit reads: of one with splits of its own, those alone."""
    found = []
    for config in configs:
        own = own_splits(find_splits(config.path))
        splits = dict.fromkeys(sum(own.values(), ()))
        found += [replace(config, split=split) for split in splits] if own else [config]
    return found


def _check_sources(
    sources: Mapping[str, str], classes: Sequence[str], known: Sequence[str]
) -> None:
    """Raise ConfigError unless each source maps a class of the data to one of the first weights."""
    for ours, theirs in sources.items():
        for name, there, side in ((ours, classes, "before"), (theirs, known, "after")):
            if there and name not in there:
                raise ConfigError(
                    f"--from {ours}={theirs}: expected one of {', '.join(there)} {side} '=', "
                    f"got {name!r}."
                )


def _add(prepared: Prepared, config: DatasetConfig, lists: Path, alone: bool) -> list[str]:
    """Open one data set into its parts; returns notes."""
    splits = find_splits(config.path)
    own = own_splits(splits)
    if own:
        unused = [split for split in splits if split not in sum(own.values(), ())]
        return [*_add_own(prepared, config, own), *_unused(config, unused)]
    dataset = open_dataset(config, prepared.labels)
    try:
        parting = _parting(dataset.samples, alone)
    except DatasetError as error:
        raise DatasetError(f"{config.path}: {error}") from error
    boxed = _boxed(dataset.samples, prepared.labels)
    for part, positions in parting.parts.items():
        samples = [dataset.samples[i] for i in positions]
        if not samples:
            continue
        file = lists.with_name(f"{lists.name}-{part}.txt")
        write_list(file, samples, config.path)
        entry = replace(config, take=f"list:{file.absolute()}", box_classes=boxed)
        _put(prepared, part, entry)
    notes = [f"{dataset.name}: {parting.how}."]
    if parting.near_pairs:
        notes.append(f"{dataset.name}: {parting.near_pairs} pairs of near-duplicates are apart.")
    return notes


def _parting(samples: Sequence[Sample], alone: bool) -> Parting:
    if alone or len(samples) >= LEAST_IMAGES:
        parting = part_samples(samples)
        return replace(parting, how=f"parted by {parting.how}")
    every = tuple(range(len(samples)))
    return Parting({"train": every}, f"trains only, with fewer than {LEAST_IMAGES} images", 0)


def own_splits(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Splits of a data set by our parts.

    Empty unless it has images to train on and others to judge by.
    """
    found = {
        part: tuple(name for name in names if name.lower() in known)
        for part, known in _SPLIT_NAMES.items()
    }
    if not found["train"] or not (found["check"] or found["judge"]):
        return {}
    # Where one is missing both use the other: its images choose thresholds and judge.
    check, judge = found["check"] or found["judge"], found["judge"] or found["check"]
    return {"train": found["train"], "check": check, "judge": judge}


def _add_own(
    prepared: Prepared, config: DatasetConfig, own: dict[str, tuple[str, ...]]
) -> list[str]:
    each = [replace(config, split=split) for split in dict.fromkeys(sum(own.values(), ()))]
    datasets, where = open_datasets(each, prepared.labels), config.path.name
    images = [
        (item.split, [sample.image_path for sample in dataset.samples])
        for item, dataset in zip(each, datasets, strict=True)
    ]
    raise_faults(config.path, shared_images(expand(config.path), images))
    boxed = _boxed((s for dataset in datasets for s in dataset.samples), prepared.labels)
    for part, splits in own.items():
        for split in splits:
            _put(prepared, part, replace(config, split=split, box_classes=boxed))
    notes = [f"{where}: parted by its own splits."]
    if own["check"] == own["judge"]:
        notes.append(
            f"{where}: the split {', '.join(own['judge'])} chooses checkpoint and thresholds and gives "
            "the figures, too, which flatters them; add a test split."
        )
    parts = {part: prepared.datasets[part][-len(splits) :] for part, splits in own.items()}
    apart = _own_leaks(parts if own["check"] != own["judge"] else {**parts, "judge": []})
    if apart:
        notes.append(f"{where}: {apart} pairs of near-duplicates lie in different splits.")
    return notes


def _unused(config: DatasetConfig, splits: Sequence[str]) -> list[str]:
    """Tells which splits neither train, choose nor judge."""
    if not splits:
        return []
    counts = (f"{name} ({_count(replace(config, split=name))})" for name in splits)
    return [
        f"{config.path.name}: NOT used: {', '.join(counts)}; name a split train, val or test to "
        "use it."
    ]


def _count(config: DatasetConfig) -> str:
    try:
        return f"{count_images(config)} images"
    except DatasetError:  # Nobody asked for it.
        return "can't be read"


def _own_leaks(parts: dict[str, list[Dataset]]) -> int:
    """Near-duplicate pairs on different sides."""
    samples: list[Sample] = []
    sides: dict[str, tuple[int, ...]] = {}
    for part, datasets in parts.items():
        own = [sample for dataset in datasets for sample in dataset.samples]
        sides[part] = tuple(range(len(samples), len(samples) + len(own)))
        samples += own
    return leaks(pairs_alike(samples), sides)


def _shared_between(prepared: Prepared) -> int:
    """Images to choose or judge by that look like one of another data set that trains."""
    found: dict[tuple[str, Path, bool], Sample] = {}
    for part, entries in prepared.entries.items():
        for entry, dataset in zip(entries, prepared.datasets[part], strict=True):
            for sample in dataset.samples:
                found[entry["path"], sample.image_path, part == "train"] = sample
    keys = list(found)
    apart = set()
    for first, second in pairs_alike(list(found.values())).tolist():
        (path, _, trains), (other, _, others_train) = keys[first], keys[second]
        if path != other and trains != others_train:
            apart.add(keys[second if trains else first])
    return len(apart)


def _put(prepared: Prepared, part: str, config: DatasetConfig) -> None:
    prepared.entries[part].append(_plain(config))
    prepared.datasets[part].append(open_dataset(config, prepared.labels))


def _boxed(samples: Iterable[Sample], labels: LabelSet) -> tuple[str, ...]:
    """The classes with boxes in any image, so that every part takes the same ones as complete."""
    ids = {class_id for sample in samples for class_id in sample.box_classes}
    return tuple(labels.names[class_id] for class_id in sorted(ids))


def _plain(config: DatasetConfig) -> dict[str, Any]:
    """What differs from the defaults, for a configuration file."""
    entry: dict[str, Any] = {"path": str(config.path)}
    if config.split:
        entry["split"] = config.split
    if config.take != "all":
        entry["take"] = config.take
    if config.rename:
        entry["rename"] = dict(config.rename)
    if config.box_classes is not None:
        entry["box_classes"] = list(config.box_classes)
    return entry
