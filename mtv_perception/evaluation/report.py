"""The scores of a model as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
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

WORST_IMAGES = 8
_JPEG_QUALITY = 85

_PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: .25em .8em; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left }
img { max-width: 100% }
figure { display: inline-block; margin: .5em; vertical-align: top }
figcaption { color: #555 }
</style></head><body>
<h1>$title</h1>
$body
<details><summary>All numbers</summary><pre>$numbers</pre></details>
</body></html>
""")


def write_report(
    path: Path,
    evaluation: Evaluation,
    perceive: Perceive,
    *,
    model_id: str = "",
    robustness: Robustness | None = None,
    worst: int = WORST_IMAGES,
) -> None:
    """Write the report, creating its folder.

    Args:
        path: the HTML file.
        evaluation: the scores.
        perceive: run again on the worst images, to draw what it sees.
        model_id: named in the title.
        robustness: scores on corrupted images, if measured.
        worst: show at most so many images.
    """
    scores = evaluation.to_json()
    sections = [
        _summary(scores),
        _class_table(scores),
        _coco_table(scores),
        _plots(evaluation),
        "" if robustness is None else _corruptions(robustness),
        _worst(evaluation, perceive, worst),
        _legacy_table(scores),
    ]
    if robustness is not None:
        scores["robustness"] = robustness.to_json()
    page = _PAGE.substitute(
        title=html.escape(f"{model_id} on {evaluation.dataset}".removeprefix(" on ")),
        body="\n".join(sections),
        numbers=html.escape(json.dumps(scores, indent=1)),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else html.escape(str(value))


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _summary(scores: dict[str, Any]) -> str:
    latency = "/".join(f"{value:.1f}" for value in scores["latency_ms"].values())
    rows = [
        ("mAP@[.50:.95]", scores["map"]),
        ("mAP@.50", scores["map50"]),
        ("mAP@.70", scores["ap70"]),
        ("mAP@.75", scores["map75"]),
        ("mean IoU", scores["miou"]),
        ("mean IoU without background", scores["miou_foreground"]),
        (
            "person recall at 0.1 false alarms an image (32 px or higher)",
            scores["person_recall_at_0.1fppi"],
        ),
        ("calibration error (D-ECE)", scores["d_ece"]),
        ("latency p50/p95/p99, ms", latency),
        ("images", scores["images"]),
    ]
    return "<h2>Summary</h2>" + _table(("score", "value"), rows)


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
    return "<h2>Classes</h2>" + _table(header, rows)


def _coco_table(scores: dict[str, Any]) -> str:
    return "<h2>COCO's twelve figures</h2>" + _table(("figure", "value"), scores["coco"].items())


def _legacy_table(scores: dict[str, Any]) -> str:
    legacy = scores["legacy"]
    rows = [(name, legacy["ap50"].get(name), value) for name, value in legacy["jaccard"].items()]
    text = (
        "<p>As older code for this task computed them, to compare with its published numbers alone: they are not the "
        "scores above.</p>"
    )
    table = _table(
        ("class", "legacy AP@.50", "legacy IoU"),
        [*rows, ("legacy accuracy", None, legacy["accuracy"])],
    )
    return f"<h2>Legacy figures</h2>{text}{table}"


def _figure(content: bytes, kind: str, caption: str) -> str:
    data = base64.b64encode(content).decode("ascii")
    text = html.escape(caption)
    image = f'<img alt="{text}" src="data:image/{kind};base64,{data}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


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
        _figure(to_png(figure), "png", caption) for caption, figure in figures
    )


def _corruptions(robustness: Robustness) -> str:
    parts: dict[str, Degradation] = {"mAP": robustness.map, "mean IoU": robustness.miou}
    told = {name: part for name, part in parts.items() if not np.isnan(part.clean)}
    rows = [(name, part.clean, part.mpc, part.rpc) for name, part in told.items()]
    figures = [
        _figure(
            to_png(plot_corruptions(part.corrupted, part.clean, f"{name} under corruption")),
            "png",
            name,
        )
        for name, part in told.items()
    ]
    return "<h2>Robustness</h2>" + _table(("score", "clean", "mPC", "rPC"), rows) + "".join(figures)


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
        figures.append(_figure(content.tobytes(), "jpeg", caption))
    text = (
        "<p>Left the truth, right the model, at the scores of best F1.</p>"
        if figures
        else "<p>None.</p>"
    )
    return "<h2>Worst images</h2>" + text + "".join(figures)
