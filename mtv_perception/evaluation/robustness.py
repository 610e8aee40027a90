"""Scores on corrupted images: noise, blur, weather, and what cameras and codecs do.

Source: Michaelis et al. 2019, "Benchmarking Robustness in Object Detection: Autonomous Driving when
Winter is Coming", section 3: 15 corruptions at 5 severities (Hendrycks and Dietterich 2019); mPC is
the mean score over all of them, rPC its share of the score on clean images.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtv_perception.data.sample import Dataset
from mtv_perception.errors import ImageError, MtvError
from mtv_perception.evaluation.evaluate import Evaluation, evaluate, known
from mtv_perception.evaluation.records import Perceive

SEVERITIES = (1, 2, 3, 4, 5)
_SMALLEST = 32
SEED = 0

Corrupt = Callable[[np.ndarray, str, int], np.ndarray]


@dataclass(frozen=True)
class Degradation:
    """One score under corruption.

    Attributes:
        clean: on untouched images; NaN where the data set can't tell.
        corrupted: by corruption, at each severity.
    """

    clean: float
    corrupted: Mapping[str, tuple[float, ...]]

    @property
    def mpc(self) -> float:
        """Mean performance under corruption: over severities, then over corruptions."""
        return float(np.mean([np.mean(values) for values in self.corrupted.values()]))

    @property
    def rpc(self) -> float:
        """Relative performance under corruption, mPC / clean; NaN when clean is 0."""
        return self.mpc / self.clean if self.clean else math.nan

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; null where the data set can't tell."""
        return {
            "clean": known(self.clean),
            "mpc": known(self.mpc),
            "rpc": known(self.rpc),
            "corrupted": {
                name: [known(value) for value in row] for name, row in self.corrupted.items()
            },
        }


@dataclass(frozen=True)
class Robustness:
    """Detection (AP over IoU .50 to .95) and masks (mean IoU) under corruption."""

    severities: tuple[int, ...]
    map: Degradation
    miou: Degradation

    def to_json(self) -> dict[str, Any]:
        """Plain numbers for a file."""
        return {
            "severities": list(self.severities),
            "map": self.map.to_json(),
            "miou": self.miou.to_json(),
        }


def _library() -> Any:
    try:
        return importlib.import_module("imagecorruptions")
    except ImportError as error:
        raise MtvError(
            "Expected the package imagecorruptions-imaug for corrupted images, it is not installed; "
            "pip install --no-deps imagecorruptions-imaug, as it asks for another OpenCV than ours."
        ) from error


def common_corruptions() -> tuple[str, ...]:
    """The names of the benchmark's 15 corruptions."""
    return tuple(_library().get_corruption_names("common"))


def corrupt(image: np.ndarray, name: str, severity: int) -> np.ndarray:
    """Corrupt an image `(H, W, 3)` uint8; severity 1 (mild) to 5.

    Raises:
        ImageError: smaller than 32 x 32.

    Noise is drawn from NumPy's global state, which `evaluate_robustness` seeds; impulse noise and
    glass blur draw from elsewhere and vary a little from run to run.
    """
    if min(image.shape[:2]) < _SMALLEST:
        raise ImageError(
            f"Expected images of at least {_SMALLEST} pixels a side to corrupt, got one of "
            f"{image.shape[1]}x{image.shape[0]}."
        )
    return np.asarray(_library().corrupt(image, corruption_name=name, severity=severity), np.uint8)


def evaluate_robustness(
    perceive: Perceive,
    dataset: Dataset,
    clean: Evaluation,
    *,
    corruptions: Sequence[str] | None = None,
    severities: Sequence[int] = SEVERITIES,
    apply: Corrupt = corrupt,
    quiet: bool = False,
) -> Robustness:
    """Evaluate once for each corruption and severity.

    Args:
        perceive: image to Result.
        dataset: labelled images.
        clean: the evaluation of the same on untouched images.
        corruptions: names; all 15 by default.
        severities: 1 to 5.
        apply: does the corruption.
        quiet: no progress bars.
    """
    names = common_corruptions() if corruptions is None else tuple(corruptions)
    if not names or not severities or not set(severities) <= set(SEVERITIES):
        raise ValueError(
            f"Expected corruptions and severities of {SEVERITIES}, got {names!r}, {severities!r}."
        )
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for name in names:
        for severity in severities:
            np.random.seed(SEED)  # the library draws from the global state
            evaluation = evaluate(
                perceive,
                dataset,
                transform=_transform(apply, name, severity),
                with_boundaries=False,
                title=f"{name.replace('_', ' ')} {severity}",
                quiet=quiet,
            )
            rows[name].append(_scores(evaluation))
    columns = [
        {name: tuple(pair[i] for pair in pairs) for name, pairs in rows.items()} for i in (0, 1)
    ]
    undisturbed = _scores(clean)
    return Robustness(
        tuple(severities),
        Degradation(undisturbed[0], columns[0]),
        Degradation(undisturbed[1], columns[1]),
    )


def _transform(apply: Corrupt, name: str, severity: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda image: apply(image, name, severity)


def _scores(evaluation: Evaluation) -> tuple[float, float]:
    """AP and mean IoU; NaN where the data set can't tell."""
    ap = evaluation.detection.figures["AP"]
    return math.nan if ap is None else ap, evaluation.masks.miou
