"""What a run writes about itself: a CSV of every logged step, TensorBoard events, and messages."""

from __future__ import annotations

import csv
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

VALIDATION = "validation/"
"""Beginning of the names of validation figures."""


class RunLog:
    """Appends figures to `curves.csv` and TensorBoard.

    Args:
        folder: the run's.
        step: what was logged after the checkpoint of this step, by a run that was killed later, is
            dropped; events go to a folder `from-STEP`.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / "curves.csv"
        events = folder / "tensorboard"
        if step:
            # Events can't be taken back: a resumed run draws curves of its own beside the killed
            # one's.
            events /= f"from-{step}"
            shutil.rmtree(events, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(events))
        kept = []
        if step and self._path.is_file():
            with self._path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.reader(file) if _is_before(row, step)]
        with self._path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["step", "name", "value"], *kept])

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log figures of a step."""
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(
                [step, name, repr(float(value))] for name, value in values.items()
            )
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
    """Whether a row was logged before the checkpoint of a step.

    Which follows that step's validation.
    """
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


@contextmanager
def messages_to(path: Path, logger: logging.Logger) -> Iterator[None]:
    """Append a logger's messages to a file as long as the context lasts.

    From INFO on whatever the program shows.
    """
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        handler.close()
