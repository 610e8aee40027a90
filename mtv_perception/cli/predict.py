"""`mtv predict SOURCE...`: images, folders, videos, bags or a camera to overlays.

Masks and JSON lines.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mtv_perception.cli.engines import add_engine_options, engine_of
from mtv_perception.cli.options import add_max_pixels, add_model, add_threads, add_topics, share
from mtv_perception.cli.privacy import add_privacy_options, privacy_line, privacy_of
from mtv_perception.cli.progress import with_progress
from mtv_perception.errors import ConfigError

if TYPE_CHECKING:
    from mtv_perception.replay.inputs import Input
    from mtv_perception.replay.predictions import Predictions
    from mtv_perception.runtime.perceiver import Perceiver

HELP = "images, folders, videos, bags or a camera to overlays, masks and JSON lines"

_SHOWN_FAULTS = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help="image, folder of images, video, bag, or the number of a camera (0 is the first)",
    )
    add_model(parser)
    add(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for overlays/ or annotated videos (.webm), masks/ and results.jsonl",
    )
    add(
        "--score-threshold",
        "--score",
        dest="score_threshold",
        metavar="S",
        type=share,
        default=-1.0,
        help="lowest score (default: the model's own, by class)",
    )
    add_threads(parser)
    add_topics(parser)
    add(
        "--labels",
        nargs="+",
        default=(),
        choices=("yolo", "coco"),
        help="also write label files: labels/*.txt (yolo), annotations.json (coco)",
    )
    add("--frames", type=int, default=0, metavar="N", help="end a camera after N frames")
    add_privacy_options(parser)
    add_max_pixels(parser)
    add_engine_options(parser)


@dataclass
class _Tally:
    """What became of a source."""

    frames: int = 0
    failed: int = 0
    found: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)


def run(args: argparse.Namespace) -> int:
    """Perceive every frame; 1 when something could not be read.

    2 when there was no frame at all.
    """
    from mtv_perception.errors import ReplayError
    from mtv_perception.replay.inputs import exit_status
    from mtv_perception.replay.predictions import Predictions
    from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact
    from mtv_perception.runtime.models import find_model

    if args.frames and not any(map(_is_camera, args.sources)):
        raise ConfigError(
            "--frames is of a camera: expected a camera's number among the sources, got none. "
            "Leave --frames out."
        )
    config = PerceiverConfig(
        score_threshold=args.score_threshold,
        num_threads=args.threads,
        **privacy_of(args),
        **engine_of(args),
    )
    perceiver = Perceiver(load_artefact(find_model(args.model)), config)
    frames, failures = 0, False
    spec = perceiver.spec
    if line := privacy_line(config, spec):
        print(line, flush=True)
    if not spec.mask_classes:
        print(f"{spec.name} was not trained for masks: none are drawn or written")
    formats = tuple(args.labels)
    with Predictions(
        args.out, spec.labels, formats, spec.mask_classes, args.anonymise, args.sources
    ) as predictions:
        for source in args.sources:
            try:
                with _open(source, args) as opened:
                    tally = _predict(source, opened, perceiver, predictions)
            except ReplayError as error:
                sys.stderr.write(f"mtv: {error}\n")
                failures = True
                continue
            print("\n".join(_lines(source, opened, tally)), flush=True)
            frames += tally.frames
            failures |= bool(tally.failed or opened.damage or not tally.frames)
    if frames:
        print(f"wrote {args.out / 'results.jsonl'}")
    return exit_status(frames, failures)


def _is_camera(source: Path) -> bool:
    return str(source).isdecimal() and not source.exists()


def _open(source: Path, args: argparse.Namespace) -> AbstractContextManager[Input]:
    from mtv_perception.replay.camera_input import open_camera
    from mtv_perception.replay.inputs import open_input

    if _is_camera(source):
        return open_camera(int(str(source)), args.frames)
    return open_input(source, args.topics, max_pixels=args.max_pixels)


def _predict(source: Path, opened: Input, perceiver: Perceiver, predictions: Predictions) -> _Tally:
    from mtv_perception.errors import ImageError
    from mtv_perception.replay.inputs import explained
    from mtv_perception.replay.predictions import count_classes

    predictions.check_source(source)
    tally = _Tally()
    video = predictions.begin_video(source, opened.video_rate) if opened.video_rate else None
    try:
        for item in with_progress(opened.frames(), opened.total, source.name):
            try:
                frame = item.decode()
                result = perceiver(frame.image_rgb)
                predictions.write(source, item, frame, result)
            except ImageError as error:
                tally.failed += 1
                if tally.failed <= _SHOWN_FAULTS:
                    sys.stderr.write(f"mtv: {explained(error)}\n")
                continue
            if video and not tally.frames:
                print(f"{source}: writing {video}", flush=True)
            tally.frames += 1
            tally.topics[item.topic] += 1
            tally.found += count_classes(result, perceiver.spec.labels)
    finally:
        predictions.end_source()
    return tally


def _lines(source: Path, opened: Input, tally: _Tally) -> list[str]:
    """What was read, found, lost and left out."""
    from mtv_perception.replay.inputs import FILE_TOPIC, left_out_lines

    text = f"{source}: {tally.frames} frames"
    if list(opened.cameras) != [FILE_TOPIC]:
        counts = (f"{topic} ({tally.topics[topic]})" for topic in opened.cameras)
        text += f" of {', '.join(counts)}"
    found = ", ".join(f"{count} {name}" for name, count in tally.found.most_common())
    text += f"; found {found or 'nothing'}"
    if tally.failed:
        text += f"; {tally.failed} could not be read"
    if opened.damage:
        text += f"; DAMAGED, the rest was processed: {opened.damage}"
    return [text, *left_out_lines(opened.left_out)]
