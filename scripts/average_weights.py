#!/usr/bin/env python3
"""Averages the weights of runs that follow one another, which often does better on new images than
any of them.

    scripts/average_weights.py runs/first runs/second --shares 0.25 0.25 --start 0.5 --out runs/mean

Writes a run folder to export: the last run's configuration and a checkpoint. `--start` is the share
of the weights that the first run began with (its `initial`). Choose shares on validation images.

Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (the start's share) and
"Model soups".
"""

import argparse
import math
import shutil
import tempfile
from pathlib import Path

import numpy as np

from mtv_perception.config import load
from mtv_perception.errors import MtvError, WeightsError
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.state import BEST_FILE, read_group, save_state
from mtv_perception.training.trainer import Trainer

CONFIG_FILE = "config.yaml"


def first_weights(run: Path) -> list[np.ndarray]:
    """What a run began with."""
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(load(TrainConfig, run / CONFIG_FILE), Path(scratch))
        return [weight.numpy() for weight in trainer.network.model.weights]


def average(parts: list[list[np.ndarray]], shares: list[float]) -> list[np.ndarray]:
    """The weighted mean of lists of arrays.

    Raises:
        WeightsError: the lists are of different networks.
    """
    shapes = [[array.shape for array in part] for part in parts]
    if any(found != shapes[0] for found in shapes):
        raise WeightsError("Expected runs of one network, got other shapes of weights.")
    return [
        np.sum(
            [share * array for share, array in zip(shares, arrays, strict=True)],
            axis=0,
            dtype=np.float32,
        )
        for arrays in zip(*parts, strict=True)
    ]


def main() -> int:
    """Average, write, say where."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="run folders of one network"
    )
    parser.add_argument("--shares", type=float, nargs="+", required=True, help="of each run")
    parser.add_argument(
        "--start", type=float, default=0.0, help="share of the first run's first weights"
    )
    parser.add_argument("--out", type=Path, required=True, help="run folder to write")
    args = parser.parse_args()
    shares = [*args.shares, args.start]
    if len(args.shares) != len(args.runs) or not math.isclose(sum(shares), 1) or min(shares) < 0:
        parser.error(
            f"expected {len(args.runs)} shares that with --start add up to 1, got {shares}"
        )
    if (args.out / BEST_FILE).exists():
        parser.error(f"{args.out}: expected a new folder, got one with {BEST_FILE}")
    try:
        parts = [read_group(run / BEST_FILE, "average") for run in args.runs]
        if args.start:
            parts.append(first_weights(args.runs[0]))
        averaged = average(parts, shares[: len(parts)])
    except MtvError as error:
        parser.error(str(error))
    args.out.mkdir(parents=True, exist_ok=True)
    shutil.copy(args.runs[-1] / CONFIG_FILE, args.out)
    save_state(args.out / BEST_FILE, {"average": averaged}, 0)
    print(f"{args.out}: the mean of {len(parts)} sets of weights")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
