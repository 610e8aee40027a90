"""Averages the weights of runs that follow one another.

The mean often does better on new images than any of the runs.

Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (the start's share) and
"Model soups".
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mtv_perception.config import load
from mtv_perception.errors import ConfigError, WeightsError
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.deeplabv3plus import LINK
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.runs.provenance import check_initial
from mtv_perception.training.state import BEST_FILE, checkpoint_file, save_state
from mtv_perception.training.trained import note_trained, trained_of_run
from mtv_perception.training.trainer import Trainer, load_run

_LOG = logging.getLogger(__name__)

CONFIG_FILE = "config.yaml"


def first_weights(run: Path) -> list[np.ndarray]:
    """What a run began with."""
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(load(TrainConfig, run / CONFIG_FILE), Path(scratch))
        check_initial(run, Path(scratch))
        return trainer.network.model.get_weights()


def average(parts: list[list[np.ndarray]], shares: list[float]) -> list[np.ndarray]:
    """The weighted mean of the weights of one network, in one order."""
    return [
        np.asarray(
            np.sum(
                [share * array for share, array in zip(shares, arrays, strict=True)],
                axis=0,
                dtype=np.float32,
            )
        )
        for arrays in zip(*parts, strict=True)
    ]


def average_runs(runs: Sequence[Path], shares: Sequence[float], start: float, out: Path) -> None:
    """Write a run folder to export: the last run's configuration, and the mean as its checkpoint.

    Args:
        runs: run folders of one network.
        shares: of each run; with `start` they add up to 1.
        start: share of the weights that the first run began with (its `initial`).
        out: written; must not hold a checkpoint yet.

    Raises:
        ConfigError: shares that do not add up, or an `out` with a checkpoint.
        WeightsError: no checkpoint in a run, or runs of different networks or classes.
    """
    everything = [*shares, start]
    if len(shares) != len(runs) or not math.isclose(sum(everything), 1) or min(everything) < 0:
        raise ConfigError(
            f"expected {len(runs)} shares that with --start add up to 1, got {everything}"
        )
    if (out / BEST_FILE).exists():
        raise ConfigError(f"{out}: expected a new folder, got one with {BEST_FILE}")
    for run in runs:
        checkpoint_file(run)
    configs = [load(TrainConfig, run / CONFIG_FILE) for run in runs]
    networks = [config.network for config in configs]
    _check_networks(runs, networks)
    if any(network.size_hw != networks[0].size_hw for network in networks):
        sizes = ", ".join("{}x{}".format(*network.size_hw) for network in networks)
        _LOG.warning(
            "expected runs at one input size, got %s; %s has the last one. `mtv export --size` gives another.",
            sizes,
            out,
        )
    models = [load_run(run)[1].model for run in runs]
    parts = [model.get_weights() for model in models]
    if start:
        parts.append(first_weights(runs[0]))
    _share_link(parts, [weight.path for weight in models[0].weights])
    averaged = average(parts, everything[: len(parts)])
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(runs[-1] / CONFIG_FILE, out)
    note_trained(out, trained_of_run(runs[-1], configs[-1]))
    save_state(out / BEST_FILE, {"average": averaged}, 0)


def _share_link(parts: list[list[np.ndarray]], paths: list[str]) -> None:
    """Give parts with an untrained link the kernel and statistics of a trained one.

    A link whose scale is zero adds nothing, whatever its kernel. That kernel is random, and would
    be noise in the mean.
    """
    link = {path: index for index, path in enumerate(paths) if path.startswith(LINK)}
    if not link:
        return
    scale, offset = (link[f"{LINK}_bn/{name}"] for name in ("gamma", "beta"))
    trained = next((part for part in parts if part[scale].any()), None)
    for part in parts:
        if trained is not None and not part[scale].any():
            for index in set(link.values()) - {scale, offset}:
                part[index] = trained[index]


def _check_networks(runs: Sequence[Path], networks: Sequence[NetworkConfig]) -> None:
    """Raise WeightsError unless all networks are the same but for the size of their input.

    A warning where their strided windows lie apart.
    """
    first = networks[0]
    for run, network in zip(runs, networks, strict=True):
        if not network.lines_up_with(first):
            _LOG.warning(
                "%s and %s were trained at sizes whose windows in the last two levels lie half a window "
                "apart; large objects may get worse. Begin the one with `initial` of the other.",
                runs[0],
                run,
            )
        if replace(network, size_hw=first.size_hw, aligned_hw=first.aligned_hw) != first:
            raise WeightsError(
                f"Expected runs of one network with the same classes in the same order, got "
                f"{runs[0]} with {first} and {run} with {network}."
            )
