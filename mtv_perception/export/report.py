"""A network in several precisions, and what each costs: size, output errors, AP and IoU side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.sample import Dataset
from mtv_perception.errors import ArtefactError
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.export.artefact import export_artefact
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.runtime.artefact import Artefact, write_artefact
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.training.validation import EVALUATION


@dataclass(frozen=True)
class PrecisionReport:
    """One precision.

    Attributes:
        precision: float32, float16 or int8.
        folder: of the artefact, written or not.
        refused: why nothing was written; empty if it was.
        megabytes: size of the model file.
        errors: worst relative error of each raw output against the network.
        scores: as `mtv evaluate` gives them; empty without labelled data.
    """

    precision: str
    folder: Path
    refused: str = ""
    megabytes: float = 0.0
    errors: dict[str, float] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return {
            "folder": str(self.folder),
            "refused": self.refused or None,
            "megabytes": self.megabytes,
            "errors": self.errors,
            "scores": self.scores,
        }


def export_precisions(
    network: MultitaskNetwork,
    folder: Path,
    precisions: Sequence[str],
    calibration: Sequence[np.ndarray],
    describe: dict[str, Any],
    dataset: Dataset | None = None,
) -> list[PrecisionReport]:
    """Write the first precision to `folder` and each other to a folder of its name below it.

    A precision whose outputs differ too much from the network's is refused and not written; the others are.

    Args:
        network: with its final weights.
        folder: of the first artefact.
        precisions: of export.convert.PRECISIONS.
        calibration: images of the network's size, for int8 and to compare outputs on.
        describe: fields of ModelSpec.
        dataset: to score each precision on; its figures also go into the artefact.
    """
    reports = []
    for precision in dict.fromkeys(precisions):
        target = folder if precision == precisions[0] else folder / precision
        try:
            artefact, errors = export_artefact(network, target, precision, calibration, describe)
        except ArtefactError as error:
            reports.append(PrecisionReport(precision, target, refused=str(error)))
            continue
        scores = {} if dataset is None else _score(artefact, dataset)
        megabytes = len(artefact.content) / 1e6
        reports.append(PrecisionReport(precision, target, "", megabytes, errors, scores))
    return reports


def _score(artefact: Artefact, dataset: Dataset) -> dict[str, Any]:
    """The artefact's scores, which it then carries itself."""
    perceiver = Perceiver(artefact, EVALUATION)
    scores = evaluate(perceiver, dataset, with_boundaries=False, title=artefact.spec.precision).to_json()
    shown = {"data": dataset.name, **{name: scores[name] for name in ("images", "map", "map50", "miou")}}
    write_artefact(artefact.folder, replace(artefact.spec, metrics=shown), artefact.content)
    return scores
