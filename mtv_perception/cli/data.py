"""`mtv data`: look at, convert and improve data sets before training."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtv_perception.cli.measuring import (
    add_data_options,
    add_names,
    data_config,
    labels_of_data,
)
from mtv_perception.cli.options import positive
from mtv_perception.data.formats.open import expand
from mtv_perception.errors import DatasetError
from mtv_perception.resources import write_whole
from mtv_perception.yaml_text import format_yaml

if TYPE_CHECKING:
    from mtv_perception.data.repair.pseudo_masks import Teacher
    from mtv_perception.data.repair.teachers import Tally
    from mtv_perception.data.sample import Dataset
    from mtv_perception.runtime import Perceiver

HELP = "labelled images: check them, import any export, tighten boxes, add masks"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the tasks and their options."""
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    summary = "list every problem of a data set, with the pieces of pictures, in one HTML page"
    _configure_check(tasks.add_parser("check", help=summary, description=summary))
    summary = "write the export of any labelling tool in this package's own layout"
    _configure_import(tasks.add_parser("import", help=summary, description=summary))
    summary = "tighten the boxes of images that were rotated before they were published"
    _configure_upright(tasks.add_parser("upright", help=summary, description=summary))
    summary = "give images with boxes masks from teachers, or measure the teachers on true masks"
    _configure_pseudo_masks(tasks.add_parser("pseudo-masks", help=summary, description=summary))


def _configure_upright(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "data",
        type=Path,
        metavar="DATA",
        help="a COCO folder: annotations.json, images/, and masks/ if there",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="a folder that does not exist yet")
    add("--angles", type=Path, metavar="FILE", help="write each image's angle here, as JSON")


def _configure_pseudo_masks(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="a COCO folder")
    add(
        "--teacher",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="a LiteRT network from a 256x256 crop to a person mask; repeatable",
    )
    add(
        "--model",
        metavar="MODEL",
        help="a model of ours, for forklifts; without it they stay unknown",
    )
    add("--classes", nargs="+", default=["person"], metavar="C", help="classes that get masks")
    add("--take", default="all", metavar="PART", help="fold:K/N or not-fold:K/N (default: all)")
    add(
        "--max-side",
        type=int,
        default=0,
        metavar="PX",
        help="with --measure, leave out images with larger boxes",
    )
    add("--threads", type=positive, default=1, metavar="N", help="CPU threads of a teacher")
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--out", type=Path, metavar="DIR", help="the COCO folder to write")
    task.add_argument("--measure", action="store_true", help="measure the teachers instead")


def _configure_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="labelled images of any layout")
    add_data_options(parser)
    add_names(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("check.html"),
        metavar="FILE",
        help="the page to write (default: %(default)s)",
    )


def _configure_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="labelled images of any layout")
    add_data_options(parser)
    add_names(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a folder that does not exist yet"
    )


def run(args: argparse.Namespace) -> int:
    """Do the task."""
    tasks = {
        "upright": _upright,
        "pseudo-masks": _pseudo_masks,
        "check": _check,
        "import": _import,
    }
    return tasks[args.task](args)


def _upright(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mtv_perception.data.formats.open import expand
    from mtv_perception.data.repair.upright import upright_dataset

    done = upright_dataset(expand(args.data), args.out, tqdm)
    if args.angles:
        write_whole(args.angles, json.dumps(done.angles, indent=1))
    print(json.dumps(done.to_json(), indent=2))
    return 0


def _pseudo_masks(args: argparse.Namespace) -> int:
    from mtv_perception.data.formats.open import DatasetConfig, open_dataset
    from mtv_perception.data.repair.teachers import LiteRtTeacher
    from mtv_perception.labels import WAREHOUSE
    from mtv_perception.runtime import Perceiver, load_artefact
    from mtv_perception.runtime.models import find_model

    unknown = [name for name in args.classes if name not in WAREHOUSE.foreground]
    if unknown:
        expected = ", ".join(WAREHOUSE.foreground)
        raise ValueError(f"--classes: expected classes of {expected}, got {unknown[0]!r}.")
    dataset = open_dataset(DatasetConfig(args.data, take=args.take), WAREHOUSE)
    teachers = [LiteRtTeacher(path, args.threads) for path in args.teacher]
    perceiver = Perceiver(load_artefact(find_model(args.model))) if args.model else None
    task = _measure if args.measure else _label
    print(json.dumps(task(args, dataset, teachers, perceiver), indent=2))
    return 0


def _label(
    args: argparse.Namespace,
    dataset: Dataset,
    teachers: Sequence[Teacher],
    perceiver: Perceiver | None,
) -> dict[str, float]:
    """Write the data set with its new masks; the share of the pixels each class has."""
    from tqdm import tqdm

    from mtv_perception.data.formats.open import expand
    from mtv_perception.data.repair.pseudo_masks import check_target, compose, write_dataset
    from mtv_perception.data.repair.teachers import opinions_of
    from mtv_perception.data.sample import sample_image

    check_target(expand(args.data), args.out, dataset.samples)
    masks = []
    for sample in tqdm(dataset.samples):
        opinions = opinions_of(sample_image(sample), sample, teachers, perceiver)
        masks.append(compose(opinions, dataset.labels, args.classes))
    write_dataset(expand(args.data), args.out, dataset.labels, dataset.samples, masks)
    names = dataset.labels.names
    shares = {name: np.mean([(m == v).mean() for m in masks]) for v, name in enumerate(names)}
    shares["ignored"] = 1 - sum(shares.values())
    return {name: round(float(share), 4) for name, share in shares.items()}


def _measure(
    args: argparse.Namespace,
    dataset: Dataset,
    teachers: Sequence[Teacher],
    perceiver: Perceiver | None,
) -> dict[str, dict[str, float]]:
    """How right the teachers are on images with true masks, by class."""
    from tqdm import tqdm

    from mtv_perception.data.repair.teachers import Tally, opinions_of
    from mtv_perception.data.sample import sample_image, sample_mask

    if all(s.mask_path is None and s.regions is None for s in dataset.samples):
        raise DatasetError(
            f"{args.data}: expected images with masks to measure the teachers on, got none."
        )
    names = ("forklift", "person") if perceiver is not None else ("person",)
    tallies: dict[str, Tally] = {name: Tally() for name in names}
    for sample in tqdm(dataset.samples):
        truth = sample_mask(sample)
        sides = sample.boxes_xyxy[:, 2:] - sample.boxes_xyxy[:, :2]
        if truth is None or (args.max_side and sides.max(initial=0) > args.max_side):
            continue
        opinions = opinions_of(sample_image(sample), sample, teachers, perceiver)
        for name, tally in tallies.items():
            tally.add(opinions[name], truth, dataset.labels.id_of(name))
    return {name: tally.figures() for name, tally in tallies.items()}


def _check(args: argparse.Namespace) -> int:
    """1 if there are errors, 0 if there are none or only unlikely labels."""
    from mtv_perception.data.check import check_dataset
    from mtv_perception.data.formats.open import expand, options_of
    from mtv_perception.evaluation.check_page import write_check

    config = data_config(args, args.data)
    if config.take != "all":
        raise ValueError("Expected no --take or --fold: the check reads the whole data set.")
    labels = args.names or labels_of_data([config])
    found = check_dataset(expand(config.path), options_of(config, labels), config.format)
    write_check(args.out, args.data, found)
    parts = f", splits {', '.join(found.splits)}" if found.splits else ""
    print(f"{args.data}: {found.format}{parts}")
    if found.dataset is not None:
        print(f"  {_contents(found.dataset)}")
    for note in found.notes:
        print(f"  note: {note}")
    for problem in found.problems:
        print(f"  {'error' if problem.is_error else 'look'}: {problem.text}")
    others = len(found.problems) - found.errors
    print(f"{found.errors} errors, {others} to look at; {args.out}")
    return 1 if found.errors else 0


def _contents(dataset: Dataset) -> str:
    """How much there is, and of which classes."""
    found = np.concatenate([[0], *(sample.class_ids for sample in dataset.samples)])
    counts = np.bincount(found.astype(int), minlength=len(dataset.labels))
    each = ", ".join(
        f"{name} {counts[dataset.labels.id_of(name)]}" for name in dataset.labels.foreground
    )
    masks = sum(s.mask_path is not None or s.regions is not None for s in dataset.samples)
    return f"{len(dataset)} images, {counts[1:].sum()} objects: {each}; {masks} images with masks"


def _import(args: argparse.Namespace) -> int:
    from mtv_perception.data.coco_writer import write_coco
    from mtv_perception.data.formats.open import (
        find_splits,
        open_datasets,
        shared_images,
        take_configured,
    )
    from mtv_perception.data.sample import raise_faults

    config = data_config(args, args.data)
    labels = args.names or labels_of_data([config])
    splits = find_splits(expand(config.path), config.format)
    parts = [""] if args.split or len(splits) < 2 else list(splits)
    if strange := [name for name in parts if name in (".", "..") or Path(name).name != name]:
        raise DatasetError(
            f"{args.data}: expected splits that can be folders of {args.out}, got {strange[0]!r}; "
            "choose one with --split."
        )
    # All are read before one is written, and a part is one of all splits together, as elsewhere.
    whole = [replace(config, split=name or args.split, take="all") for name in parts]
    datasets = open_datasets(whole, labels)
    images = [
        (name, [s.image_path for s in dataset.samples])
        for name, dataset in zip(parts, datasets, strict=True)
    ]
    raise_faults(args.data, shared_images(expand(config.path), images))
    together = tuple(sample for dataset in datasets for sample in dataset.samples)
    taken = {id(s) for s in take_configured(replace(datasets[0], samples=together), config).samples}
    for name, dataset in zip(parts, datasets, strict=True):
        samples = tuple(sample for sample in dataset.samples if id(sample) in taken)
        if samples:
            write_coco(replace(dataset, samples=samples), args.out / name if name else args.out)
        print(f"{args.out / name if name else args.out}: {len(samples)} images")
    print(f"names: {_as_yaml(labels.foreground)}")
    # Which classes are labelled wholly is no part of the files: it is for the training configuration.
    for key in ("box_classes", "mask_classes"):
        if classes := getattr(config, key):
            print(f"{key}: {_as_yaml(classes)}")
    return 0


def _as_yaml(names: Sequence[str]) -> str:
    """Class names to paste into a configuration, in one line, in quotes where YAML needs them."""
    return format_yaml(list(names), flow=True, width=sys.maxsize).strip()
