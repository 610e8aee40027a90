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
from mtv_perception.evaluation.settings import SCORING
from mtv_perception.export.artefact import Description, make_artefact
from mtv_perception.export.parity import check_scores
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.runtime.artefact import write_artefact
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.backends.config import LITERT
from mtv_perception.runtime.perceiver import Model, Perceiver
from mtv_perception.runtime.self_test import record
from mtv_perception.training.keras_model import KerasModel


@dataclass(frozen=True)
class PrecisionReport:
    """One precision.

    Attributes:
        precision: float32, float16 or int8, with the engine where that is not LiteRT.
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
    about: Description,
    dataset: Dataset | None = None,
    *,
    largest_drop: float,
) -> list[PrecisionReport]:
    """Write the first precision to `folder` and each other to a folder of its name below it.

    A precision whose outputs or scores differ too much from the network's is refused and not
    written; the others are.

    Args:
        network: with its final weights.
        folder: of the first artefact.
        precisions: of export.convert.PRECISIONS.
        calibration: images of the network's size, for int8 and to compare outputs on.
        about: what the description says beside the network.
        dataset: to score the network and each precision on; its figures also go into the artefact.
        largest_drop: AP and mIoU may be lower than the network's by so much.
    """
    expected = None if dataset is None else scores_of(KerasModel(network), dataset, "network")
    reports = []
    for precision in dict.fromkeys(precisions):
        target = folder if precision == precisions[0] else folder / precision
        try:
            artefact, errors = make_artefact(network, target, precision, calibration, about)
            scores: dict[str, Any] = {}
            if dataset is not None and expected is not None:
                scores = scores_of(artefact, dataset, precision)
                check_scores(scores, expected, largest_drop, precision)
        except ArtefactError as error:
            reports.append(PrecisionReport(precision, target, refused=str(error)))
            continue
        spec = replace(artefact.spec, metrics=_shown(scores))
        golden = record(artefact.open(EngineConfig()), spec.size_hw)
        write_artefact(target, spec, artefact.content, golden=golden)
        megabytes = len(artefact.content) / 1e6
        reports.append(PrecisionReport(precision, target, "", megabytes, errors, scores))
    return reports


def scores_of(model: Model, dataset: Dataset, title: str, backend: str = LITERT) -> dict[str, Any]:
    """The scores of a model as `mtv evaluate` gives them, without boundaries."""
    perceive = Perceiver(model, replace(SCORING, backend=backend))
    return evaluate(perceive, dataset, with_boundaries=False, title=title).to_json()


def _shown(scores: dict[str, Any]) -> dict[str, Any]:
    """What an artefact tells of its scores."""
    names = {"data": "dataset", "images": "images", "map": "map", "map50": "map50", "miou": "miou"}
    return {name: scores[key] for name, key in names.items()} if scores else {}
