"""`mtv train CONFIG.yaml`: a training run in its folder."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

HELP = "train a network from a configuration file"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", type=Path, help="YAML file, see config/train/")
    parser.add_argument(
        "--run", type=Path, help="run folder (default: runs/NAME of the configuration)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the folder's last checkpoint"
    )


def run(args: argparse.Namespace) -> int:
    """Train, then print where the best checkpoint is."""
    from mtv_perception.config import load
    from mtv_perception.data.formats.open import open_datasets
    from mtv_perception.training.config import TrainConfig

    logging.getLogger("mtv_perception").setLevel(logging.INFO)
    config = load(TrainConfig, args.config)
    # Before TensorFlow is loaded, and the faults of all of them at once.
    datasets = open_datasets([*config.train, *config.validation], config.network.labels)
    counts = [len(dataset.samples) for dataset in datasets]
    trained, validated = sum(counts[: len(config.train)]), sum(counts[len(config.train) :])
    print(f"{trained} images to train on, {validated} to validate; TensorFlow starts", flush=True)

    from mtv_perception.training.trainer import Trainer
    from mtv_perception.training.validation import Validation

    folder = args.run or Path("runs") / args.config.stem
    validate = Validation(config) if config.validation else None
    best = Trainer(config, folder, validate, resume=args.resume).train()
    print(f"best checkpoint: {folder}, step {best.get('step')}, score {best.get('score', 0):.4f}")
    return 0
