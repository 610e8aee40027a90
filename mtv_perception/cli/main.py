"""`mtv`: finds the subcommand's module and runs it; nothing is imported that the subcommand does not need."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from mtv_perception.errors import MtvError

COMMANDS = {
    "predict": "images, folders or videos to overlays, masks and JSON lines",
    "train": "train a network from a configuration file",
    "evaluate": "COCO AP, IoU, confusion and latency of a model on labelled images",
    "tune": "choose thresholds on validation images from one pass of the network",
    "export": "turn a run's best weights into a model folder, with a parity report",
    "bench": "latency of every stage, memory, threads",
    "stats": "class balance, box sizes and suggested default boxes of labelled images",
    "synth": "render synthetic warehouse images with exact boxes and masks",
    "replay": "a bag, video or image folder through the perceiver, offline",
    "compare": "what changed between two replayed runs",
    "view": "a run in the Rerun viewer: image, boxes, mask, plots",
    "summary": "parameters, multiply-adds and output shapes of a network",
    "doctor": "what this machine has and lacks, with the fix for each",
}


def make_parser(command: str | None) -> argparse.ArgumentParser:
    """The parser, with the options of `command` alone filled in."""
    parser = argparse.ArgumentParser(prog="mtv", description=__import__("mtv_perception").__doc__)
    parser.add_argument("-v", "--verbose", action="store_true", help="say more about what is done")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if name == command:
            importlib.import_module(f"mtv_perception.cli.{name}").configure(subparser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; errors of this package and bad arguments are one line and exit status 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((item for item in arguments if item in COMMANDS), None)
    try:
        args = make_parser(command).parse_args(arguments)
        logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format="%(message)s")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        status: int = importlib.import_module(f"mtv_perception.cli.{args.command}").run(args)
    except (MtvError, ValueError) as error:
        sys.stderr.write(f"mtv: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return status
