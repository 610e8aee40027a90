"""`mtv synth`: synthetic warehouse images with boxes and masks.

Or a drive through a hall as a bag.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from mtv_perception.cli.options import changed_options
from mtv_perception.errors import ConfigError

HELP = "render synthetic warehouse images with exact boxes and masks"


# Options with their defaults that have no effect on the other kind of output.
_OF_IMAGES = {"count": None, "cutouts": None, "cutout_list": None, "workers": 1}
_OF_DRIVES = {"seconds": 30.0, "rate": 10.0, "images": "raw", "depth": "exact", "video": None}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to write; an unfinished set made with the same options is continued",
    )
    parser.add_argument("--count", type=int, metavar="N", help="images in the finished set")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="image i depends only on the options, the seed and i (default: 0)",
    )
    parser.add_argument(
        "--split",
        choices=("train", "heldout"),
        default="train",
        help="disjoint pools of textures, colours and designs (default: train)",
    )
    parser.add_argument(
        "--cutouts",
        type=Path,
        metavar="DIR",
        help="data set (annotations.json, images/, masks/ with 2 = person) whose people are pasted in",
    )
    parser.add_argument(
        "--cutout-list",
        type=Path,
        metavar="FILE",
        help="names of the images of --cutouts that may be used, one a line (default: all)",
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes (default: 1)"
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(480, 640),
        metavar=("H", "W"),
        help="pixels (default: 480 640)",
    )

    drive = parser.add_argument_group("a drive", "a bag of a robot that drives through a hall")
    drive.add_argument(
        "--drive", action="store_true", help="write a bag with camera, depth, TF and truth into DIR"
    )
    drive.add_argument("--seconds", type=float, default=30.0, help="length (default: 30)")
    drive.add_argument("--rate", type=float, default=10.0, help="images a second (default: 10)")
    drive.add_argument(
        "--images",
        choices=("raw", "compressed", "both"),
        default="raw",
        help="topics of the camera (default: raw)",
    )
    drive.add_argument(
        "--depth",
        choices=("exact", "stereo", "none"),
        default="exact",
        help="16UC1 depth: exact, or with a stereo camera's errors (default: exact)",
    )
    drive.add_argument(
        "--video",
        type=Path,
        metavar="FILE",
        help="write the camera's images as H.264, too (needs av)",
    )


def run(args: argparse.Namespace) -> int:
    """Renders; 0 on success."""
    if args.drive:
        _refuse_idle(args, _OF_IMAGES, "with --drive")
    else:
        _refuse_idle(args, _OF_DRIVES, "without --drive")
        if args.cutouts is None:
            _refuse_idle(args, {"cutout_list": None}, "without --cutouts")
    return _drive(args) if args.drive else _images(args)


def _refuse_idle(args: argparse.Namespace, options: Mapping[str, object], where: str) -> None:
    """Raise ConfigError for options that would be ignored."""
    if idle := changed_options(args, options):
        raise ConfigError(f"{idle}: no effect {where}.")


def _images(args: argparse.Namespace) -> int:
    from mtv_perception.synthetic import generate

    if args.count is None:
        raise ConfigError("mtv synth: expected --count N, or --drive for a bag; got neither.")
    names = (
        None
        if args.cutout_list is None
        else [line.strip() for line in args.cutout_list.read_text().splitlines() if line.strip()]
    )
    height, width = args.size
    generate(
        args.out,
        args.count,
        args.seed,
        args.split,
        args.cutouts,
        args.workers,
        (height, width),
        keep_cutouts=names,
    )
    return 0


def _drive(args: argparse.Namespace) -> int:
    from contextlib import nullcontext

    from mtv_perception.synthetic.drive.record import RecordOptions, record_drive
    from mtv_perception.synthetic.drive.studio import DriveFrame, DriveOptions, DriveStudio
    from mtv_perception.visual.video import VideoWriter

    if args.out.exists():
        raise ConfigError(f"{args.out}: expected no such folder, found one: choose another.")
    options = DriveOptions(args.seconds, args.rate, args.seed, tuple(args.size), args.split)
    video = nullcontext() if args.video is None else VideoWriter(args.video, args.rate)
    with DriveStudio(options) as studio, video as film:

        def shown(frame: DriveFrame, index: int) -> DriveFrame:
            if film is not None:
                film.write(frame.rgb)
            print(f"\rsynth: {index + 1} of {len(studio.times)} frames", end="", file=sys.stderr)
            return frame

        frames = (shown(studio.shoot(k), k) for k in range(len(studio.times)))
        counts = record_drive(studio, args.out, RecordOptions(args.images, args.depth), frames)
    print(file=sys.stderr)
    for topic, count in sorted(counts.items()):
        print(f"{count:7d}  {topic}")
    return 0
