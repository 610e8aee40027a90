"""Opening a data set of any format: what to read, under which names, and which part of it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mtv_perception.config import Rule, setting
from mtv_perception.data.formats.coco import read_coco
from mtv_perception.data.formats.seeds import INDEX_NAME, read_seeds
from mtv_perception.data.formats.semantic import read_semantic
from mtv_perception.data.formats.voc import read_voc
from mtv_perception.data.formats.yolo import names_file, read_yolo, yolo_folders
from mtv_perception.data.sample import FAULTS_SHOWN, Dataset, FaultyDatasetError
from mtv_perception.errors import DatasetError
from mtv_perception.labels import LabelSet

AUTO = "auto"
_TAKE = re.compile(r"(?P<part>fold|not-fold):(?P<folds>\d+(,\d+)*)/(?P<count>\d+)")


@dataclass(frozen=True)
class Format:
    """A layout of labelled images.

    Attributes:
        read: reads a data set of this layout.
        fits: whether a path looks like one.
        layout: what makes it look like one, for error texts.
    """

    read: Callable[..., Dataset]
    fits: Callable[[Path], bool]
    layout: str


# In the order of detection: the layouts with the clearest signs first.
FORMATS: dict[str, Format] = {
    "coco": Format(
        read_coco,
        lambda root: (root / "annotations.json").is_file(),
        "annotations.json and images/",
    ),
    "voc": Format(
        read_voc, lambda root: (root / "Annotations").is_dir(), "Annotations/ and JPEGImages/"
    ),
    "seeds": Format(
        read_seeds,
        lambda root: (root / INDEX_NAME).is_file() or (root.is_file() and root.suffix == ".json"),
        f"a JSON list of samples, or a folder with {INDEX_NAME}",
    ),
    "yolo": Format(
        read_yolo,
        lambda root: (
            all(folder.is_dir() for folder in yolo_folders(root)[:2])
            and names_file(root) is not None
        ),
        "images/, labels/ and data.yaml or classes.txt",
    ),
    "semantic": Format(
        read_semantic,
        lambda root: (root / "images").is_dir() and (root / "masks").is_dir(),
        "images/ and masks/",
    ),
}


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
    take: str = setting(
        "all",
        "Part to use: all, fold:K/N, or not-fold:K/N for all but this fold; K counts from 0, K,L/N names several.",
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
    datasets, errors = [], []
    for config in configs:
        try:
            datasets.append(_open(config, labels))
        except DatasetError as error:
            errors.append(error)
    if errors:
        # Two parts of one data set have the same faults.
        texts = [*dict.fromkeys(map(str, errors)), *_full_list(errors, faults_file)]
        raise DatasetError("\n".join(texts)) from errors[0]
    return datasets


def _full_list(errors: Iterable[DatasetError], path: Path | None) -> list[str]:
    """Write every fault to a file where the texts of the errors are cut, and name it."""
    faulty = [error for error in errors if isinstance(error, FaultyDatasetError)]
    if all(len(error.faults) <= FAULTS_SHOWN for error in faulty):
        return []
    path = path or Path(tempfile.mkdtemp(prefix="mtv-")) / "faults.txt"
    texts = dict.fromkeys("\n  ".join([error.title, *error.faults]) for error in faulty)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return [f"Every fault: {path}"]


def _open(config: DatasetConfig, labels: LabelSet) -> Dataset:
    path = expand(config.path)
    if not path.exists():
        raise DatasetError(f"{path}: expected a data set, there is nothing.")
    name = detect_format(path) if config.format == AUTO else config.format
    if name not in FORMATS:
        raise DatasetError(
            f"{path}: expected a format of {', '.join((AUTO, *FORMATS))}, got {name!r}."
        )
    dataset = FORMATS[name].read(
        path,
        labels,
        rename=config.rename,
        box_classes=config.box_classes,
        mask_classes=config.mask_classes,
    )
    return take_part(dataset, config.take)


def expand(path: Path) -> Path:
    """`~` and `$VARIABLES` replaced; DatasetError names a variable that is unset."""
    text = os.path.expandvars(path)
    unset = re.search(r"\$\{?(\w+)", text)
    if unset and not Path(text).exists():
        raise DatasetError(f"{path}: expected the environment variable {unset[1]} to be set.")
    return Path(text).expanduser()


def detect_format(path: Path) -> str:
    """The first format whose layout a path has; DatasetError lists all that were tried."""
    for name, item in FORMATS.items():
        if item.fits(path):
            return name
    tried = "\n  ".join(f"{name}: {item.layout}" for name, item in FORMATS.items())
    raise DatasetError(f"{path}: expected one of these layouts, found none:\n  {tried}")


def take_part(dataset: Dataset, take: str) -> Dataset:
    """A part that depends on the image names alone: fold K of N has every N-th name, from the K-th on.

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


def _parse_take(take: str) -> tuple[str, set[int], int] | None:
    if take == "all":
        return None
    match = _TAKE.fullmatch(take)
    folds = {int(fold) for fold in match["folds"].split(",")} if match else set()
    if match is None or max(folds) >= int(match["count"]):
        raise ValueError(
            f"Expected take 'all', 'fold:K/N' or 'not-fold:K/N' with K < N, got {take!r}."
        )
    return match["part"], folds, int(match["count"])
