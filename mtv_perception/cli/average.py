"""`mtv average`: the mean of the weights of several runs, as a run folder to export."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "average the weights of runs that follow one another"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="run folders of one network"
    )
    parser.add_argument(
        "--shares", type=float, nargs="+", required=True, metavar="S", help="of each run"
    )
    parser.add_argument(
        "--start",
        type=float,
        default=0.0,
        metavar="S",
        help="share of the weights that the first run began with (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, help="run folder to write")


def run(args: argparse.Namespace) -> int:
    """Average, write, print where."""
    from mtv_perception.network.loading import load_tensorflow

    load_tensorflow()
    from mtv_perception.training.runs.averaging import average_runs

    average_runs(args.runs, args.shares, args.start, args.out)
    print(f"{args.out}: the mean of {len(args.runs) + bool(args.start)} sets of weights")
    return 0
