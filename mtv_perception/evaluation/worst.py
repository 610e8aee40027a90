"""The images a model gets most wrong, drawn beside their truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mtv_perception.data.sample import Sample, sample_image, sample_mask
from mtv_perception.evaluation.evaluate import Evaluation
from mtv_perception.evaluation.records import BoxRecord, Perceive, boxed_classes, class_images
from mtv_perception.labels import BACKGROUND_ID, UNLABELED_ID, LabelSet
from mtv_perception.metrics.detection import PrecisionRecall, precision_recall
from mtv_perception.metrics.matching import match_class
from mtv_perception.types import Detections

_AT_IOU_50 = np.array([0.5])
_TINT = 0.45
_GAP_PX = 6
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE = 0.4


@dataclass(frozen=True)
class BadImage:
    """One image and what is wrong with it.

    Attributes:
        index: its position in the evaluation.
        missed: objects not found.
        false_alarms: detections of nothing.
        miou: of the image's mask over its own classes; NaN without one.
    """

    index: int
    missed: int
    false_alarms: int
    miou: float

    @property
    def badness(self) -> float:
        """Wrong boxes, and the share of a mask that is wrong."""
        return self.missed + self.false_alarms + (0.0 if np.isnan(self.miou) else 1 - self.miou)


def class_curves(evaluation: Evaluation) -> dict[str, PrecisionRecall]:
    """Precision and recall at IoU .50 of each class that has objects."""
    curves = {}
    for class_id in boxed_classes(evaluation.records):
        matches = match_class(class_images(evaluation.records, class_id), _AT_IOU_50)
        if matches.objects:
            curves[evaluation.labels.names[class_id]] = precision_recall(matches)
    return curves


def best_thresholds(evaluation: Evaluation) -> dict[int, float]:
    """The score of best F1 of each class, by class id: what counts as detected in the pictures."""
    return {
        evaluation.labels.id_of(name): float(curve.scores[curve.f1.argmax()])
        for name, curve in class_curves(evaluation).items()
        if len(curve.scores)
    }


def strong(detections: Detections, thresholds: Mapping[int, float]) -> Detections:
    """The detections that reach their class's threshold; classes without one are left out."""
    least = np.array([thresholds.get(int(c), np.inf) for c in detections.class_ids])
    return detections.select(detections.scores >= least)


def judge(index: int, record: BoxRecord, miou: float, thresholds: Mapping[int, float]) -> BadImage:
    """Count what is wrong in one image."""
    cleaned = BoxRecord(record.sample, strong(record.detections, thresholds))
    matches = [
        match_class(class_images([cleaned], c), _AT_IOU_50) for c in record.sample.box_classes
    ]
    missed = sum(item.objects - int(item.hits.sum()) for item in matches)
    return BadImage(index, missed, sum(int(item.misses.sum()) for item in matches), miou)


def worst_images(evaluation: Evaluation, count: int) -> list[BadImage]:
    """At most `count` images with something wrong, worst first."""
    thresholds = best_thresholds(evaluation)
    judged = [
        judge(index, record, miou, thresholds)
        for index, (record, miou) in enumerate(
            zip(evaluation.records, evaluation.image_miou, strict=True)
        )
    ]
    faulty = [image for image in judged if image.badness > 0]
    return sorted(faulty, key=lambda image: -image.badness)[:count]


def draw_pair(
    sample: Sample, perceive: Perceive, thresholds: Mapping[int, float], labels: LabelSet
) -> np.ndarray:
    """The truth on the left, what the model sees on the right, `(H, 2 W + gap, 3)` uint8 RGB."""
    image = sample_image(sample)
    result = perceive(image)
    found = strong(result.detections, thresholds)
    captions = [
        f"{labels.names[c]} {s:.2f}" for c, s in zip(found.class_ids, found.scores, strict=True)
    ]
    truth = _draw(
        image,
        sample_mask(sample),
        sample.boxes_xyxy,
        sample.class_ids,
        _names(sample.class_ids, labels),
        labels,
    )
    guess = _draw(
        image, result.segmentation.class_ids, found.boxes_xyxy, found.class_ids, captions, labels
    )
    gap = np.full((image.shape[0], _GAP_PX, 3), 255, np.uint8)
    return np.concatenate([truth, gap, guess], 1)


def _names(class_ids: np.ndarray, labels: LabelSet) -> list[str]:
    return [labels.names[class_id] for class_id in class_ids]


def _draw(
    image: np.ndarray,
    mask: np.ndarray | None,
    boxes_xyxy: np.ndarray,
    class_ids: np.ndarray,
    captions: Sequence[str],
    labels: LabelSet,
) -> np.ndarray:
    canvas = image.copy()
    if mask is not None:
        shown = (mask != BACKGROUND_ID) & (mask != UNLABELED_ID)
        tinted = (1 - _TINT) * canvas[shown] + _TINT * labels.colour_table()[mask[shown]]
        canvas[shown] = tinted.astype(np.uint8)
    for box, class_id, caption in zip(
        np.rint(boxes_xyxy).astype(int), class_ids, captions, strict=True
    ):
        colour = labels.colour(int(class_id))
        cv2.rectangle(canvas, box[:2].tolist(), box[2:].tolist(), colour, 2)
        _write(canvas, caption, (int(box[0]), int(box[1])))
    return canvas


def _write(canvas: np.ndarray, text: str, corner_xy: tuple[int, int]) -> None:
    """White on black above a box, or inside its top where there is no room above."""
    (width, height), below = cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)
    x, y = corner_xy[0], max(corner_xy[1], height + below)
    cv2.rectangle(canvas, (x, y - height - below), (x + width, y), (0, 0, 0), cv2.FILLED)
    cv2.putText(canvas, text, (x, y - below), _FONT, _FONT_SCALE, (255, 255, 255), 1, cv2.LINE_AA)
