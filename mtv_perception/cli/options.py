"""Options that several commands share, and the bounds of their values."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path


def positive(text: str) -> int:
    """A whole number of at least 1, as an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return int(text)


def share(text: str) -> float:
    """A number of 0 to 1, as an option."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number of 0 to 1, got {text!r}")
    return value


def add_max_pixels(parser: argparse.ArgumentParser) -> None:
    """Declare `--max-pixels`, which the nodes have as the parameter `max_pixels`."""
    parser.add_argument(
        "--max-pixels",
        type=positive,
        metavar="N",
        help="refuse larger images (default: 8388608 for images of bags, as the node; "
        "50000000 for files)",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Declare `--threads` of the network."""
    parser.add_argument(
        "--threads",
        type=positive,
        default=2,
        metavar="N",
        help="CPU threads of the network (default: %(default)s)",
    )


def add_topics(parser: argparse.ArgumentParser) -> None:
    """Declare `--topics`, which choose the cameras of a bag."""
    parser.add_argument(
        "--topics",
        nargs="+",
        default=(),
        metavar="[NAME=]TOPIC",
        help="image topics of a bag; NAME prefixes the results (default: every camera)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Declare `--model`."""
    parser.add_argument(
        "--model",
        default="warehouse",
        metavar="MODEL",
        help="model folder, or the name of a bundled one (default: %(default)s)",
    )


def changed_options(args: argparse.Namespace, defaults: Mapping[str, object]) -> str:
    """The options whose values are not their defaults, as `--a, --b`; empty if there are none.

    Args:
        args: the parsed command line.
        defaults: the default of each option to look at, by its name in `args`.
    """
    changed = [name for name, default in defaults.items() if getattr(args, name) != default]
    return ", ".join(f"--{name.replace('_', '-')}" for name in changed)


def local_path(text: str) -> Path:
    """A path; one that begins with ./ stays that of a folder here, and is no bundled model's name."""
    return Path(text).absolute() if text.startswith("./") else Path(text)
