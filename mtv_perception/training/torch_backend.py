"""Training by Keras on PyTorch, where that reaches an accelerator and TensorFlow does not.

Data, network, losses and updates are those of the trainer, and so is what the run folder holds to
export. Made for runs of minutes: there is no validation and no resuming; every checkpoint is kept
(`step-N.npz`), the last one is `best.npz`. Needs torch and keras beside the package, and no
TensorFlow. It must be imported before Keras.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"  # Keras reads it when it is imported

import cv2
import keras
import numpy as np
import torch

from mtv_perception.config import to_plain
from mtv_perception.data.source import ExampleSource
from mtv_perception.errors import ConfigError
from mtv_perception.network.multitask import MultitaskNetwork, build_network, normalise
from mtv_perception.resources import write_whole
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.initial import (
    aligned_with_initial,
    load_backbone,
    load_initial,
    trained_for,
)
from mtv_perception.training.inputs import first_images, open_scenes, target_encoder
from mtv_perception.training.losses.multitask import MultitaskLoss
from mtv_perception.training.losses.weighting import TaskWeighting
from mtv_perception.training.pace import Pace, learning_rate
from mtv_perception.training.runs.provenance import note_data, note_initial, note_run
from mtv_perception.training.state import BEST_FILE, save_state
from mtv_perception.training.trained import note_trained
from mtv_perception.training.update import (
    average_decay,
    freeze_layers,
    freeze_norms,
    make_optimiser,
)
from mtv_perception.yaml_text import format_yaml

_LOG = logging.getLogger(__name__)
_LOG_EVERY = 20
Batch = dict[str, torch.Tensor]


class Examples(torch.utils.data.Dataset[dict[str, np.ndarray]]):
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
    """Everything that changes during training, and how one batch changes it.

    As `training.step` for TensorFlow.
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
        """Gradients clipped to the largest norm, and their norm before.

        In half precision an overflow is no step.
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
    step, source = _prepare(config, run)
    speed, pace = _Speed(config), Pace(config.steps, config.minutes, run)
    averages: dict[str, list[torch.Tensor]] = {}
    for done, batch in enumerate(batches(source, config, workers), start=1):
        speed.received()
        rate = learning_rate(config, done - 1, pace)
        step.optimiser.learning_rate.assign(rate)
        logged = step(batch)
        is_over = pace.is_over(done)
        is_kept = done % config.checkpoint_every == 0 or is_over
        if done % _LOG_EVERY == 0 or is_kept:
            come = f"step {done}, {pace.progress(done):.0%} of the run"
            _LOG.info("%s: %s", come, speed.describe(done, rate, logged))
        if is_kept:
            averages = {"average": [average.cpu() for average in step.average]}
            save_state(run / f"step-{done}.npz", averages, done)
        if is_over:
            break
        speed.wait()
    save_state(run / BEST_FILE, averages, done)


def _prepare(config: TrainConfig, run: Path) -> tuple[TorchStep, ExampleSource]:
    """The network with its first weights, the data, and the run folder with what it began with."""
    config = aligned_with_initial(config)
    network, scenes = build_network(config.network), open_scenes(config)
    run.mkdir(parents=True, exist_ok=True)
    write_whole(run / "config.yaml", format_yaml(to_plain(config)))
    note_run(run)
    note_data(run, scenes.datasets)
    if config.pretrained:
        load_backbone(network, config.pretrained)
    if config.initial:
        images = partial(first_images, scenes)
        note_initial(run, load_initial(network, config.initial, images, config.initial_from))
    freeze_norms(network, config.freeze_norms)
    freeze_layers(network.model, config.freeze)
    note_trained(run, trained_for(network, config, scenes.datasets))
    return TorchStep(network, config), ExampleSource(scenes, target_encoder(network, config))


class _Speed:
    """How fast a run is, and how much of the time it waits for data."""

    def __init__(self, config: TrainConfig) -> None:
        self._batch_size = config.batch_size
        self._begin = self._ready = time.monotonic()
        self._waited, self._told = 0.0, 0

    def wait(self) -> None:
        """The step is done, the next batch is wanted."""
        self._ready = time.monotonic()

    def received(self) -> None:
        """The next batch is there."""
        self._waited += time.monotonic() - self._ready

    def describe(self, done: int, rate: float, logged: dict[str, torch.Tensor]) -> str:
        """One line about the steps since the last line.

        FloatingPointError for a loss that is none.
        """
        values = {name: float(value) for name, value in logged.items()}
        if not np.isfinite(list(values.values())).all():
            raise FloatingPointError(
                f"Expected a finite loss and gradient at step {done}, got {values}."
            )
        seconds = time.monotonic() - self._begin
        speed = (done - self._told) * self._batch_size / seconds
        shown = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
        text = (
            f"{speed:.1f} images/s, {self._waited / seconds:.0%} waiting, rate {rate:.2e}, {shown}"
        )
        self._begin, self._waited, self._told = time.monotonic(), 0.0, done
        return text
