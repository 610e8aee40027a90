"""Validation while training: the averaged weights through the robot's own post-processing, judged as `mtv evaluate`."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtv_perception.data.open import open_dataset
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.runtime.perceiver import Perceiver, PerceiverConfig
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.keras_model import KerasModel

EVALUATION = PerceiverConfig(score_threshold=0.01, iou_threshold=0.6, max_per_class=100)
"""AP integrates over all scores, so nearly nothing is cut off."""


class Validation:
    """Judges a model on every validation set of a configuration.

    Args:
        config: whose validation sets are opened now, so that faults show before training.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._datasets = [open_dataset(item, config.network.labels) for item in config.validation]

    def __call__(self, model: KerasModel) -> dict[str, Any]:
        """Figures of each set as `set/figure`, and their means over the sets that have them as `figure`."""
        perceiver = Perceiver(model, EVALUATION)
        figures: dict[str, list[float]] = {}
        named: dict[str, Any] = {}
        for dataset in self._datasets:
            result = evaluate(perceiver, dataset, with_boundaries=False, quiet=True).to_json()
            for name in ("map", "map50", "map75", "miou"):
                if result[name] is not None:
                    figures.setdefault(name, []).append(result[name])
                    named[f"{dataset.name}/{name}"] = result[name]
            named |= {f"{dataset.name}/iou/{n}": v for n, v in result["iou"].items() if v is not None}
        return named | {name: float(np.mean(values)) for name, values in figures.items()}
