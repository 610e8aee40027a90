"""Opening a data set of any format: what to read, under which names, and which part of it."""

from __future__ import annotations

import codecs
import logging
import os
import re
import tempfile
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

from mtv_perception.config import Rule, setting
from mtv_perception.data.assemble import assemble
from mtv_perception.data.formats import FORMATS, Split, detect
from mtv_perception.data.formats.base import Contents, ReadOptions, choose_splits
from mtv_perception.data.formats.coco import MOST_INDICES, OTHER_INDICES, is_index
from mtv_perception.data.formats.cvat import is_cvat
from mtv_perception.data.formats.files import (
    files,
    images_in,
    is_file,
    is_folder,
    json_or_none,
    read_text,
    shown,
)
from mtv_perception.data.formats.hints import hint
from mtv_perception.data.sample import FAULTS_SHOWN, Dataset, FaultyDatasetError
from mtv_perception.errors import DatasetError
from mtv_perception.labels import LabelSet, is_background
from mtv_perception.resources import is_lfs_pointer

_LOG = logging.getLogger(__name__)
AUTO = "auto"
LIST = "list:"
_TAKE = re.compile(r"(?P<part>fold|not-fold):(?P<folds>\d+(,\d+)*)/(?P<count>\d+)")

# Of pixel labels, whose readers tell themselves what they leave out; and of VOC's, which none reads.
_MASK_FOLDERS = frozenset({"masks", "SegmentationClass", "SegmentationObject"})
# Layouts that are parts of others: masks beside boxes.
_PARTS = frozenset({"semantic"})
_INDEX_TESTS = {".json": lambda path: is_index(json_or_none(path)), ".xml": is_cvat}


@dataclass(frozen=True)
class DatasetConfig:
    """One data set: where it is, how to read it, and how much it counts."""

    path: Path = field(
        metadata={"rule": Rule("Folder or index file; ~ and $VARIABLES are expanded.")}
    )
    format: str = setting(AUTO, "Layout; auto detects it.", choices=(AUTO, *FORMATS))
    weight: float = setting(
        1.0, "How often its samples are drawn, against those of other data sets.", low=0.0
    )
    rename: dict[str, str] = field(
        default_factory=dict,
        metadata={
            "rule": Rule("The data set's class name to ours; to the background leaves a class out.")
        },
    )
    box_classes: tuple[str, ...] | None = setting(
        None, "Classes with every object boxed; by default those that occur."
    )
    mask_classes: tuple[str, ...] | None = setting(
        None, "Classes the masks tell apart; by default those that occur."
    )
    split: str = setting(
        "", "Split to read, such as train; empty reads all splits of the data set together."
    )
    mask_255: str = setting(
        "",
        "Class that 255 means in mask files, or ignore; empty is ignore, unless there are only 0 and 255.",
    )
    take: str = setting(
        "all",
        "Part to use: all, fold:K/N, or not-fold:K/N for all but this fold; K counts from 0, K,L/N names several. "
        "list:FILE takes the images that a text file names, one path below the data set a line.",
    )

    def __post_init__(self) -> None:
        _parse_take(self.take)


def open_dataset(config: DatasetConfig, labels: LabelSet) -> Dataset:
    """Read the data set that `config` describes.

    Raises:
        DatasetError: an unset variable in the path, nothing there, no known layout, an empty part,
            or faults of the data (all of them in one text, or in a file that it names).
    """
    return open_datasets([config], labels)[0]


def open_datasets(
    configs: Iterable[DatasetConfig], labels: LabelSet, faults_file: Path | None = None
) -> list[Dataset]:
    """Read several data sets, and tell the faults of all of them at once.

    Args:
        configs: what to read.
        labels: our classes.
        faults_file: written when there are more faults than a text should show; by default a new
            temporary file.

    Raises:
        DatasetError: as open_dataset.
    """
    opened: list[tuple[DatasetConfig, Dataset]] = []
    errors = []
    for config in configs:
        try:
            opened.append((config, _open(config, labels)))
        except DatasetError as error:
            errors.append(error)
    renamed = {
        name
        for config, dataset in opened
        for name in options_of(config, labels).rename
        if name not in dataset.unused_renames
    }
    datasets = [_noted(dataset, expand(config.path), renamed) for config, dataset in opened]
    if errors:
        # Two parts of one data set have the same faults.
        texts = [*dict.fromkeys(map(str, errors)), *_full_list(errors, faults_file)]
        raise DatasetError("\n".join(texts)) from errors[0]
    return datasets


def _full_list(errors: Iterable[DatasetError], path: Path | None) -> list[str]:
    """Write all errors to a file where the texts are cut, and name it."""
    faulty = [error for error in errors if isinstance(error, FaultyDatasetError)]
    if all(len(error.faults) <= FAULTS_SHOWN for error in faulty):
        return []
    path = path or Path(tempfile.mkdtemp(prefix="mtv-")) / "errors.txt"
    texts = dict.fromkeys("\n  ".join([error.title, *error.faults]) for error in faulty)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(texts) + "\n", encoding="utf-8", errors="backslashreplace")
    return [f"All errors: {path}"]


def options_of(config: DatasetConfig, labels: LabelSet) -> ReadOptions:
    """How a configuration wants its data set read."""
    spelt = partial(_spelt, labels)
    return ReadOptions(
        labels,
        {spelt(old): spelt(new) for old, new in config.rename.items()},
        None if config.box_classes is None else tuple(map(spelt, config.box_classes)),
        None if config.mask_classes is None else tuple(map(spelt, config.mask_classes)),
        config.split,
        config.mask_255,
    )


def _open(config: DatasetConfig, labels: LabelSet) -> Dataset:
    options = options_of(config, labels)
    path = expand(config.path)
    return take_configured(read_dataset(path, options, config.format), config)


def _noted(dataset: Dataset, path: Path, renamed: Collection[str]) -> Dataset:
    """Warn of a data set's notes, less those on classes that others renamed, and keep these."""
    needless = {note for name, note in dataset.unused_renames.items() if name in renamed}
    notes = tuple(note for note in dataset.notes if note not in needless)
    for note in notes:
        _LOG.warning("%s: %s.", path, note.rstrip("."))
    return replace(dataset, notes=notes)


def take_configured(dataset: Dataset, config: DatasetConfig) -> Dataset:
    """The part of a data set that its configuration takes.

    Raises:
        DatasetError: as take_listed and take_part.
    """
    if config.take.startswith(LIST):
        file = expand(Path(config.take.removeprefix(LIST)))
        return take_listed(dataset, expand(config.path), file)
    return take_part(dataset, config.take)


def read_dataset(path: Path, options: ReadOptions, format: str = AUTO) -> Dataset:
    """Read a data set of any format.

    Raises:
        DatasetError: nothing there, no known layout, no such split, or faults of the data.
    """
    contents = _read(path, options, format)
    return assemble(path, contents, options)


def _read(path: Path, options: ReadOptions, format: str) -> list[Contents]:
    """The chosen splits; if several are read because none is named, the first says so."""
    layouts = _find_layouts(path, format)
    name, splits = next(iter(layouts.items()))
    chosen = choose_splits(path, splits, options.split)
    found = [
        _composed(FORMATS[name].read(path, split, options), options.labels) for split in chosen
    ]
    if len(chosen) > 1:
        images = [
            (split.name, [entry.image_path for entry in part.entries])
            for split, part in zip(chosen, found, strict=True)
        ]
        faults = (*found[0].faults, *shared_images(path, images))
        found[0] = replace(found[0], faults=faults)
    notes = _images_beside(path, found) if len(chosen) == len(splits) else []
    notes = [*_layouts_beside(name, layouts), *_indices_beside(path, splits), *notes]
    if len(found) > 1:
        names = ", ".join(split.name for split in chosen)
        note = (
            f"the splits {names} are read together; `split` in a configuration, or `--split` of "
            "commands that have it, chooses one"
        )
        notes = [note, *notes]
    found[0] = replace(found[0], notes=(*notes, *found[0].notes))
    return found


def _images_beside(root: Path, contents: Iterable[Contents]) -> list[str]:
    """A sentence about the images in a folder that its reader left out."""
    if not is_folder(root):
        return []
    entries = [entry for part in contents for entry in part.entries]
    known = {path for e in entries for path in (e.image_path, e.mask_path) if path}
    lost = [
        path
        for path in images_in(root, recursive=True)
        if path not in known and _MASK_FOLDERS.isdisjoint(path.relative_to(root).parts)
    ]
    # A list may lead to the same files by another path.
    resolved = {path.resolve() for path in known} if lost else set()
    lost = [path for path in lost if path.resolve() not in resolved]
    if not lost:
        return []
    return [
        f"{len(lost)} images in it are not read, such as {shown(lost[0], root)}: no label and no list of "
        "this layout names them. If they are labelled, give their folder on its own, or choose --format"
    ]


def _indices_beside(root: Path, splits: Iterable[Split]) -> list[str]:
    """A sentence about each index of labels that lies beside those that are read."""
    if not is_folder(root):
        return []
    sources = {source for split in splits for source in split.sources}
    read = sorted(path for path in sources if path.suffix.lower() in _INDEX_TESTS and is_file(path))
    places = dict.fromkeys((path.parent, path.suffix.lower()) for path in read)
    return [
        f"{shown(path, root)} is not read, though it is an index of labels too; if its labels count, "
        f"give the file on its own as a data set ({path}), else move it away"
        for folder, suffix in places
        for path in _may_be_indices(folder, suffix)
        if path not in sources and _INDEX_TESTS[path.suffix.lower()](path)
    ]


def _may_be_indices(folder: Path, suffix: str) -> list[Path]:
    """The files to look into; COCO's own others have hundreds of megabytes."""
    found = [path for path in files(folder, suffix) if not path.name.startswith(OTHER_INDICES)]
    return found if len(found) <= MOST_INDICES else []


def _layouts_beside(chosen: str, found: Mapping[str, Collection[Split]]) -> list[str]:
    """A sentence about the other layouts that a folder has too."""
    others = [name for name in found if name != chosen and name not in _PARTS]
    if not others:
        return []
    return [
        f"it is read as {chosen}, and is laid out as {', '.join(others)} too: --format, or `format` in "
        "a configuration, says which labels count"
    ]


def shared_images(root: Path, images: Iterable[tuple[str, Iterable[Path]]]) -> list[str]:
    """A fault for each two splits that name the same images: a model would be judged by what it learnt.

    Args:
        root: of the data set.
        images: of each split, with its name.
    """
    names: dict[Path, str] = {}
    shared: dict[tuple[str, str], list[Path]] = {}
    for split, paths in images:
        for path in dict.fromkeys(path.resolve() for path in paths):
            other = names.setdefault(path, split)
            if other != split:
                shared.setdefault((other, split), []).append(path)
    base = root.resolve() if is_folder(root) else root.resolve().parent
    return [
        f"the splits {first} and {second} both name {len(paths)} images, such as "
        f"{shown(paths[0], base)}: choose one with `split` (--split {first}), or give {second} a "
        "folder of other images"
        for (first, second), paths in shared.items()
    ]


def _spelt(labels: LabelSet, name: str) -> str:
    """A class name in the Unicode form that `labels` have it in, else composed."""
    form = unicodedata.normalize("NFC", name)
    return next((own for own in labels.names if unicodedata.normalize("NFC", own) == form), form)


def _composed(part: Contents, labels: LabelSet) -> Contents:
    """The same with class names in one Unicode form; tools write one name in several."""
    spelt = lru_cache(None)(partial(_spelt, labels))

    def plain(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(spelt, names))

    return replace(
        part,
        entries=tuple(replace(entry, names=plain(entry.names)) for entry in part.entries),
        names=None if part.names is None else plain(part.names),
        mask_names=None if part.mask_names is None else plain(part.mask_names),
        numbers={number: plain([name])[0] for number, name in part.numbers.items()},
    )


def class_names(configs: Iterable[DatasetConfig], unused: bool = False) -> tuple[str, ...]:
    """The class names of data sets after `rename`, without the background, in order of appearance.

    Args:
        configs: the data sets.
        unused: also classes that they list but give no object and no mask value.

    Raises:
        DatasetError: one of them can't be read.
    """
    found: dict[str, None] = {}
    for config in configs:
        options = options_of(config, LabelSet())
        for part in _read(expand(config.path), options, config.format):
            used = {name for entry in part.entries for name in entry.names}
            masked = any(entry.mask_path for entry in part.entries)
            if masked and part.mask_names is None and not part.names and not used:
                raise DatasetError(
                    f"{config.path}: expected classes.txt with the class name of each mask value, a name a "
                    "line and background first, found none."
                )
            listed = [name for name in part.names or () if unused or name in used]
            for name in (*listed, *sorted(used), *(part.mask_names or ())[1:]):
                found[options.rename.get(name, name)] = None
    return tuple(name for name in found if not is_background(name))


def count_images(config: DatasetConfig) -> int:
    """How many images a data set lists, whatever their labels.

    Raises:
        DatasetError: it can't be read.
    """
    options = ReadOptions(LabelSet(), split=config.split)
    return sum(len(part.entries) for part in _read(expand(config.path), options, config.format))


def find_splits(path: Path, format: str = AUTO) -> tuple[str, ...]:
    """The names of the splits of a data set; none where it is in one part.

    Raises:
        DatasetError: nothing there, or no known layout.
    """
    return tuple(split.name for split in find_format(path, format)[1] if split.name)


def expand(path: Path) -> Path:
    """`~` and `$VARIABLES` replaced; DatasetError names a variable that is unset."""
    text = os.path.expandvars(path)
    unset = re.search(r"\$\{?(\w+)", text)
    if unset and not Path(text).exists():
        raise DatasetError(f"{path}: expected the environment variable {unset[1]} to be set.")
    return Path(text).expanduser()


def find_format(path: Path, format: str = AUTO) -> tuple[str, tuple[Split, ...]]:
    """The format of a data set and its splits.

    Args:
        path: folder or index file.
        format: a name in FORMATS, or `auto` for the first that fits.

    Raises:
        DatasetError: nothing there, or no known layout: what was found, and what to rename.
    """
    return next(iter(_find_layouts(path, format).items()))


def _find_layouts(path: Path, format: str) -> dict[str, tuple[Split, ...]]:
    """As find_format, and the other layouts behind the one that is read; at least one."""
    if format not in (AUTO, *FORMATS):
        known = ", ".join((AUTO, *FORMATS))
        raise DatasetError(f"{path}: expected a format of {known}, got {format!r}.")
    if not os.path.exists(path):
        raise DatasetError(f"{path}: expected a data set, found no such file or folder.")
    found = detect(path) if format == AUTO else {format: FORMATS[format].find(path)}
    if any(found.values()):
        return found
    wanted = FORMATS if format == AUTO else {format: FORMATS[format]}
    tried = "\n  ".join(f"{name}: {item.layout}" for name, item in wanted.items())
    about = " ".join(hint(path, detect))
    raise DatasetError(f"{path}: expected one of these layouts, found none:\n  {tried}\n{about}")


def take_part(dataset: Dataset, take: str) -> Dataset:
    """A part that depends on the image names alone.

    Fold K of N has every N-th name, from the K-th on.

    Args:
        dataset: any.
        take: `all`, `fold:K/N` or `not-fold:K/N`; for K perhaps several, `not-fold:K,L/N`.

    Raises:
        ValueError: `take` is none of these.
        DatasetError: the part is empty.
    """
    parsed = _parse_take(take)
    if parsed is None:
        return dataset
    part, folds, count = parsed
    samples = dataset.samples
    order = sorted(
        range(len(samples)), key=lambda i: (samples[i].image_path.name, str(samples[i].image_path))
    )
    chosen = {
        position
        for rank, position in enumerate(order)
        if (rank % count in folds) == (part == "fold")
    }
    if not chosen:
        raise DatasetError(
            f"{dataset.name}: expected samples in {take!r}, got none of {len(samples)}."
        )
    return replace(
        dataset, samples=tuple(sample for i, sample in enumerate(samples) if i in chosen)
    )


def take_listed(dataset: Dataset, root: Path, file: Path) -> Dataset:
    """The images that a text file names, each by its path below the data set's folder.

    Args:
        dataset: the data set to take from.
        root: its folder, or the index file in it.
        file: the list, one path a line.

    Raises:
        DatasetError: no such file, it names nothing, or an image that the data set does not have.
    """
    folder = root if is_folder(root) else root.parent
    wanted = {(folder / line).resolve() for line in _listed_paths(file)}
    samples = tuple(s for s in dataset.samples if s.image_path.resolve() in wanted)
    missing = wanted - {sample.image_path.resolve() for sample in samples}
    if missing or not samples:
        found = f"{len(missing)} are not, such as {min(missing)}" if missing else "it names none"
        like = (
            f", such as {shown(dataset.samples[0].image_path, folder)}" if dataset.samples else ""
        )
        raise DatasetError(
            f"{file}: expected images of {root}, {found}. Write one path below it a line{like}."
        )
    return replace(dataset, samples=samples)


def _listed_paths(file: Path) -> list[str]:
    """The lines of a list that are not blank, whatever system wrote it."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{file}: expected a list of images, could not read it: {error}"
        ) from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or is_lfs_pointer(content):
        text = read_text(file)
    else:
        # Names of files need not be UTF-8.
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    if "\0" in text:
        raise DatasetError(
            f"{file}: expected a list of images, found zero bytes; save it as UTF-8."
        )
    return [line.strip() for line in text.splitlines() if line.strip()]


def _parse_take(take: str) -> tuple[str, set[int], int] | None:
    if take == "all" or (take.startswith(LIST) and take != LIST):
        return None
    match = _TAKE.fullmatch(take)
    folds = {int(fold) for fold in match["folds"].split(",")} if match else set()
    if match is None or max(folds) >= int(match["count"]):
        raise ValueError(
            "Expected take 'all', 'fold:K/N' or 'not-fold:K/N' with K < N, or 'list:FILE', "
            f"got {take!r}."
        )
    return match["part"], folds, int(match["count"])
