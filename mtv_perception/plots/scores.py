"""Plots of scores as matplotlib figures; drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mtv_perception.labels import LabelSet
from mtv_perception.metrics.calibration import Reliability
from mtv_perception.metrics.detection import PrecisionRecall
from mtv_perception.plots.text import as_text


def to_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return buffer.getvalue()


def _unit_axes(title: str, x_label: str, y_label: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(5, 4.2))
    axes = figure.add_subplot(
        title=title,
        xlabel=x_label,
        ylabel=y_label,
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
    )
    axes.grid(alpha=0.3)
    return figure, axes


def plot_precision_recall(curves: Mapping[str, PrecisionRecall], labels: LabelSet) -> Figure:
    """Precision over recall, a line a class, with the point of best F1 marked."""
    figure, axes = _unit_axes("Precision and recall at IoU .50", "recall", "precision")
    for name, curve in curves.items():
        if not len(curve.scores):
            continue
        colour = np.array(labels.colour(labels.id_of(name))) / 255
        best = int(curve.f1.argmax())
        text = f"{as_text(name)}: F1 {curve.f1[best]:.2f} at score {curve.scores[best]:.2f}"
        axes.step(curve.recall, curve.precision, where="post", color=colour, label=text)
        axes.plot(curve.recall[best], curve.precision[best], "o", color=colour)
    if axes.lines:
        axes.legend(loc="lower left", fontsize="small")
    return figure


def plot_confusion(confusion: np.ndarray, names: Sequence[str]) -> Figure:
    """True against predicted class of the pixels, each row in percent.

    Args:
        confusion: `(C, C)` or `(C, C + 1)` pixel counts, rows the truth; a last extra column is
            "not said".
        names: `C` class names.
    """
    names = [as_text(name) for name in names]
    columns = [*names, "(not said)"][: confusion.shape[1]]
    totals = confusion.sum(1, keepdims=True)
    share = np.divide(100.0 * confusion, totals, out=np.zeros(confusion.shape), where=totals > 0)
    figure = Figure(figsize=(5.4, 4.2))
    axes = figure.add_subplot(
        title="Pixels, percent of the true class", xlabel="predicted", ylabel="true"
    )
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    for (row, column), value in np.ndenumerate(share):
        axes.text(
            column,
            row,
            f"{value:.1f}",
            ha="center",
            va="center",
            color="white" if value > 50 else "black",
        )
    return figure


def plot_reliability(reliability: Reliability) -> Figure:
    """Precision of the detections in each score bin, with their number.

    Against a calibrated model.
    """
    figure, axes = _unit_axes("Is the score the chance to be right?", "score", "precision")
    axes.plot([0, 1], [0, 1], "--", color="grey", label="calibrated")
    filled = reliability.count > 0
    left, width = reliability.edges[:-1][filled], np.diff(reliability.edges)[filled]
    axes.bar(
        left,
        reliability.precision[filled],
        width,
        align="edge",
        edgecolor="white",
        label="measured",
    )
    heights, counts = reliability.precision[filled], reliability.count[filled]
    for x, y, count in zip(left + width / 2, heights, counts, strict=True):
        axes.text(x, min(y + 0.01, 0.92), str(count), ha="center", rotation=90, fontsize=6)
    axes.legend(loc="upper left", fontsize="small")
    return figure


def plot_corruptions(scores: Mapping[str, Sequence[float]], clean: float, title: str) -> Figure:
    """A score under each corruption, averaged over the severities.

    Against the score of clean images.
    """
    figure = Figure(figsize=(7, 0.28 * len(scores) + 1.2))
    axes = figure.add_subplot(
        title=title, xlim=(0, max(1e-6, 1.05 * max(clean, *map(max, scores.values()))))
    )
    axes.barh(range(len(scores)), [float(np.mean(values)) for values in scores.values()])
    axes.set_yticks(range(len(scores)), [name.replace("_", " ") for name in scores])
    axes.axvline(clean, color="black", linestyle="--", label="clean images")
    axes.invert_yaxis()
    axes.legend(loc="lower right", fontsize="small")
    return figure
