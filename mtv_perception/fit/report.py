"""The report of a fit: the data, the training, the model's figures, and what to label next."""

from __future__ import annotations

import html
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.statistics import ClassStatistics, describe
from mtv_perception.evaluation.evaluate import Evaluation
from mtv_perception.evaluation.records import Perceive
from mtv_perception.evaluation.report import write_report
from mtv_perception.fit.options import FitOptions
from mtv_perception.fit.prepare import Prepared
from mtv_perception.fit.split import PARTS
from mtv_perception.visual.html import figure, picture, table

_FEW_OBJECTS = 200
"""A class with fewer objects in training gains most from more images, by our own learning curves."""

_WEAK_AP50 = 0.6
_CURVES = "curves.png"


def write_fit_report(
    path: Path,
    options: FitOptions,
    prepared: Prepared,
    evaluation: Evaluation,
    perceive: Perceive,
    done: Mapping[str, Any],
    run_folder: Path,
) -> None:
    """Write the report as one HTML file.

    Args:
        path: the file.
        options: of the fit.
        prepared: its data.
        evaluation: of the images that neither trained nor chose.
        perceive: run again on the images that are shown.
        done: results of the stages before, see `fit.state`.
        run_folder: of the training, for its curves.
    """
    size_hw = _size_hw(evaluation)
    statistics = describe(prepared.datasets["train"], prepared.labels, size_hw)
    sections = [
        _data(prepared, statistics.classes),
        _training(done, run_folder),
        _operating_points(done["tune"]),
        _latency(evaluation),
        _next(statistics.classes, evaluation.to_json()),
    ]
    name = options.out.resolve().name
    write_report(path, evaluation, perceive, model_id=name, before=sections, details=False)


def _size_hw(evaluation: Evaluation) -> tuple[int, int]:
    """A usual image's size, so that box sizes are told in pixels of the camera."""
    sizes = [record.sample.size_hw for record in evaluation.records]
    height, width = np.median(np.array(sizes), axis=0).astype(int).tolist()
    return height, width


def _data(prepared: Prepared, classes: Sequence[ClassStatistics]) -> str:
    images = table(
        ("part", "images", "use"),
        [
            (part, len(prepared.samples(part)), use)
            for part, use in zip(
                PARTS,
                (
                    "trains the network",
                    "chooses checkpoint and thresholds",
                    "gives the figures below",
                ),
                strict=True,
            )
        ],
    )
    rows = [
        (
            item.name,
            item.images,
            item.instances,
            *(
                (item.size_px.p5, item.size_px.p50, item.size_px.p95)
                if item.size_px
                else [None] * 3
            ),
            item.pixel_images,
        )
        for item in classes[1:]
    ]
    header = ("class", "images", "objects", "size p5", "size p50", "size p95", "images with masks")
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in prepared.notes)
    about = "<p>Training images. Sizes are square roots of the box area, in image pixels.</p>"
    return f"<h2>Data</h2>{images}<ul>{notes}</ul>{about}{table(header, rows)}"


def _training(done: Mapping[str, Any], folder: Path) -> str:
    export = done["export"]
    rows = [
        ("best checkpoint, step", done["train"]["step"]),
        ("its score on the images that chose it", done["train"]["score"]),
        ("precision of the model", export["precision"]),
        ("size, MB", export["megabytes"]),
    ]
    refused = (
        f"<p class='bad'>int8 was refused: {html.escape(export['refused'])}</p>"
        if export["refused"]
        else ""
    )
    curves = folder / _CURVES
    shown = (
        figure([picture(curves.read_bytes(), "png", "training curves")], "Training curves")
        if curves.is_file()
        else ""
    )
    return f"<h2>Training</h2>{table(('', ''), rows)}{refused}{shown}"


def _operating_points(tuned: Mapping[str, Any]) -> str:
    points: Mapping[str, Mapping[str, float]] = tuned["points"]
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in tuned.get("notes", ()))
    keys = ("threshold", "precision", "recall", "f1", "fppi")
    rows = [(name, *(float(point[key]) for key in keys)) for name, point in points.items()]
    header = ("class", "threshold", "precision", "recall", "F1", "false alarms an image")
    if not points:
        why = notes or "<p>None: the images of `check` have no boxes.</p>"
        return f"<h2>Thresholds</h2>{why}"
    about = "<p>Chosen for the best F1 on the images of `check`.</p>"
    return f"<h2>Thresholds</h2>{about}{table(header, rows)}{notes}"


def _latency(evaluation: Evaluation) -> str:
    rows = [(name, value) for name, value in evaluation.latency_ms.items()]
    machine = html.escape(platform.processor() or platform.machine())
    return f"<h2>Latency on this machine, ms</h2><p>{machine}</p>{table(('', 'ms'), rows)}"


def what_to_label(classes: Sequence[ClassStatistics], scores: Mapping[str, Any]) -> list[str]:
    """Advice on the next images to label, the most useful first.

    Args:
        classes: statistics of the training images, background first.
        scores: figures of the held-out images, as `Evaluation.to_json` gives them.
    """
    advice = []
    for item in sorted(classes[1:], key=lambda item: item.instances):
        ap50 = scores["per_class"].get(item.name, {}).get("ap50")
        if item.instances < _FEW_OBJECTS:
            advice.append(
                f"{item.name}: {item.instances} objects to learn from; label more, "
                f"{_FEW_OBJECTS} or more are worth it."
            )
        elif ap50 is not None and ap50 < _WEAK_AP50:
            advice.append(
                f"{item.name}: AP@.50 is {ap50:.2f}; label images like the worst ones below."
            )
        if ap50 is None:
            advice.append(f"{item.name}: no held-out image shows it; label some on another drive.")
    if not any(item.pixel_images for item in classes[1:]):
        advice.append(
            "No outlines or masks are labelled, so there is no mean IoU. Label polygons where zones "
            "need the mask test."
        )
    empty = "Label some images without any object: they teach what is no object."
    return [*advice, empty]


def _next(classes: Sequence[ClassStatistics], scores: Mapping[str, Any]) -> str:
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in what_to_label(classes, scores))
    return f"<h2>What to label next</h2><ul>{lines}</ul>"
