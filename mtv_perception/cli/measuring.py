"""What the commands that measure a model on labelled data share.

Their options, the model, the data.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtv_perception.bags.files import is_bag, refuse_ros1
from mtv_perception.cli.engines import add_engine_options
from mtv_perception.cli.options import add_threads, local_path, positive
from mtv_perception.data.formats import FORMATS
from mtv_perception.data.formats.open import (
    AUTO,
    DatasetConfig,
    class_names,
    open_dataset,
    take_part,
)
from mtv_perception.data.sample import Dataset
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE, LabelSet, labels_with_background
from mtv_perception.resources import write_whole


def fold(text: str) -> str:
    """K/N or K,L/N, as an option."""
    try:
        return DatasetConfig(Path(), take=f"fold:{text}").take
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected K/N or K,L/N, K in 0 .. N-1, got {text!r}"
        ) from error


def take(text: str) -> str:
    """A part of a data set, as an option."""
    try:
        return DatasetConfig(Path(), take=text).take
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected fold:K/N, not-fold:K/N or list:FILE, got {text!r}"
        ) from error


def pair(text: str) -> tuple[str, str]:
    """THEIRS=OURS, as an option."""
    # The last sign: names of a user's classes may hold one.
    theirs, _, ours = (part.strip() for part in text.rpartition("="))
    if not theirs or not ours:
        raise argparse.ArgumentTypeError(f"expected THEIRS=OURS, got {text!r}")
    return theirs, ours


class Renaming(argparse.Action):
    """Gathers pairs in a mapping; one class can't have two names."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Take the pairs of one use of the option."""
        found = dict(getattr(namespace, self.dest))
        for theirs, ours in values:
            if found.setdefault(theirs, ours) != ours:
                names = f"{found[theirs]!r} and {ours!r}"
                raise argparse.ArgumentError(self, f"expected one name for {theirs!r}, got {names}")
        setattr(namespace, self.dest, found)


def class_list(text: str) -> tuple[str, ...]:
    """Class names separated by commas, as an option."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the model, the data and what they are restricted to."""
    add = parser.add_argument
    add(
        "--model",
        type=local_path,
        default=Path("warehouse"),
        metavar="MODEL",
        help="model folder, or the name of a bundled one (default: %(default)s)",
    )
    add(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="labelled images, or a bag with a truth topic",
    )
    add_data_options(parser)
    add("--limit", type=positive, metavar="N", help="only the first N images")
    add_threads(parser)
    add_engine_options(parser)
    add("--json", type=Path, metavar="FILE", help="write the results here")


def add_data_options(parser: argparse.ArgumentParser, format_option: str = "--format") -> None:
    """Declare how labelled data is read, and which part of it.

    Args:
        parser: of the command.
        format_option: of the data's layout, where the command's own `--format` means another thing.
    """
    add = parser.add_argument
    add(
        format_option,
        dest="format",
        default=AUTO,
        choices=(AUTO, *FORMATS),
        help="layout of the data (default: %(default)s)",
    )
    add("--split", default="", metavar="NAME", help="one split of the data, such as train or val")
    part = parser.add_mutually_exclusive_group()
    part.add_argument(
        "--fold", type=fold, metavar="K/N", help="only the K-th of N parts; K counts from 0"
    )
    part.add_argument(
        "--take",
        type=take,
        metavar="PART",
        help="a part as configurations name it: fold:K/N, not-fold:K/N, list:FILE",
    )
    add(
        "--rename",
        type=pair,
        nargs="+",
        action=Renaming,
        default={},
        metavar="THEIRS=OURS",
        help="the data's class names to the model's; to the background leaves a class out",
    )
    add(
        "--box-classes", type=class_list, metavar="A,B", help="classes that have every object boxed"
    )
    add("--mask-classes", type=class_list, metavar="A,B", help="classes the masks tell apart")
    add(
        "--mask-255",
        default="",
        metavar="NAME",
        help="class that 255 means in mask files, or ignore (default: ignore)",
    )


def _labels(text: str) -> LabelSet:
    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        return labels_with_background(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected different class names with commas, got {text!r}: {error}"
        ) from error


def labels_of_data(configs: Sequence[DatasetConfig]) -> LabelSet:
    """The shipped model's classes where the data has no others, else the data's own."""
    try:
        found = class_names(configs)
    except DatasetError:
        return WAREHOUSE  # reading the data tells the errors of all of them
    if not found or set(found) <= set(WAREHOUSE.foreground):
        return WAREHOUSE
    # One that differs by its case alone is an error, which says what to rename.
    ours = {name.casefold(): name for name in WAREHOUSE.foreground}
    names = dict.fromkeys(ours.get(name.strip().casefold(), name) for name in found)
    return labels_with_background(tuple(names))


def add_names(parser: argparse.ArgumentParser) -> None:
    """Declare the classes."""
    parser.add_argument(
        "--names",
        type=_labels,
        metavar="A,B",
        help="classes (default: those of the shipped model, or of the data if it has others)",
    )


def data_config(args: argparse.Namespace, path: Path) -> DatasetConfig:
    """A data set as the options say to read it."""
    return DatasetConfig(
        path=path,
        format=args.format,
        take=args.fold or args.take or "all",
        rename=args.rename,
        box_classes=args.box_classes,
        mask_classes=args.mask_classes,
        split=args.split,
        mask_255=args.mask_255,
    )


def dataset_of(args: argparse.Namespace, labels: LabelSet) -> Dataset:
    """The data set that the options name."""
    config = data_config(args, args.data)
    if config.path.exists():
        refuse_ros1(config.path)
    dataset = _bag_dataset(config, labels) if is_bag(config.path) else open_dataset(config, labels)
    return replace(dataset, samples=dataset.samples[: args.limit])


def _bag_dataset(config: DatasetConfig, labels: LabelSet) -> Dataset:
    from mtv_perception.compare.truth import read_bag_dataset  # rosbags is an optional dependency

    of_folders = {"format": (config.format, AUTO), "split": (config.split, "")}
    for name, (value, usual) in {**of_folders, "mask-255": (config.mask_255, "")}.items():
        if value != usual:
            raise DatasetError(
                f"{config.path}: {name}: expected none for a bag, which has one layout, no splits "
                f"and masks of class ids, got {value!r}; leave the option out."
            )
    dataset = read_bag_dataset(
        config.path,
        labels,
        rename=config.rename,
        box_classes=config.box_classes,
        mask_classes=config.mask_classes,
    )
    if config.take.startswith("list:"):
        raise DatasetError(
            f"{config.path}: --take: expected fold:K/N or not-fold:K/N of a bag, whose images are no "
            f"files, got {config.take!r}."
        )
    return take_part(dataset, config.take)


def tell_left_out(dataset: Dataset) -> int:
    """Print what of a data set was not used; the exit status: 1 if there is any."""
    for text in dataset.left_out:
        print(f"NOT all of {dataset.name} was used: {text}")
    return int(bool(dataset.left_out))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write results for machines, creating the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
