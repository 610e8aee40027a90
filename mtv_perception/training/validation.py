"""Validation while training: the averaged weights through the robot's own post-processing.

Judged as `mtv evaluate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mtv_perception.data.formats.open import open_datasets
from mtv_perception.data.scene import fit_matrix, load_scene, warp_scene
from mtv_perception.errors import ConfigError
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.evaluation.records import can_judge
from mtv_perception.evaluation.settings import SCORING
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.keras_model import KerasModel
from mtv_perception.visual.overlay import draw_overlay

SHOWN = PerceiverConfig(score_threshold=0.3)

FIGURES = ("map", "map50", "map75", "miou")
CLASS_FIGURES = ("ap", "ap50")
"""Of each class with boxes; each class has an IoU, too."""


class Validation:
    """Judges a model on every validation set of a configuration.

    Args:
        config: whose validation sets are opened now, so that faults show before training.

    Raises:
        ConfigError: `monitor` names what is no figure, or no image has an object or pixel to judge by.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._datasets = open_datasets(config.validation, config.network.labels)
        if self._datasets and not any(
            can_judge(sample) for dataset in self._datasets for sample in dataset.samples
        ):
            raise ConfigError(
                "validation: expected images with objects or masks of a class, got none: no figure could "
                "choose the best weights."
            )
        names = [dataset.name for dataset in self._datasets]
        # Folders called `val` of several data sets must not hide each other's figures.
        self._names = [
            n if names.count(n) == 1 else f"{n}-{names[:i].count(n)}" for i, n in enumerate(names)
        ]
        labels = config.network.labels
        by_class = [f"iou/{name}" for name in labels.names]
        by_class += [f"{kind}/{name}" for kind in CLASS_FIGURES for name in labels.foreground]
        known = [
            *FIGURES,
            *(f"{title}/{name}" for title in self._names for name in (*FIGURES, *by_class)),
        ]
        unknown = [name for name in config.monitor if name not in known]
        if unknown:
            raise ConfigError(
                f"monitor: expected figures of {', '.join(known)}, got {unknown[0]!r}."
            )

    def __call__(self, model: KerasModel) -> dict[str, Any]:
        """Figures of each set as `set/figure`, None where labels lack.

        And their means over the sets as `figure`.
        """
        perceiver = Perceiver(model, SCORING)
        figures: dict[str, list[float]] = {name: [] for name in FIGURES}
        named: dict[str, Any] = {}
        for title, dataset in zip(self._names, self._datasets, strict=True):
            result = evaluate(perceiver, dataset, with_boundaries=False, quiet=True).to_json()
            for name in FIGURES:
                named[f"{title}/{name}"] = result[name]
                figures[name] += [] if result[name] is None else [result[name]]
            named |= {f"{title}/iou/{name}": value for name, value in result["iou"].items()}
            named |= {
                f"{title}/{kind}/{name}": scores.get(kind)
                for name, scores in result["per_class"].items()
                for kind in CLASS_FIGURES
            }
        return named | {
            name: float(np.mean(values)) if values else None for name, values in figures.items()
        }

    def examples(self, model: KerasModel, count: int = 4) -> np.ndarray:
        """What the model sees in a few images, drawn over them, `(N, H, W, 3)` uint8 RGB of the network's size."""
        perceiver, size_hw = Perceiver(model, SHOWN), model.spec.size_hw
        samples = [sample for dataset in self._datasets for sample in dataset.samples]
        pictures = []
        for index in np.unique(np.linspace(0, len(samples) - 1, count).astype(int)):
            scene = load_scene(samples[index])
            image = warp_scene(scene, fit_matrix(scene.size_hw, size_hw), size_hw).image
            pictures.append(draw_overlay(image, perceiver(image), model.spec.labels))
        return np.stack(pictures)


def figures_table(figures: Mapping[str, Any]) -> str:
    """A validation's figures as text: for each set a row a class, and the means over the classes.

    Args:
        figures: as a Validation gives them.
    """
    sets = dict.fromkeys(name.partition("/")[0] for name in figures if name.count("/") == 2)
    rows: list[tuple[str, ...]] = [("set", "class", "AP", "AP@.50", "IoU")]
    for title in sets:
        classes = [name.rpartition("/")[2] for name in figures if name.startswith(f"{title}/iou/")]
        for name in classes:
            keys = (f"{title}/{kind}/{name}" for kind in (*CLASS_FIGURES, "iou"))
            rows.append((title, name, *(_digits(figures.get(key)) for key in keys)))
        keys = (f"{title}/{kind}" for kind in ("map", "map50", "miou"))
        rows.append((title, "mean", *(_digits(figures.get(key)) for key in keys)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
