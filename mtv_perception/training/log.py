"""What a run writes about itself: a CSV of every logged step, and TensorBoard events."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf


class RunLog:
    """Appends figures to `curves.csv` and TensorBoard.

    Args:
        folder: the run's.
        step: lines of later steps, left by a run that was killed after its checkpoint, are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / "curves.csv"
        self._writer = tf.summary.create_file_writer(str(folder / "tensorboard"))
        kept = []
        if step and self._path.is_file():
            with self._path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.reader(file) if row and row[0].isdigit() and int(row[0]) < step]
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


def read_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """All logged figures of a run: (step, value) pairs by name."""
    curves: dict[str, list[tuple[int, float]]] = {}
    with (folder / "curves.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            curves.setdefault(row["name"], []).append((int(row["step"]), float(row["value"])))
    return curves
