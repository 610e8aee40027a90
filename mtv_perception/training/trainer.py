"""A training run from first weights to best checkpoint.

Killed at any time, it goes on exactly where it was.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mtv_perception.config import load, read_record, to_plain
from mtv_perception.data.pipeline import training_batches
from mtv_perception.errors import ConfigError
from mtv_perception.network.multitask import MultitaskNetwork, build_network
from mtv_perception.plots.curves import plot_curves
from mtv_perception.resources import write_whole
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.initial import (
    aligned_with_initial,
    load_backbone,
    load_initial,
    trained_for,
)
from mtv_perception.training.inputs import first_images, open_scenes, target_encoder
from mtv_perception.training.keras_model import KerasModel
from mtv_perception.training.pace import Pace, learning_rate
from mtv_perception.training.runs.log import VALIDATION, RunLog, messages_to, read_curves
from mtv_perception.training.runs.provenance import (
    RUN_FILE,
    check_data,
    note_data,
    note_initial,
    note_run,
)
from mtv_perception.training.state import (
    BEST_FILE,
    load_averaged,
    read_step,
    restore_state,
    save_state,
)
from mtv_perception.training.step import TrainingStep
from mtv_perception.training.strategy import is_chief, make_strategy
from mtv_perception.training.trained import note_trained
from mtv_perception.training.update import freeze_layers, freeze_norms
from mtv_perception.training.validation import figures_table
from mtv_perception.yaml_text import format_yaml

_LOG = logging.getLogger(__name__)
_LAST_FILE = "last.npz"
_LOG_EVERY = 10

Validate = Callable[[KerasModel], Mapping[str, Any]]
"""Judges a model; returns figures by name, None where one does not apply.

If it has a method `examples(model)`, the pictures that gives, `(N, H, W, 3)` uint8 RGB, go to TensorBoard.
"""


class Trainer:
    """A run in its folder.

    Args:
        config: what to train.
        folder: for checkpoints and logs; its `config.yaml` must agree when resuming. Of several
            workers, which share it, the chief alone writes there.
        validate: judges the averaged weights; none trains without and keeps the last as best.
        resume: go on from the folder's last checkpoint.

    Raises:
        ConfigError: the folder holds another run, or one and `resume` is false.
        DatasetError: the training data has faults.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        validate: Validate | None = None,
        resume: bool = False,
    ) -> None:
        self._folder, self._validate = folder, validate
        self._scratch = None if is_chief() else TemporaryDirectory(prefix="mtv-worker-")
        self._output = Path(self._scratch.name) if self._scratch else folder
        self._source = open_scenes(config)
        # The run's configuration says with what its network lines up; a resumed run keeps to that.
        self._config = config if resume else aligned_with_initial(config)
        self._claim_folder(resume)
        config = self._config
        keras.utils.set_random_seed(config.seed)
        keras.mixed_precision.set_global_policy(config.mixed_precision)
        self._strategy = make_strategy(config.devices)
        with self._strategy.scope():
            self.network = build_network(config.network)
            if config.pretrained and not resume:
                load_backbone(self.network, config.pretrained)
            if config.initial and not resume:
                file = load_initial(
                    self.network,
                    config.initial,
                    lambda: first_images(self._source),
                    config.initial_from,
                )
                note_initial(self._output, file)
            freeze_norms(self.network, config.freeze_norms)
            if (
                config.freeze_norms not in ("all", "statistics")
                and config.batch_size < 2 * self._strategy.num_replicas_in_sync
            ):
                _LOG.warning(
                    "batch_size %d: a device sees one image, so that norms of 1x1 maps learn no "
                    "statistics and spoil the mask; expected at least 2 images a device, or "
                    "`freeze_norms: all` or `statistics`",
                    config.batch_size,
                )
            freeze_layers(self.network.model, config.freeze)
            self._step = TrainingStep(self.network, config.losses, config.optimiser)
        if not resume:
            note_trained(self._output, trained_for(self.network, config, self._source.datasets))
        self._evaluated = build_network(config.network)
        self._variables = self._step.variables()
        self._done = restore_state(folder / _LAST_FILE, self._variables) if resume else 0
        self._log = RunLog(self._output, self._done)
        self._pace, self._over = Pace(config.steps, config.minutes, self._output), False
        self._best = self._read_best()

    def _claim_folder(self, resume: bool) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        text = format_yaml(to_plain(self._config))
        if not resume and self._holds_weights():
            raise ConfigError(
                f"{self._folder}: expected an empty run folder, got one with a checkpoint; use --resume, or another."
            )
        if resume and not (self._folder / _LAST_FILE).exists():
            raise ConfigError(f"{self._folder}: expected a run to resume, found no checkpoint.")
        if not resume:
            for rest in ("best.yaml", "clock.yaml"):
                (self._output / rest).unlink(missing_ok=True)
            write_whole(self._output / "config.yaml", text)
        else:
            self._check_unchanged(self._folder / "config.yaml")
            check_data(self._folder, self._source.datasets)
        note_run(self._output)
        if not resume:
            note_data(self._output, self._source.datasets)

    def _holds_weights(self) -> bool:
        """Whether the folder holds other weights than those that its run began with."""
        best = self._folder / BEST_FILE
        began = (self._folder / RUN_FILE).exists() and best.exists() and read_step(best) == 0
        return (self._folder / _LAST_FILE).exists() or (best.exists() and not began)

    def _check_unchanged(self, path: Path) -> None:
        """ConfigError, naming the keys, unless the run began with this configuration.

        It keeps the alignment that the run took over from its first weights.
        """
        config = load(TrainConfig, path)
        if self._config.network.aligned_hw is None:
            network = replace(self._config.network, aligned_hw=config.network.aligned_hw)
            self._config = replace(self._config, network=network)
        begun, given = to_plain(config), to_plain(self._config)
        changed = [key for key in given if given[key] != begun[key]]
        if changed:
            raise ConfigError(
                f"{path}: expected the configuration the run began with, got another {', '.join(changed)}; "
                "to begin a new run from its weights, write `initial: RUN` into a configuration."
            )

    def batches(self) -> Iterator[Any]:
        """The batches from the step that is due to the end of the run.

        As `data.pipeline` makes them.
        """
        config = self._config
        encoder = target_encoder(self.network, config)
        indices = range(self._done * config.batch_size, config.steps * config.batch_size)
        batches = training_batches(
            self._source, encoder, indices, config.batch_size, config.workers
        )
        return iter(self._strategy.experimental_distribute_dataset(batches))

    def compiled_step(self) -> Callable[[Any], dict[str, tf.Tensor]]:
        """The step over all devices as one graph: a batch in, what to log out."""
        strategy, step = self._strategy, self._step

        # Without AutoGraph, which reads source files while tracing and trips over an upgrade during
        # a long run.
        @tf.function(autograph=False)
        def run(batch: Any) -> dict[str, tf.Tensor]:
            logged = strategy.run(step, args=(batch,))
            return {
                n: strategy.reduce(tf.distribute.ReduceOp.MEAN, v, axis=None)
                for n, v in logged.items()
            }

        return run

    def train(self) -> dict[str, Any]:
        """Run to the end; returns the best validation's figures (empty without validation).

        Raises:
            ConfigError: the validation sets don't have what `monitor` names.
            FloatingPointError: the loss or its gradient is no longer finite; the last checkpoint is
                from before.
        """
        with messages_to(self._output / "train.log", _LOG):
            return self._train()

    def _train(self) -> dict[str, Any]:
        config, run = self._config, None
        progress = self._progress_bar()
        batches = iter(()) if self._pace.is_over(self._done) else self.batches()
        begin, started = self._done, time.monotonic()
        if config.validate_first and not begin:
            self._judge()
        for batch in batches:
            run = run or self.compiled_step()
            rate = learning_rate(self._config, self._done, self._pace)
            self._step.optimiser.learning_rate.assign(rate)
            logged = run(batch)
            if self._done % _LOG_EVERY == 0:
                values = self._finite(logged)
                # The first step is mostly tracing.
                steps = max(self._done - begin - 1, 0)
                speed = steps * config.batch_size / max(time.monotonic() - started, 1e-6)
                self._log.scalars(
                    self._done, {**values, "learning_rate": rate, "images_per_second": speed}
                )
                shown = {"images_s": f"{speed:.1f}"} if steps else {}
                progress.set_postfix(loss=f"{values['total']:.3f}", **shown)
            self._done += 1
            self._over = self._pace.is_over(self._done)
            self._advance(progress)
            started = time.monotonic() if self._done == begin + 1 else started
            if self._is_due(config.validate_every):
                self._finite(logged)
                self._judge()
            if self._is_due(config.checkpoint_every):
                self._finite(logged)
                self._keep()
            if self._over:
                break
        progress.close()
        return self._best

    def _keep(self) -> None:
        """Write the state from which the run goes on."""
        save_state(self._output / _LAST_FILE, self._variables, self._done)
        self._pace.keep()

    def _is_due(self, every: int) -> bool:
        return self._over or self._done % every == 0

    def _progress_bar(self) -> tqdm:
        """Counts seconds where the run's time is limited, and else steps."""
        minutes = self._config.minutes
        total = round(minutes * 60) if minutes else self._config.steps
        return tqdm(
            total=total,
            initial=min(round(self._pace.spent_s), total) if minutes else self._done,
            unit="s" if minutes else "step",
            dynamic_ncols=True,
            mininterval=5,
        )

    def _advance(self, progress: tqdm) -> None:
        if self._config.minutes:
            progress.set_description(f"step {self._done}", refresh=False)
            progress.update(min(round(self._pace.spent_s), progress.total) - progress.n)
        else:
            progress.update()

    def _finite(self, logged: Mapping[str, tf.Tensor]) -> dict[str, float]:
        """The figures of a step as numbers.

        FloatingPointError where the loss or its gradient is none.
        """
        values = {name: float(value) for name, value in logged.items()}
        # A gradient that is none has made weights that are none, of which only the next step's loss
        # would tell.
        if not np.isfinite([values["total"], values["gradient_norm"]]).all():
            raise FloatingPointError(
                f"Expected a finite loss and gradient at step {self._done}, got {values}."
            )
        return values

    def _judge(self) -> None:
        """Validate the averaged weights, and keep them when they are the best so far."""
        for target, value in zip(
            self._evaluated.model.weights, self._step.averaged_weights(), strict=True
        ):
            target.assign(value)
        model = KerasModel(self._evaluated)
        figures = self._validate(model) if self._validate else {}
        score = self._score(figures)
        plain = {name: float(v) for name, v in figures.items() if isinstance(v, (int, float))}
        self._log.scalars(
            self._done, {f"{VALIDATION}{name}": value for name, value in plain.items()}
        )
        draw = getattr(self._validate, "examples", None)
        if draw is not None:
            self._log.images(self._done, "examples", draw(model))
        best = max(score, self._best.get("score", score))
        _LOG.info("step %d: score %.4f, best %.4f", self._done, score, best)
        if figures:
            _LOG.info("%s", figures_table(figures))
        if score >= self._best.get("score", float("-inf")):
            self._best = {"score": score, "step": self._done, **plain}
            if self._done:  # Best weights that no run could go on from would block the folder.
                self._keep()
            save_state(
                self._output / BEST_FILE, {"average": self._evaluated.model.weights}, self._done
            )
            write_whole(self._output / "best.yaml", format_yaml(self._best))
        plot_curves(read_curves(self._output), self._output / "curves.png")

    def _score(self, figures: Mapping[str, Any]) -> float:
        """The mean of the monitored figures that apply.

        Without validation the step, which makes the last the best.
        """
        if self._validate is None:
            return float(self._done)
        unknown = [name for name in self._config.monitor if name not in figures]
        if unknown:
            raise ConfigError(
                f"monitor: expected figures of {', '.join(figures)}, got {unknown[0]!r}."
            )
        usable = [float(figures[n]) for n in self._config.monitor if figures[n] is not None]
        if not usable:
            raise ConfigError(
                f"monitor: expected a figure with a value, got none in {dict(figures)!r}."
            )
        return float(np.mean(usable))

    def _read_best(self) -> dict[str, Any]:
        path = self._folder / "best.yaml"
        return read_record(path, "step") if self._done and path.is_file() else {}


def load_run(folder: Path) -> tuple[TrainConfig, MultitaskNetwork]:
    """A finished run's configuration and its network with the best averaged weights."""
    config = load(TrainConfig, folder / "config.yaml")
    network = build_network(config.network)
    load_averaged(network, folder)
    return config, network
