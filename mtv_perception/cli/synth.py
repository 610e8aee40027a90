"""`mtv synth`: synthetic warehouse images with boxes and masks."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "render synthetic warehouse images with exact boxes and masks"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to write; an unfinished set made with the same options is continued",
    )
    parser.add_argument(
        "--count", type=int, required=True, metavar="N", help="images in the finished set"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="image i depends only on the options, the seed and i (default 0)",
    )
    parser.add_argument(
        "--split",
        choices=("train", "heldout"),
        default="train",
        help="disjoint pools of textures, colours and designs (default train)",
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
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(480, 640),
        metavar=("H", "W"),
        help="pixels (default 480 640)",
    )


def run(args: argparse.Namespace) -> int:
    """Renders; 0 on success."""
    from mtv_perception.synthetic import generate

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
