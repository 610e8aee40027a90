"""What a run writes about itself: a CSV of every logged step, and TensorBoard events."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

VALIDATION = "validation/"
"""Beginning of the names of validation figures."""


class RunLog:
    """Appends figures to `curves.csv` and TensorBoard.

    Args:
        folder: the run's.
        step: what was logged after the checkpoint of this step, by a run that was killed later, is dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / "curves.csv"
        self._writer = tf.summary.create_file_writer(str(folder / "tensorboard"))
        kept = []
        if step and self._path.is_file():
            with self._path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.reader(file) if _is_before(row, step)]
        with self._path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["step", "name", "value"], *kept])

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log figures of a step."""
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([step, name, repr(float(value))] for name, value in values.items())
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)
        self._writer.flush()

    def images(self, step: int, name: str, images: np.ndarray) -> None:
        """Log `(N, H, W, 3)` uint8 RGB pictures."""
        with self._writer.as_default():
            tf.summary.image(name, images, step=step, max_outputs=len(images))
        self._writer.flush()


def _is_before(row: list[str], step: int) -> bool:
    """Whether a row was logged before the checkpoint of a step, which follows that step's validation."""
    if len(row) != 3 or not row[0].isdigit():
        return False
    return int(row[0]) < step or (int(row[0]) == step and row[1].startswith(VALIDATION))


def read_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """All logged figures of a run: (step, value) pairs by name."""
    curves: dict[str, list[tuple[int, float]]] = {}
    with (folder / "curves.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            curves.setdefault(row["name"], []).append((int(row["step"]), float(row["value"])))
    return curves
