"""`mtv train CONFIG.yaml [KEY=VALUE ...]`: a training run in its folder."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtv_perception.data.sample import shared_files
from mtv_perception.errors import ConfigError

if TYPE_CHECKING:
    from mtv_perception.data.sample import Dataset
    from mtv_perception.training.config import TrainConfig

HELP = "train a network from a configuration file"
_LOG = logging.getLogger(__name__)
BACKENDS = ("tensorflow", "torch")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("config", type=Path, metavar="CONFIG", help="YAML file, see config/train/")
    add(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="settings that replace those of the file: steps=500 losses.weighting=log",
    )
    add(
        "--run",
        type=Path,
        metavar="DIR",
        help="run folder (default: runs/NAME of the configuration)",
    )
    add("--resume", action="store_true", help="go on from the folder's last checkpoint")
    add(
        "--backend",
        choices=BACKENDS,
        default="tensorflow",
        help="torch trains where PyTorch reaches an accelerator and TensorFlow does not; it neither "
        "validates nor resumes (default: %(default)s)",
    )


def _overlap(train: Sequence[Dataset], validation: Sequence[Dataset]) -> str:
    """A sentence where validation judges images that training shows; empty where none."""
    both = shared_files(train, validation)
    if not both:
        return ""
    count = sum(len(dataset) for dataset in validation)
    return (
        f"{len(both)} of {count} validation images are training images too, such as {both[0]}: the "
        "score says nothing about new images; `split` or `take` keeps them apart"
    )


def run(args: argparse.Namespace) -> int:
    """Train, then print where the best checkpoint is."""
    logging.getLogger("mtv_perception").setLevel(logging.INFO)
    # Keras chooses its backend when it is imported, which reading the configuration already does.
    if args.backend == "torch":
        os.environ["KERAS_BACKEND"] = "torch"
    else:
        from mtv_perception.network.loading import load_tensorflow

        load_tensorflow()
    from mtv_perception.config import load
    from mtv_perception.training.config import TrainConfig

    config = load(TrainConfig, args.config, args.overrides)
    folder = args.run or Path("runs") / args.config.stem
    train = {"tensorflow": _on_tensorflow, "torch": _on_torch}[args.backend]
    return train(args, config, folder)


def _on_tensorflow(args: argparse.Namespace, config: TrainConfig, folder: Path) -> int:
    from mtv_perception.data.formats.open import open_datasets

    # The errors of all of them at once.
    datasets = open_datasets([*config.train, *config.validation], config.network.labels)
    counts = [len(dataset.samples) for dataset in datasets]
    overlap = _overlap(datasets[: len(config.train)], datasets[len(config.train) :])
    if overlap:
        _LOG.warning("%s: %s.", args.config, overlap)
    trained, validated = sum(counts[: len(config.train)]), sum(counts[len(config.train) :])
    print(f"{trained} images to train on, {validated} to validate", flush=True)

    from mtv_perception.training.trainer import Trainer
    from mtv_perception.training.validation import Validation

    validate = Validation(config) if config.validation else None
    best = Trainer(config, folder, validate, resume=args.resume).train()
    print(f"best checkpoint: {folder}, step {best.get('step')}, score {best.get('score', 0):.4f}")
    if overlap:  # The first line of a long log is lost.
        print(f"{overlap}.")
    return 0


def _on_torch(args: argparse.Namespace, config: TrainConfig, folder: Path) -> int:
    if args.resume:
        raise ConfigError(
            "--resume: expected --backend tensorflow; the torch backend can't resume."
        )
    if importlib.util.find_spec("torch") is None:
        raise ConfigError("--backend torch: expected PyTorch; install it: pip install torch")

    from mtv_perception.training.torch_backend import train

    train(config, folder, config.workers)
    print(f"last checkpoint: {folder}, step {config.steps}; it was not validated")
    return 0
