"""`mtv card`: the pictures of a model card: what the model sees, where it errs, its curves.

Two of the pictures show images, of the clip and of `--data`, whose licence must permit that.
`--curves` takes any labelled images, and shows none of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from mtv_perception.cli.engines import add_engine_options, engine_of
from mtv_perception.cli.evaluate import lacking_of
from mtv_perception.cli.measuring import class_list, fold
from mtv_perception.cli.options import add_model, add_threads
from mtv_perception.data.formats.open import DatasetConfig, open_dataset
from mtv_perception.data.sample import Dataset, sample_image
from mtv_perception.errors import ConfigError
from mtv_perception.evaluation.card import contact_sheet, worst_sheet, write_curves, write_jpeg
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.evaluation.settings import SCORING
from mtv_perception.replay.inputs import read_frames
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact
from mtv_perception.runtime.models import find_model

HELP = "draw the pictures of a model card"
CLIP = SOURCE_ROOT / "docs" / "media" / "people.mp4"


def clip_images(path: Path, count: int) -> Iterator[np.ndarray]:
    """Frames spread evenly over a clip."""
    total = sum(1 for _ in read_frames(path))
    step = max(1, total // max(1, count))
    return islice(
        (frame.image_rgb for frame in islice(read_frames(path), step // 2, None, step)), count
    )


def dataset_images(dataset: Dataset, count: int) -> Iterator[np.ndarray]:
    """Images spread evenly over a data set, only those with objects."""
    samples = [sample for sample in dataset.samples if len(sample.class_ids)]
    step = max(1, len(samples) // max(1, count))
    return (sample_image(sample) for sample in samples[::step][:count])


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add_model(parser)
    add(
        "--data",
        type=Path,
        required=True,
        metavar="DATA",
        help="labelled images that may be shown, e.g. of mtv synth",
    )
    add(
        "--clip",
        type=Path,
        default=CLIP,
        metavar="SOURCE",
        help="video or image folder that may be shown (default: the demo's clip)",
    )
    counts = {
        "--clip-frames": (3, "of the contact sheet"),
        "--data-images": (6, "of the contact sheet"),
        "--worst": (6, "pairs of truth and prediction"),
    }
    for name, (default, text) in counts.items():
        add(name, type=int, default=default, metavar="N", help=f"{text} (default: %(default)s)")
    add(
        "--curves",
        type=Path,
        metavar="DATA",
        help="labelled images for the curves (default: those of --data)",
    )
    add(
        "--box-classes",
        type=class_list,
        metavar="A,B",
        help="classes of --curves that have every object boxed",
    )
    add("--fold", type=fold, metavar="K/N", help="only the K-th of N parts of --curves")
    add_threads(parser)
    add_engine_options(parser)
    add(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for seen.jpg, worst.jpg and curves.png",
    )


def run(args: argparse.Namespace) -> int:
    """Draw."""
    if args.curves is None and (args.box_classes or args.fold):
        raise ConfigError(
            "--box-classes and --fold are of --curves: expected --curves DATA, got none."
        )
    artefact = load_artefact(find_model(args.model))
    usual = PerceiverConfig(num_threads=args.threads, **engine_of(args))
    perceiver, labels = Perceiver(artefact, usual), artefact.labels
    lacking = lacking_of(args, perceiver, labels)
    shown = lacking.restrict(open_dataset(DatasetConfig(args.data), labels))
    images = chain(
        clip_images(args.clip, args.clip_frames), dataset_images(shown, args.data_images)
    )
    write_jpeg(args.out / "seen.jpg", contact_sheet(images, perceiver, labels))
    perceiver.config = replace(SCORING, num_threads=args.threads, **engine_of(args))
    evaluation = evaluate(perceiver, shown, with_boundaries=False)
    write_jpeg(args.out / "worst.jpg", worst_sheet(evaluation, perceiver, count=args.worst))
    if args.curves is not None:
        config = DatasetConfig(args.curves, box_classes=args.box_classes, take=args.fold or "all")
        judged = lacking.restrict(open_dataset(config, labels))
        evaluation = evaluate(perceiver, judged, with_boundaries=False)
    write_curves(args.out / "curves.png", evaluation)
    for name in ("seen.jpg", "worst.jpg", "curves.png"):
        path = args.out / name
        print(f"{artefact.model_id}: {path} {path.stat().st_size / 1000:.0f} kB")
    return 0
