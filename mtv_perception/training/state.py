"""Checkpoints: every variable of a run in one plain `.npz`, written whole or not at all."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.errors import WeightsError
from mtv_perception.network.deeplabv3plus import LINK
from mtv_perception.network.multitask import MultitaskNetwork, paths_without_link
from mtv_perception.resources import pointer_hint, whole_file

BEST_FILE = "best.npz"
"""A run's best checkpoint, in its folder."""

Variables = Mapping[str, Sequence[Any]]


def save_state(path: Path, variables: Variables, step: int) -> None:
    """Write groups of variables and the step; an interrupted write leaves the old file."""
    arrays = {
        f"{group}/{i}": np.asarray(v)
        for group, items in variables.items()
        for i, v in enumerate(items)
    }
    with whole_file(path) as written, written.open("wb") as file:
        np.savez(file, step=np.int64(step), **arrays)  # type: ignore[arg-type]  # the stub takes them for flags
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise WeightsError(
            f"{path}: expected a checkpoint, could not read it: {error}{pointer_hint(path)}"
        ) from error


def restore_state(path: Path, variables: Variables) -> int:
    """Read a checkpoint back into the same groups of variables and return its step.

    Raises:
        WeightsError: unreadable, or of another network.
    """
    arrays = _read(path)
    for group, items in variables.items():
        for index, variable in enumerate(items):
            found = arrays.get(f"{group}/{index}")
            if found is None or found.shape != tuple(variable.shape):
                got = "nothing" if found is None else found.shape
                raise WeightsError(
                    f"{path}: expected {group}/{index} of shape {tuple(variable.shape)}, got {got}. "
                    "Another version's run can't be resumed if the layers have changed; "
                    "begin a new run with this file as `initial`."
                )
            variable.assign(found)
    return int(arrays["step"])


def read_step(path: Path) -> int:
    """The step at which a checkpoint was written."""
    return int(_read(path)["step"])


def read_group(path: Path, group: str) -> list[np.ndarray]:
    """One group's arrays in order."""
    arrays = _read(path)
    names = sorted(
        (n for n in arrays if n.startswith(f"{group}/")), key=lambda n: int(n.split("/")[1])
    )
    if not names:
        raise WeightsError(f"{path}: expected weights under {group!r}, found none.")
    return [arrays[name] for name in names]


def run_folder(source: Path) -> Path:
    """The folder of a run, from that folder or from a checkpoint in it.

    The suffix decides, not the disk. A bundled model's name therefore stays a name where the
    working folder is a run.
    """
    return source.parent if source.suffix == Path(BEST_FILE).suffix else source


def checkpoint_file(source: Path) -> Path:
    """A checkpoint file, or the best checkpoint of a run folder.

    Raises:
        WeightsError: there is none.
    """
    path = source / BEST_FILE if source.is_dir() else source
    if not path.exists():
        raise WeightsError(
            f"{path}: expected a checkpoint, found none; a run has one from its first validation on."
        )
    return path


def load_averaged(network: MultitaskNetwork, source: Path) -> None:
    """Set a fresh network's weights to a checkpoint's averaged ones.

    The link of a checkpoint from before version 9 stays untrained and adds nothing. Masks then
    differ slightly: the context is raised in two steps instead of one.

    Args:
        network: of the same layout; its input size may differ.
        source: a checkpoint file, or a run folder (its best checkpoint).

    Raises:
        WeightsError: no checkpoint, or one of another network.
    """
    path = checkpoint_file(source)
    arrays = read_group(path, "average")
    weights = network.model.weights
    by_path = {weight.path: weight for weight in weights}
    if len(arrays) < len(weights) and any(path.startswith(LINK) for path in by_path):
        weights = [by_path[path] for path in paths_without_link(network.config)]
    expected, found = [tuple(w.shape) for w in weights], [a.shape for a in arrays]
    if expected != found:
        raise WeightsError(
            f"{path}: expected the weights of preset {network.config.preset!r}, got another network's."
        )
    for weight, array in zip(weights, arrays, strict=True):
        weight.assign(array)
