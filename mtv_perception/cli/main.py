"""`mtv`: finds the subcommand's module and runs it; nothing is imported that the subcommand does not need."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import re
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
    """Run one subcommand.

    Returns:
        The exit status. An expected error is told without a traceback: 2 for bad arguments and
        errors of this package, 1 for what happens on the way: a loss that is no number, a full
        disk, an error in TensorFlow's input pipeline.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((item for item in arguments if item in COMMANDS), None)
    try:
        args = make_parser(command).parse_args(arguments)
        logging.basicConfig(
            level=logging.INFO if args.verbose else logging.WARNING, format="%(message)s"
        )
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        status: int = importlib.import_module(f"mtv_perception.cli.{args.command}").run(args)
    except (MtvError, ValueError) as error:
        return _told(str(error), 2)
    except (FloatingPointError, OSError) as error:
        return _told(str(error), 1)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # TensorFlow's own class can't be named here: importing it takes seconds.
        if not type(error).__module__.startswith("tensorflow."):
            raise
        return _told(_first_cause(str(getattr(error, "message", error))), 1)
    return status


def _told(text: str, status: int) -> int:
    sys.stderr.write(f"mtv: {text}\n")
    return status


def _first_cause(text: str) -> str:
    """The line of a TensorFlow error that says what happened; of an error in our own Python code, that error's."""
    lines = [re.sub(r"\{\{.*?\}\} ?", "", line).strip() for line in text.splitlines()]
    causes = [line for line in lines if re.match(r"\w+Error: ", line)]
    return next(iter(causes or filter(None, lines)), "an error in TensorFlow")
