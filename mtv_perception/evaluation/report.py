"""The scores of a model as one HTML file that needs nothing beside it."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.evaluation.evaluate import Evaluation
from mtv_perception.evaluation.records import Perceive
from mtv_perception.evaluation.robustness import Degradation, Robustness
from mtv_perception.evaluation.worst import best_thresholds, class_curves, draw_pair, worst_images
from mtv_perception.plots.scores import (
    plot_confusion,
    plot_corruptions,
    plot_precision_recall,
    plot_reliability,
    to_png,
)
from mtv_perception.visual.html import figure, picture, table, write_page

WORST_IMAGES = 8
_JPEG_QUALITY = 85
_FEW_IMAGES = 100
"""With one object in each, the standard error of a recall of one half is still 0.05."""

_STYLE = "figure { display: inline-block; margin: .5em; vertical-align: top }"


def write_report(
    path: Path,
    evaluation: Evaluation,
    perceive: Perceive,
    *,
    model_id: str = "",
    robustness: Robustness | None = None,
    worst: int = WORST_IMAGES,
    before: Sequence[str] = (),
    details: bool = True,
) -> None:
    """Write the report, creating its folder.

    Args:
        path: the HTML file.
        evaluation: the scores.
        perceive: run again on the worst images, to draw what it sees.
        model_id: named in the title.
        robustness: scores on corrupted images, if measured.
        worst: show at most so many images.
        before: HTML sections to stand first.
        details: whether legacy figures and all numbers as JSON stand last.
    """
    scores = evaluation.to_json()
    sections = [
        *before,
        _summary(scores),
        _class_table(scores),
        _coco_table(scores),
        _plots(evaluation),
        "" if robustness is None else _corruptions(robustness),
        _worst(evaluation, perceive, worst),
    ]
    if robustness is not None:
        scores["robustness"] = robustness.to_json()
    if details:
        numbers = html.escape(json.dumps(scores, indent=1))
        numbers = f"<details><summary>All numbers</summary><pre>{numbers}</pre></details>"
        sections += [_legacy_table(scores), numbers]
    data = evaluation.dataset
    title = f"{model_id} on {data}" if model_id else f"images of {data}"
    write_page(path, title, sections, _STYLE)


def _summary(scores: dict[str, Any]) -> str:
    latency = "/".join(f"{value:.1f}" for value in scores["latency_ms"].values())
    recall = (
        "person recall at 0.1 false alarms an image (32 px or higher)",
        scores["person_recall_at_0.1fppi"],
    )
    rows = [
        ("mAP@[.50:.95]", scores["map"]),
        ("mAP@.50", scores["map50"]),
        ("mAP@.70", scores["ap70"]),
        ("mAP@.75", scores["map75"]),
        ("mean IoU", scores["miou"]),
        ("mean IoU without background", scores["miou_foreground"]),
        *([recall] if "person" in scores["iou"] else []),
        ("calibration error (D-ECE)", scores["d_ece"]),
        ("latency p50/p95/p99, ms", latency),
        ("images", scores["images"]),
    ]
    rough = (
        f"<p class='bad'>Below {_FEW_IMAGES} images the figures are rough. Add images before you "
        "compare models.</p>"
        if scores["images"] < _FEW_IMAGES
        else ""
    )
    return "<h2>Summary</h2>" + rough + table(("score", "value"), rows)


def _class_table(scores: dict[str, Any]) -> str:
    rows = []
    for name, iou in scores["iou"].items():
        ap = scores["per_class"].get(name, {})
        rows.append(
            (
                name,
                ap.get("ap"),
                ap.get("ap50"),
                ap.get("ap70"),
                iou,
                scores["boundary_f"].get(name),
            )
        )
    header = ("class", "AP@[.50:.95]", "AP@.50", "AP@.70", "IoU", "boundary F")
    return "<h2>Classes</h2>" + table(header, rows)


def _coco_table(scores: dict[str, Any]) -> str:
    return "<h2>COCO's twelve figures</h2>" + table(("figure", "value"), scores["coco"].items())


def _legacy_table(scores: dict[str, Any]) -> str:
    legacy = scores["legacy"]
    rows = [(name, legacy["ap50"].get(name), value) for name, value in legacy["jaccard"].items()]
    if all(value is None for _, *values in rows for value in values):
        return ""
    text = (
        "<p>As older code for this task computed them, to compare with its published numbers alone: they are not the "
        "scores above.</p>"
    )
    legacy_table = table(
        ("class", "legacy AP@.50", "legacy IoU"),
        [*rows, ("legacy accuracy", None, legacy["accuracy"])],
    )
    return f"<h2>Legacy figures</h2>{text}{legacy_table}"


def _plots(evaluation: Evaluation) -> str:
    figures = []
    curves = class_curves(evaluation)
    if curves:
        figures.append(("Precision and recall", plot_precision_recall(curves, evaluation.labels)))
    if evaluation.reliability.count.any():
        figures.append(("Reliability", plot_reliability(evaluation.reliability)))
    if evaluation.masks.images:
        figures.append(
            ("Confusion", plot_confusion(evaluation.masks.confusion, evaluation.labels.names))
        )
    return "<h2>Plots</h2>" + "".join(
        figure([picture(to_png(plot), "png", caption)], caption) for caption, plot in figures
    )


def _corruptions(robustness: Robustness) -> str:
    parts: dict[str, Degradation] = {"mAP": robustness.map, "mean IoU": robustness.miou}
    told = {name: part for name, part in parts.items() if not np.isnan(part.clean)}
    rows = [(name, part.clean, part.mpc, part.rpc) for name, part in told.items()]
    figures = [figure([_corruption_plot(name, part)], name) for name, part in told.items()]
    return "<h2>Robustness</h2>" + table(("score", "clean", "mPC", "rPC"), rows) + "".join(figures)


def _corruption_plot(name: str, part: Degradation) -> str:
    plot = plot_corruptions(part.corrupted, part.clean, f"{name} under corruption")
    return picture(to_png(plot), "png", name)


def _worst(evaluation: Evaluation, perceive: Perceive, count: int) -> str:
    thresholds = best_thresholds(evaluation)
    figures = []
    for image in worst_images(evaluation, count):
        sample = evaluation.records[image.index].sample
        pair = cv2.cvtColor(
            draw_pair(sample, perceive, thresholds, evaluation.labels), cv2.COLOR_RGB2BGR
        )
        _, content = cv2.imencode(".jpg", pair, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        mask = "" if np.isnan(image.miou) else f", IoU {image.miou:.2f}"
        caption = f"{sample.image_path.name}: {image.missed} missed, {image.false_alarms} false alarms{mask}"
        figures.append(figure([picture(content.tobytes(), "jpeg", caption)], caption))
    text = (
        "<p>Left the truth, right the model, at the scores of best F1.</p>"
        if figures
        else "<p>None.</p>"
    )
    return "<h2>Worst images</h2>" + text + "".join(figures)
