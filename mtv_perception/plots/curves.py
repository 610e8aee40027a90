"""The curves of a training run.

Losses, task weights, learning rate and validation figures over the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mtv_perception.plots.text import as_text
from mtv_perception.resources import whole_file

Curves = Mapping[str, Sequence[tuple[int, float]]]
"""(step, value) pairs by name."""

# Title, beginning of the names shown, vertical axis.
_PANELS = (
    ("losses", ("loss/", "total"), "log"),
    ("task weights (gradient of the total by each loss)", ("weight/",), "log"),
    ("validation", ("validation/map", "validation/miou"), "linear"),
    ("learning rate", ("learning_rate",), "linear"),
)
_SMOOTHED = ("loss/", "total")
_WINDOW = 9


def plot_curves(curves: Curves, path: Path) -> None:
    """Write the curves as a PNG.

    Args:
        curves: as `training.log.read_curves` gives them; a panel without curves stays empty.
        path: the file; its folder is created.
    """
    figure = Figure(figsize=(11, 7), layout="constrained")
    for axes, (title, starts, scale) in zip(figure.subplots(2, 2).flat, _PANELS, strict=True):
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        shown = {name: curve for name, curve in curves.items() if name.startswith(starts)}
        for name, curve in shown.items():
            _draw(axes, name, np.array(curve, np.float64))
        if (
            shown
            and scale == "log"
            and all(value > 0 for curve in shown.values() for _, value in curve)
        ):
            axes.set_yscale("log")
        if shown:
            axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as written:
        figure.savefig(written, dpi=90)


def _draw(axes: Any, name: str, curve: np.ndarray) -> None:
    """One curve; noisy ones also as a moving average."""
    label = as_text(name.removeprefix("loss/").removeprefix("weight/").removeprefix("validation/"))
    if not name.startswith(_SMOOTHED) or len(curve) < 2 * _WINDOW:
        axes.plot(curve[:, 0], curve[:, 1], marker="." if len(curve) < 30 else "", label=label)
        return
    line = axes.plot(curve[:, 0], curve[:, 1], alpha=0.3)[0]
    mean = np.convolve(curve[:, 1], np.full(_WINDOW, 1 / _WINDOW), "valid")
    half = _WINDOW // 2
    axes.plot(curve[half : half + len(mean), 0], mean, color=line.get_color(), label=label)
