#!/usr/bin/env python3
"""Trains a configuration by Keras on PyTorch, where that reaches an accelerator and TensorFlow does
not.

    scripts/train_torch.py research/stages/warehouse-stage8.yaml --run runs/warehouse-stage8

Data, network, losses and updates are those of `mtv train`, and so is what the run folder holds to
export. Made for runs of minutes: there is no validation and no going on; every checkpoint is kept
(`step-N.npz`), the last one is `best.npz`. Wants torch and keras beside the package, and no
TensorFlow.
"""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import cv2
import keras
import numpy as np
import torch
import yaml

from mtv_perception.config import load, to_plain
from mtv_perception.data.source import ExampleSource
from mtv_perception.errors import ConfigError, MtvError
from mtv_perception.network.multitask import MultitaskNetwork, build_network, normalise
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.initial import load_backbone, load_initial
from mtv_perception.training.inputs import first_images, open_scenes, target_encoder
from mtv_perception.training.losses.multitask import MultitaskLoss
from mtv_perception.training.losses.weighting import TaskWeighting
from mtv_perception.training.provenance import note_initial, note_run
from mtv_perception.training.schedule import warmup_cosine
from mtv_perception.training.state import BEST_FILE, save_state
from mtv_perception.training.update import (
    average_decay,
    freeze_layers,
    freeze_norms,
    make_optimiser,
)

_LOG_EVERY = 20
Batch = dict[str, torch.Tensor]


class Examples(torch.utils.data.Dataset):
    """Examples by index, for a loader's worker processes."""

    def __init__(self, source: ExampleSource, count: int) -> None:
        self._source, self._count = source, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self._source(index)


def join(examples: list[dict[str, np.ndarray]]) -> Batch:
    """A batch of examples; PyTorch has next to no operations on uint16."""
    arrays = {name: np.stack([example[name] for example in examples]) for name in examples[0]}
    return {
        name: torch.from_numpy(array.astype(np.int32) if array.dtype == np.uint16 else array)
        for name, array in arrays.items()
    }


def batches(source: ExampleSource, config: TrainConfig, workers: int) -> Iterator[Batch]:
    """The run's batches, on the device."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loader = torch.utils.data.DataLoader(
        Examples(source, config.steps * config.batch_size),
        batch_size=config.batch_size,
        num_workers=workers,
        collate_fn=join,
        multiprocessing_context="fork" if workers else None,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=4 if workers else None,
        worker_init_fn=lambda _: cv2.setNumThreads(1),
    )
    for batch in loader:
        yield {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


class TorchStep:
    """Everything that changes during training, and how one batch changes it (as `training.step` for
    TensorFlow).
    """

    def __init__(self, network: MultitaskNetwork, config: TrainConfig) -> None:
        self._model = network.model
        self._loss = MultitaskLoss(network, config.losses)
        self._weighting = TaskWeighting(config.losses.weighting, config.losses.task_weights)
        self._trained = [*self._model.trainable_variables, *self._weighting.variables]
        self.optimiser = make_optimiser(config.optimiser)
        self.optimiser.build(self._trained)
        self._clip_norm, self._decay = config.optimiser.clip_norm, config.optimiser.ema
        self._half = config.mixed_precision != "float32"
        self._weights = [v.value.data for v in self._model.weights]
        self.average = [weight.clone() for weight in self._weights]
        self._updates = 0.0

    def __call__(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Train on one batch and return what to log, scalars by name."""
        parameters = [v.value for v in self._trained]
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        losses = self._loss(self._model(normalise(batch["images"]), training=True), batch)
        total, _ = self._weighting(losses)
        total.backward()
        gradients, norm = self._bounded([parameter.grad for parameter in parameters])
        with torch.no_grad():
            self.optimiser.apply(gradients, self._trained)
            self._updates += 1
            share = 1 - average_decay(self._decay, self._updates)
            for average, weight in zip(self.average, self._weights, strict=True):
                average.lerp_(weight, share)
        return {
            "total": total.detach(),
            "gradient_norm": norm,
            **{n: v.detach() for n, v in losses.items()},
        }

    def _bounded(self, gradients: list[torch.Tensor]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Gradients clipped to the largest norm, and their norm before; in half precision an
        overflow is no step.
        """
        norm = torch.nn.utils.get_total_norm(gradients)
        if self._half:
            gradients = [torch.where(norm.isfinite(), gradient, 0.0) for gradient in gradients]
            norm = torch.where(norm.isfinite(), norm, 0.0)
        share = (self._clip_norm / norm.clamp(min=self._clip_norm)) if self._clip_norm else 1.0
        return [gradient * share for gradient in gradients], norm


def train(config: TrainConfig, run: Path, workers: int) -> None:
    """Run to the end.

    Raises:
        MtvError: faulty data, nothing to begin with, or a folder with another run.
        FloatingPointError: the loss is no longer finite.
    """
    if config.mixed_precision == "mixed_float16":
        raise ConfigError("mixed_precision: expected float32 or mixed_bfloat16, got mixed_float16.")
    if any(run.glob("*.npz")):
        raise ConfigError(f"{run}: expected a new folder, got one with checkpoints.")
    keras.utils.set_random_seed(config.seed)
    keras.mixed_precision.set_global_policy(config.mixed_precision)
    torch.backends.cudnn.benchmark = True
    network, scenes = build_network(config.network), open_scenes(config)
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.yaml").write_text(
        yaml.safe_dump(to_plain(config), sort_keys=False), encoding="utf-8"
    )
    note_run(run)
    if config.pretrained:
        load_backbone(network, config.pretrained)
    if config.initial:
        note_initial(run, load_initial(network, config.initial, lambda: first_images(scenes)))
    freeze_norms(network.model, config.freeze_norms)
    freeze_layers(network.model, config.freeze)
    step = TorchStep(network, config)
    source = ExampleSource(scenes, target_encoder(network, config))
    begin = ready = time.monotonic()
    waited, told = 0.0, 0
    for done, batch in enumerate(batches(source, config, workers), start=1):
        waited += time.monotonic() - ready
        rate = warmup_cosine(
            done - 1, config.steps, config.optimiser.learning_rate, config.optimiser.warmup
        )
        step.optimiser.learning_rate.assign(rate)
        logged = step(batch)
        is_kept = done % config.checkpoint_every == 0 or done == config.steps
        if done % _LOG_EVERY == 0 or is_kept:
            values = {name: float(value) for name, value in logged.items()}
            if not np.isfinite(list(values.values())).all():
                raise FloatingPointError(
                    f"Expected a finite loss and gradient at step {done}, got {values}."
                )
            seconds = time.monotonic() - begin
            pace = f"{(done - told) * config.batch_size / seconds:.1f} images/s, {waited / seconds:.0%} waiting"
            shown = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
            print(f"step {done}/{config.steps}: {pace}, rate {rate:.2e}, {shown}", flush=True)
            begin, waited, told = time.monotonic(), 0.0, done
        if is_kept:
            averages = {"average": [average.cpu() for average in step.average]}
            save_state(run / f"step-{done}.npz", averages, done)
        ready = time.monotonic()
    save_state(run / BEST_FILE, averages, config.steps)


def main() -> int:
    """Train, say what went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, help="YAML file, see config/train/")
    parser.add_argument("--run", type=Path, required=True, help="run folder to write")
    parser.add_argument(
        "--workers", type=int, help="processes that prepare images (default: the configuration's)"
    )
    args = parser.parse_args()
    try:
        config = load(TrainConfig, args.config)
        train(config, args.run, config.workers if args.workers is None else args.workers)
    except (MtvError, ValueError, FloatingPointError) as error:
        parser.error(str(error))
    print(f"{args.run}: {config.steps} steps")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
