"""COCO's figures, computed by COCO's own code (pycocotools)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mtv_perception.evaluation.records import BoxRecord, boxed_classes
from mtv_perception.metrics.matching import xyxy_to_xywh


@dataclass(frozen=True)
class _Figure:
    """Which part of COCOeval's tables a figure averages.

    Precision or recall, IoU index, area, detections.
    """

    table: str
    iou_index: int | None = None
    area: str = "all"
    max_detections: int = 100


# cocoeval.py, summarize(); the IoU thresholds are .50, .55, ..., .95.
_FIGURES = {
    "AP": _Figure("precision"),
    "AP50": _Figure("precision", 0),
    "AP75": _Figure("precision", 5),
    "APsmall": _Figure("precision", area="small"),
    "APmedium": _Figure("precision", area="medium"),
    "APlarge": _Figure("precision", area="large"),
    "AR1": _Figure("recall", max_detections=1),
    "AR10": _Figure("recall", max_detections=10),
    "AR100": _Figure("recall"),
    "ARsmall": _Figure("recall", area="small"),
    "ARmedium": _Figure("recall", area="medium"),
    "ARlarge": _Figure("recall", area="large"),
}
_AP70 = _Figure("precision", 4)


@dataclass(frozen=True)
class ClassPrecision:
    """AP of one class, 0..1; None when no image holds one."""

    ap: float | None
    ap50: float | None
    ap70: float | None


@dataclass(frozen=True)
class CocoScores:
    """COCO's twelve figures by name, AP at IoU .70, and AP by class id.

    None where nothing was to find.
    """

    figures: dict[str, float | None]
    ap70: float | None
    per_class: dict[int, ClassPrecision]


def _annotations(
    boxes_xyxy: np.ndarray, class_ids: np.ndarray, **more: np.ndarray
) -> list[dict[str, Any]]:
    boxes = xyxy_to_xywh(boxes_xyxy)
    columns = [dict(zip(more, row, strict=True)) for row in zip(*more.values(), strict=True)]
    return [
        {
            "category_id": int(class_id),
            "bbox": box.tolist(),
            "area": float(box[2] * box[3]),
            "iscrowd": 0,
            **extra,
        }
        for box, class_id, extra in zip(boxes, class_ids, columns, strict=True)
    ]


def _index(images: int, classes: Sequence[int], found: list[list[dict[str, Any]]]) -> COCO:
    flat = [{**item, "image_id": image} for image, items in enumerate(found) for item in items]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in range(images)],
        "categories": [{"id": class_id} for class_id in classes],
        # Ids begin at 1: COCOeval takes 0 for "no match".
        "annotations": [{**item, "id": number} for number, item in enumerate(flat, 1)],
    }
    coco.createIndex()
    return coco


def _truth(record: BoxRecord) -> list[dict[str, Any]]:
    sample = record.sample
    known = np.isin(sample.class_ids, sample.box_classes)
    return _annotations(
        sample.boxes_xyxy[known],
        sample.class_ids[known],
        iscrowd=sample.crowd[known].astype(int).tolist(),
    )


def _read(tables: COCOeval, figure: _Figure, class_index: int | None = None) -> float | None:
    """The mean of a part of a table `(T, R, K, A, M)` or `(T, K, A, M)`.

    Without the -1 of absent classes.
    """
    values = tables.eval[figure.table]
    values = values[
        ...,
        tables.params.areaRngLbl.index(figure.area),
        tables.params.maxDets.index(figure.max_detections),
    ]
    values = values if figure.iou_index is None else values[figure.iou_index]
    values = values if class_index is None else values[..., class_index]
    values = values[values > -1]
    return float(values.mean()) if values.size else None


def coco_scores(records: Sequence[BoxRecord]) -> CocoScores:
    """Score detections as the COCO challenge does.

    A class counts in the images where it is boxed.
    """
    classes = boxed_classes(records)
    if not classes:
        return CocoScores(dict.fromkeys(_FIGURES), None, {})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _index(len(records), classes, [_truth(record) for record in records])
        detected = _index(
            len(records),
            classes,
            [
                _annotations(d.boxes_xyxy, d.class_ids, score=d.scores.astype(np.float64).tolist())
                for d in (record.detections for record in records)
            ],
        )
        tables = COCOeval(truth, detected, "bbox")
        tables.evaluate()
        tables.accumulate()
    parts = (_FIGURES["AP"], _FIGURES["AP50"], _AP70)
    return CocoScores(
        {name: _read(tables, figure) for name, figure in _FIGURES.items()},
        _read(tables, _AP70),
        {
            c: ClassPrecision(*(_read(tables, part, k) for part in parts))
            for k, c in enumerate(classes)
        },
    )
