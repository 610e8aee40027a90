"""`mtv mine`: the frames of a drive that are most worth labelling, with the model's labels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtv_perception.cli.engines import add_engine_options, engine_of
from mtv_perception.cli.options import add_max_pixels, add_model, add_threads, add_topics, positive
from mtv_perception.cli.privacy import add_privacy_options, privacy_line, privacy_of
from mtv_perception.cli.progress import with_progress

if TYPE_CHECKING:
    from mtv_perception.data.sample import Sample
    from mtv_perception.mining.mine import Mined
    from mtv_perception.mining.survey import InputSurvey

HELP = "the frames most worth labelling, with the model's boxes and masks"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "sources",
        type=Path,
        nargs="+",
        metavar="IN",
        help="bag, video, folder of images, or image",
    )
    add_model(parser)
    add(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="a folder that does not exist yet, for images, labels, mine.json and mine.html",
    )
    add(
        "--count",
        type=positive,
        default=50,
        metavar="N",
        help="frames to choose (default: %(default)s)",
    )
    add(
        "--known",
        type=Path,
        nargs="+",
        default=[],
        metavar="DATA",
        help="labelled images of any layout: chosen frames are unlike them",
    )
    add_topics(parser)
    add_threads(parser)
    add_engine_options(parser)
    add_privacy_options(parser)
    add_max_pixels(parser)


def run(args: argparse.Namespace) -> int:
    """Mine; 1 when something could not be read, 2 when there was no frame at all."""
    from mtv_perception.mining.mine import MineOptions, mine
    from mtv_perception.replay.inputs import exit_status
    from mtv_perception.runtime import PerceiverConfig, load_artefact
    from mtv_perception.runtime.models import find_model

    artefact = load_artefact(find_model(args.model))
    options = MineOptions(
        tuple(args.sources),
        args.out,
        args.count,
        tuple(args.topics),
        args.max_pixels,
        tuple(map(str, args.known)),
    )
    config = PerceiverConfig(num_threads=args.threads, **engine_of(args), **privacy_of(args))
    if line := privacy_line(config, artefact.spec):
        print(line)
    mined = mine(options, artefact, config, _samples(args.known), follow=with_progress)
    for reading in mined.readings:
        for fault in [reading.error] * bool(reading.error) + reading.faults:
            sys.stderr.write(f"mtv: {fault}\n")
        if not reading.error:
            print("\n".join(_lines(reading)))
    if mined.frames:
        print("\n".join(_chosen(mined, args.count)))
        print(f"look at {args.out / 'mine.html'}; labels to correct are in {args.out}")
    return exit_status(mined.frames, mined.went_wrong)


def _samples(paths: Sequence[Path]) -> list[Sample]:
    """The images of labelled data, each data set with its own classes."""
    from mtv_perception.data.formats.open import DatasetConfig, class_names, open_dataset
    from mtv_perception.labels import WAREHOUSE, labels_with_background

    samples: list[Sample] = []
    for config in map(DatasetConfig, paths):
        names = class_names([config], unused=True)
        labels = labels_with_background(names) if names else WAREHOUSE
        samples += open_dataset(config, labels).samples
    return samples


def _lines(reading: InputSurvey) -> list[str]:
    """What was read, lost and left out of an input."""
    from mtv_perception.replay.inputs import FILE_TOPIC, left_out_lines

    text = f"{reading.source}: {reading.frames} frames"
    if reading.topics and list(reading.topics) != [FILE_TOPIC]:
        text += " of " + ", ".join(f"{name} ({count})" for name, count in reading.topics.items())
    if reading.failed:
        text += f"; {reading.failed} could not be read"
    if reading.damage:
        text += f"; DAMAGED, the rest was processed: {reading.damage}"
    return [text, *left_out_lines(reading.left_out)]


def _chosen(mined: Mined, count: int) -> list[str]:
    """The choice, and why it is smaller than asked."""
    chosen = len(mined.picks)
    about = f"chose {chosen} of {mined.frames} frames"
    if chosen < count:
        about += f" ({count} were asked for)"
    lines = [f"{about}; {mined.near_duplicates} are near-duplicates"]
    for kind in ("uncertain", "disagree", "flicker", "far"):
        number = sum(any(s.kind == kind for s in pick.signals) for pick in mined.picks)
        lines += [f"  {kind}: {number}"] if number else []
    return lines
