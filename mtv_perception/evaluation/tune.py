"""Score thresholds for each class and the overlap for non-maximum suppression.

From one pass of the network.

Tune on validation data alone: thresholds chosen on the data that a model is then judged on flatter
it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from mtv_perception.data.sample import Dataset
from mtv_perception.errors import DatasetError
from mtv_perception.evaluation.records import (
    BoxRecord,
    Perceive,
    boxed_classes,
    class_images,
    perceive_all,
)
from mtv_perception.evaluation.settings import SCORE_THRESHOLD
from mtv_perception.geometry.nms import soft_nms
from mtv_perception.labels import LabelSet
from mtv_perception.metrics.detection import PrecisionRecall, precision_recall
from mtv_perception.metrics.matching import match_class
from mtv_perception.types import Detections

NMS_OVERLAPS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
USUAL_OVERLAP = 0.5
MATCH_IOU = 0.5
_LARGEST = {"recall": 1.0, "fppi": math.inf}


@dataclass(frozen=True)
class Goal:
    """What a class's threshold is chosen for.

    Attributes:
        kind: `f1`: the best F1; `recall`: the highest threshold that finds at least `value` of the
            objects; `fppi`: the lowest threshold with at most `value` false positives an image.
        value: 0..1 for recall, above 0 for fppi, 0 for f1.
    """

    kind: str = "f1"
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in _CHOOSERS:
            raise ValueError(f"Expected a goal of {', '.join(_CHOOSERS)}, got {self.kind!r}.")
        if self.kind == "f1" and self.value:
            raise ValueError(f"Expected f1 without a value, got f1:{self.value!r}.")
        largest = _LARGEST.get(self.kind)
        if largest is not None and not 0 < self.value <= largest:
            raise ValueError(
                f"Expected a value above 0, at most {largest}, got {self.kind}:{self.value!r}."
            )


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold gives on the data it was chosen on.

    Not `reached` where the goal is out of reach.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    fppi: float
    reached: bool


@dataclass(frozen=True)
class Tuning:
    """The outcome.

    Attributes:
        iou_threshold: overlap for non-maximum suppression.
        points: by class name; only classes that occur in the data and are detected.
        mean_f1: at each overlap tried: mean over the classes of F1 at their thresholds.
        images: how many images were used.
        unseen: classes with objects, but without a right detection, so that they have no threshold.
    """

    iou_threshold: float
    points: Mapping[str, OperatingPoint]
    mean_f1: Mapping[float, float] = field(default_factory=dict)
    images: int = 0
    unseen: tuple[str, ...] = ()

    @property
    def thresholds(self) -> dict[str, float]:
        """Score threshold by class name."""
        return {name: point.threshold for name, point in self.points.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain numbers for a file."""
        return {
            "iou_threshold": self.iou_threshold,
            "thresholds": self.thresholds,
            "points": {name: asdict(point) for name, point in self.points.items()},
            "mean_f1": {str(overlap): value for overlap, value in self.mean_f1.items()},
            "images": self.images,
            "unseen": list(self.unseen),
        }


def _best_f1(curve: PrecisionRecall, _: float) -> int | None:
    return int(curve.f1.argmax())


def _wanted_recall(curve: PrecisionRecall, value: float) -> int | None:
    enough = np.flatnonzero(curve.recall >= value)
    return int(enough[0]) if enough.size else None


def _allowed_false_alarms(curve: PrecisionRecall, value: float) -> int | None:
    few = np.flatnonzero(curve.false_alarms <= value)
    return int(few[-1]) if few.size else None


# With each the position to fall back on: for recall the weakest detection, for fppi the strongest.
_CHOOSERS: dict[str, tuple[Callable[[PrecisionRecall, float], int | None], int]] = {
    "f1": (_best_f1, 0),
    "recall": (_wanted_recall, -1),
    "fppi": (_allowed_false_alarms, 0),
}
# Of the operating point `few_false_alarms`, for each class.
FEW_ALARMS = Goal("fppi", 0.1)


def collect(perceive: Perceive, dataset: Dataset, *, quiet: bool = False) -> tuple[BoxRecord, ...]:
    """Run the network once over a data set and keep its detections.

    Args:
        perceive: must let weak and overlapping detections through: thresholds near 0, NMS overlap
            near 1.
        dataset: validation images.
        quiet: no progress bar.
    """
    pairs = perceive_all(perceive, dataset, title=f"tune on {dataset.name}", quiet=quiet)
    return tuple(BoxRecord.of(sample, result.detections) for sample, result in pairs)


def tune(
    records: Sequence[BoxRecord],
    labels: LabelSet,
    goals: Mapping[str, Goal] | None = None,
    overlaps: Sequence[float] = NMS_OVERLAPS,
) -> Tuning:
    """Choose thresholds and the suppression overlap.

    Of equally good overlaps the one nearest to 0.5.

    Args:
        records: see `collect`.
        labels: what the class ids mean.
        goals: by class name; best F1 for the others.
        overlaps: NMS overlaps to try.

    Raises:
        DatasetError: no class has both objects and right detections.
    """
    check_goals(goals or {}, labels)
    tried = {
        overlap: _operating_points(suppressed(records, overlap), labels, goals or {})
        for overlap in overlaps
    }
    mean_f1 = {
        overlap: _mean([point.f1 for point in points.values()]) for overlap, points in tried.items()
    }
    best = max(overlaps, key=lambda overlap: (mean_f1[overlap], -abs(overlap - USUAL_OVERLAP)))
    if not tried[best]:
        raise DatasetError(
            "Expected objects and right detections of at least one class to tune on, got none."
        )
    with_objects = {labels.names[i] for record in records for i in set(record.sample.class_ids)}
    unseen = tuple(name for name in labels.foreground if name in with_objects - set(tried[best]))
    return Tuning(best, tried[best], mean_f1, len(records), unseen)


def check_goals(goals: Mapping[str, Goal], labels: LabelSet) -> None:
    """Raise ValueError unless every goal is for a class that can be detected."""
    unknown = sorted(set(goals) - set(labels.foreground))
    if unknown:
        raise ValueError(
            f"Expected goals for classes of {', '.join(labels.foreground)}, got {unknown[0]!r}."
        )


def suppressed(records: Sequence[BoxRecord], overlap: float) -> tuple[BoxRecord, ...]:
    """The records after non-maximum suppression at an overlap."""
    return tuple(
        replace(record, detections=_suppress(record.detections, overlap)) for record in records
    )


def _suppress(detections: Detections, overlap: float) -> Detections:
    found = (detections.boxes_xyxy, detections.scores, detections.class_ids)
    kept, boxes, scores = soft_nms(*found, overlap, SCORE_THRESHOLD)
    return Detections(boxes, scores, detections.class_ids[kept])


def _operating_points(
    records: Sequence[BoxRecord], labels: LabelSet, goals: Mapping[str, Goal]
) -> dict[str, OperatingPoint]:
    points = {}
    for class_id in boxed_classes(records):
        matches = match_class(class_images(records, class_id), np.array([MATCH_IOU]))
        curve = precision_recall(matches)
        name = labels.names[class_id]
        goal = goals.get(name, Goal())
        # Where no detection is right every threshold has the same F1, and the best one means nothing.
        if matches.objects and len(curve.scores) and (goal.kind != "f1" or curve.f1.any()):
            points[name] = operating_point(curve, goal)
    return points


def operating_point(curve: PrecisionRecall, goal: Goal) -> OperatingPoint:
    """The point of a curve (not empty) that a goal asks for.

    Its threshold lies half way between the last score kept and the next one, so that neither is on
    the edge.
    """
    choose, fallback = _CHOOSERS[goal.kind]
    chosen = choose(curve, goal.value)
    index = range(len(curve.scores))[fallback if chosen is None else chosen]
    below = curve.scores[index + 1] if index + 1 < len(curve.scores) else 0.0
    return OperatingPoint(
        threshold=float(curve.scores[index] + below) / 2,
        precision=float(curve.precision[index]),
        recall=float(curve.recall[index]),
        f1=float(curve.f1[index]),
        fppi=float(curve.false_alarms[index]),
        reached=chosen is not None,
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
