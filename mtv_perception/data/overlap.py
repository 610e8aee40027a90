"""Images that stand in several data sets, or on both sides of a training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mtv_perception.data.sample import Dataset
from mtv_perception.errors import DatasetError


def shared_files(first: Iterable[Dataset], second: Iterable[Dataset]) -> list[Path]:
    """The image files that data sets of both groups name, in the order of their paths."""
    return sorted(_files(first) & _files(second))


def _files(datasets: Iterable[Dataset]) -> set[Path]:
    return {sample.image_path.resolve() for dataset in datasets for sample in dataset.samples}


def refuse_repeated(datasets: Iterable[tuple[str, Sequence[Dataset]]]) -> None:
    """Refuse an image file that stands in two data sets: it would count twice, or train and judge.

    Args:
        datasets: the name and the parts of each; parts of one may share images.

    Raises:
        DatasetError: names both, and such a file.
    """
    owners: dict[Path, str] = {}
    for name, parts in datasets:
        own = _files(parts)
        again = {path: owners[path] for path in own if path in owners}
        if again:
            path = min(again)
            raise DatasetError(
                f"{name}: expected images that no data set before it has, got {len(again)} of "
                f"{again[path]} again, such as {path}: give each image in one data set."
            )
        owners |= dict.fromkeys(own, name)
