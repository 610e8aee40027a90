"""One picture of what a data set holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from mtv_perception.data.statistics import DatasetStatistics, Spread
from mtv_perception.labels import UNLABELED_ID, LabelSet
from mtv_perception.plots.text import as_text
from mtv_perception.resources import whole_file

_SIZE_INCHES = (12.0, 7.0)
_DPI = 110
_GRID_COLOUR = "#dddddd"

Panel = Callable[[Any, DatasetStatistics, LabelSet], None]


def plot_statistics(statistics: DatasetStatistics, labels: LabelSet, path: Path) -> None:
    """Write instances, box sizes, aspect ratios, pixel shares.

    Weights and suggested shapes to a PNG.

    Args:
        statistics: of one or more data sets.
        labels: whose colours to use.
        path: file to write; its folder is made.
    """
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    for axes, (title, draw) in zip(figure.subplots(2, 3).flat, _PANELS.items(), strict=True):
        axes.set_title(title, fontsize=11)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, statistics, labels)
    height, width = statistics.size_hw
    images = sum(source.images for source in statistics.sources)
    names = ", ".join(as_text(source.name) for source in statistics.sources)
    figure.suptitle(f"{names}: {images} images, boxes at {width}x{height} pixels", fontsize=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as written:
        FigureCanvasAgg(figure).print_figure(written, format="png")


def _colour(labels: LabelSet, class_id: int) -> tuple[float, ...]:
    return tuple(value / 255 for value in labels.colour(class_id))


def _bars(axes: Any, values: dict[str, float], colours: list[tuple[float, ...]], form: str) -> None:
    bars = axes.barh(list(values), list(values.values()), color=colours)
    axes.bar_label(bars, fmt=form, padding=3, fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.grid(axis="x", color=_GRID_COLOUR)


def _draw_instances(axes: Any, statistics: DatasetStatistics, labels: LabelSet) -> None:
    values = {as_text(item.name): float(item.instances) for item in statistics.classes[1:]}
    _bars(axes, values, [_colour(labels, index) for index in range(1, len(labels))], "{:.0f}")


def _draw_pixels(axes: Any, statistics: DatasetStatistics, labels: LabelSet) -> None:
    if statistics.unlabelled_share is None:
        _draw_nothing(axes, "no masks")
        return
    shares = {as_text(item.name): item.pixel_share or 0.0 for item in statistics.classes}
    colours = [_colour(labels, index) for index in (*range(len(labels)), UNLABELED_ID)]
    _bars(axes, {**shares, "ignored": statistics.unlabelled_share}, colours, "{:.1%}")


def _draw_weights(axes: Any, statistics: DatasetStatistics, labels: LabelSet) -> None:
    known = {
        index: item for index, item in enumerate(statistics.classes) if item.weight is not None
    }
    if not known:
        _draw_nothing(axes, "no masks")
        return
    values = {as_text(item.name): item.weight or 0.0 for item in known.values()}
    _bars(axes, values, [_colour(labels, index) for index in known], "{:.3g}")


def _draw_spreads(axes: Any, spreads: dict[int, Spread], labels: LabelSet) -> None:
    """Boxes from the 25th to the 75th percentile, whiskers from the 5th to the 95th; logarithmic."""
    if not spreads:
        _draw_nothing(axes, "no boxes")
        return
    boxes = [
        {
            "label": as_text(labels.names[i]),
            "whislo": s.p5,
            "q1": s.p25,
            "med": s.p50,
            "q3": s.p75,
            "whishi": s.p95,
        }
        for i, s in spreads.items()
    ]
    drawn = axes.bxp(boxes, showfliers=False, patch_artist=True, medianprops={"color": "black"})
    for patch, index in zip(drawn["boxes"], spreads, strict=True):
        patch.set_facecolor(_colour(labels, index))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=_GRID_COLOUR)


def _draw_sizes(axes: Any, statistics: DatasetStatistics, labels: LabelSet) -> None:
    spreads = {index: item.size_px for index, item in enumerate(statistics.classes) if item.size_px}
    _draw_spreads(axes, spreads, labels)
    axes.set_ylabel("pixels")


def _draw_ratios(axes: Any, statistics: DatasetStatistics, labels: LabelSet) -> None:
    spreads = {
        index: item.aspect_ratio
        for index, item in enumerate(statistics.classes)
        if item.aspect_ratio
    }
    _draw_spreads(axes, spreads, labels)


def _draw_shapes(axes: Any, statistics: DatasetStatistics, labels: LabelSet) -> None:
    if statistics.clusters is None:
        _draw_nothing(axes, "no boxes")
        return
    for width, height in statistics.clusters.shapes_wh:
        x, y = (-width / 2, width / 2), (-height / 2, height / 2)
        axes.plot(
            [x[0], x[1], x[1], x[0], x[0]],
            [y[0], y[0], y[1], y[1], y[0]],
            color="#0072b2",
            linewidth=1.2,
        )
    axes.set_aspect("equal")
    axes.set_xlabel(f"mean best IoU {statistics.clusters.mean_best_iou:.3f}")
    axes.grid(color=_GRID_COLOUR)


def _draw_nothing(axes: Any, why: str) -> None:
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, color="#777777")
    axes.set_xticks([])
    axes.set_yticks([])


_PANELS: dict[str, Panel] = {
    "objects": _draw_instances,
    "box size (square root of area)": _draw_sizes,
    "aspect ratio (width / height)": _draw_ratios,
    "pixels": _draw_pixels,
    "suggested pixel weights": _draw_weights,
    "suggested box shapes (pixels)": _draw_shapes,
}
