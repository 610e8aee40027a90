"""Every score of a model on a labelled data set, from one pass of the network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtv_perception.data.sample import Dataset
from mtv_perception.evaluation.coco import ClassPrecision, CocoScores, coco_scores
from mtv_perception.evaluation.masks import MaskScorer, MaskScores
from mtv_perception.evaluation.records import (
    BoxRecord,
    Perceive,
    Transform,
    boxed_classes,
    class_images,
    perceive_all,
)
from mtv_perception.labels import LabelSet
from mtv_perception.metrics.calibration import Reliability, counted_detections, reliability
from mtv_perception.metrics.detection import recall_at_false_alarms
from mtv_perception.metrics.legacy import legacy_average_precision
from mtv_perception.metrics.matching import match_class

# Safety asks: how many persons of at least this height (pixels) are found at so many false alarms
# an image?
SAFETY_CLASS = "person"
FALSE_ALARMS_PER_IMAGE = 0.1
LEAST_HEIGHT_PX = 32.0

_AT_IOU_50 = np.array([0.5])
_LATENCY_PERCENTILES = {"p50": 50, "p95": 95, "p99": 99}


@dataclass(frozen=True)
class Evaluation:
    """The scores of one model on one data set.

    Attributes:
        dataset: its name.
        labels: what the class ids mean.
        records: truth and detections, image by image.
        image_miou: mean IoU of each image over its own classes; NaN without a mask.
        detection: COCO's figures.
        masks: IoU and what belongs to it.
        person_recall: of persons at least 32 px high at 0.1 false alarms an image; NaN when there
            are none.
        reliability: detections of all classes binned by score, at IoU .50.
        legacy_ap: by class id, see metrics/legacy.py.
        latency_ms: percentiles of the perceiver's own time, milliseconds.
    """

    dataset: str
    labels: LabelSet
    records: tuple[BoxRecord, ...]
    image_miou: tuple[float, ...]
    detection: CocoScores
    masks: MaskScores
    person_recall: float
    reliability: Reliability
    legacy_ap: Mapping[int, float]
    latency_ms: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The scores under their stable names; null where the data set can't tell."""
        names, masks, figures = self.labels.names, self.masks, self.detection.figures
        return {
            "dataset": self.dataset,
            "images": len(self.records),
            "map": figures["AP"],
            "map50": figures["AP50"],
            "map75": figures["AP75"],
            "ap70": self.detection.ap70,
            "per_class": {
                name: self._class_json(index) for index, name in enumerate(names) if index
            },
            "coco": dict(figures),
            "miou": known(masks.miou),
            "miou_foreground": known(masks.miou_foreground),
            "iou": {name: known(masks.iou[index]) for index, name in enumerate(names)},
            "boundary_f": {
                name: known(masks.boundary_f[index]) for index, name in enumerate(names) if index
            },
            f"person_recall_at_{FALSE_ALARMS_PER_IMAGE}fppi": known(self.person_recall),
            "confusion": masks.confusion[:, : len(names)].tolist() if masks.images else None,
            "d_ece": known(self.reliability.error),
            "legacy": self._legacy_json(),
            "latency_ms": dict(self.latency_ms),
        }

    def _class_json(self, class_id: int) -> dict[str, float | None]:
        scores = self.detection.per_class.get(class_id, ClassPrecision(None, None, None))
        return {"ap": scores.ap, "ap50": scores.ap50, "ap70": scores.ap70}

    def _legacy_json(self) -> dict[str, Any]:
        names, masks = self.labels.names, self.masks
        return {
            "ap50": {
                name: known(self.legacy_ap.get(index, math.nan))
                for index, name in enumerate(names)
                if index
            },
            "jaccard": {
                name: known(masks.legacy_jaccard[index]) for index, name in enumerate(names)
            },
            "accuracy": known(masks.legacy_accuracy),
        }


def known(value: float | None) -> float | None:
    """A JSON number, or None for NaN."""
    return None if value is None or math.isnan(value) else float(value)


def evaluate(
    perceive: Perceive,
    dataset: Dataset,
    *,
    transform: Transform | None = None,
    with_boundaries: bool = True,
    title: str = "",
    quiet: bool = False,
) -> Evaluation:
    """Run the network once over a data set and score it.

    Images are read one at a time; what stays in memory is the detections.

    Args:
        perceive: image `(H, W, 3)` uint8 RGB to Result; its score threshold should be near 0, as AP
            asks for.
        dataset: labelled images; only classes an image is labelled for count in it.
        transform: done to each image first (see robustness).
        with_boundaries: also score the outlines of masks.
        title: shown beside the progress bar.
        quiet: no progress bar.

    Raises:
        DatasetError: nothing to read, or labels that do not fit their image.
    """
    scorer = MaskScorer(dataset.labels, with_boundaries)
    records, image_miou, latency = [], [], []
    for sample, result in perceive_all(
        perceive, dataset, transform=transform, title=title, quiet=quiet
    ):
        records.append(BoxRecord.of(sample, result.detections))
        image_miou.append(scorer.add(sample, result.segmentation.class_ids))
        latency.append(result.timing.total_ms)
    return Evaluation(
        dataset=dataset.name,
        labels=dataset.labels,
        records=tuple(records),
        image_miou=tuple(image_miou),
        detection=coco_scores(records),
        masks=scorer.scores(),
        person_recall=_person_recall(records, dataset.labels),
        reliability=_reliability(records),
        legacy_ap={
            c: legacy_average_precision(class_images(records, c)) for c in boxed_classes(records)
        },
        latency_ms={
            name: float(np.percentile(latency, q)) for name, q in _LATENCY_PERCENTILES.items()
        },
    )


def _person_recall(records: Sequence[BoxRecord], labels: LabelSet) -> float:
    if SAFETY_CLASS not in labels.names:
        return math.nan
    images = class_images(records, labels.id_of(SAFETY_CLASS))
    return recall_at_false_alarms(images, FALSE_ALARMS_PER_IMAGE, LEAST_HEIGHT_PX)


def _reliability(records: Sequence[BoxRecord]) -> Reliability:
    """Detections of all classes, binned by score."""
    matches = [match_class(class_images(records, c), _AT_IOU_50) for c in boxed_classes(records)]
    pairs = [counted_detections(item) for item in matches]
    scores = np.concatenate([np.empty(0), *(pair[0] for pair in pairs)])
    return reliability(scores, np.concatenate([np.empty(0, bool), *(pair[1] for pair in pairs)]))
