"""`mtv stats`: what labelled images hold, and what that suggests for training."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mtv_perception.cli.measuring import (
    add_data_options,
    add_names,
    data_config,
    labels_of_data,
    write_json,
)
from mtv_perception.config import to_plain
from mtv_perception.data.formats.open import open_datasets
from mtv_perception.data.sample import refuse_repeated
from mtv_perception.data.statistics import DatasetStatistics, Spread, describe
from mtv_perception.network.preset_boxes import PRESET_BOXES

# Of the segmentation of every preset; a network input is a multiple of it.
_STRIDE = 4

HELP = "class balance, box sizes and suggested default boxes of labelled images"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "data",
        type=Path,
        nargs="+",
        metavar="DATA",
        help="labelled images; several are taken together",
    )
    add_data_options(parser)
    add_names(parser)
    add(
        "--size",
        type=int,
        nargs=2,
        default=(480, 640),
        metavar=("H", "W"),
        help="network input (default: 480 640)",
    )
    add(
        "--preset",
        default="warehouse",
        choices=tuple(PRESET_BOXES),
        help="whose default boxes to judge",
    )
    add(
        "--clusters",
        type=int,
        default=9,
        metavar="N",
        help="box shapes to suggest (default: %(default)s)",
    )
    add("--json", type=Path, metavar="FILE", help="write the figures here")
    add("--plot", type=Path, metavar="FILE", help="write a picture here (PNG)")


def run(args: argparse.Namespace) -> int:
    """Describe the data, print, and write what was asked for."""
    size_hw = (args.size[0], args.size[1])
    if min(size_hw) < 1 or any(side % _STRIDE for side in size_hw) or args.clusters < 1:
        raise ValueError(
            f"Expected a positive size in multiples of {_STRIDE} and a positive number of clusters, got "
            f"{size_hw} and {args.clusters}."
        )
    configs = [data_config(args, path) for path in args.data]
    labels = args.names or labels_of_data(configs)
    found = open_datasets(configs, labels)
    datasets = [replace(item, name=str(path)) for item, path in zip(found, args.data, strict=True)]
    refuse_repeated([(dataset.name, [dataset]) for dataset in datasets])
    statistics = describe(
        datasets, labels, size_hw, PRESET_BOXES[args.preset](size_hw), args.clusters
    )
    console = Console(markup=False, emoji=False)
    console.print(_source_table(statistics), _class_table(statistics), sep="\n")
    console.print(*_sentences(statistics, args.preset), sep="\n", highlight=False)
    if args.json:
        write_json(args.json, to_plain(statistics))
    if args.plot:
        from mtv_perception.plots.statistics import plot_statistics

        plot_statistics(statistics, labels, args.plot)
    return 0


def _source_table(statistics: DatasetStatistics) -> Table:
    table = Table("data", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("images", "with masks", "objects"):
        table.add_column(column, justify="right", no_wrap=True)
    for source in statistics.sources:
        table.add_row(
            source.name, *(f"{value:,}" for value in (source.images, source.masks, source.objects))
        )
    return table


def _class_table(statistics: DatasetStatistics) -> Table:
    height, width = statistics.size_hw
    caption = f"objects: + crowds; size (pixels at {width}x{height}) and ratio: 5th, 50th, 95th percentile"
    table = Table("class", box=SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")
    for column in ("images", "objects", "size", "width/height", "pixels", "weight"):
        table.add_column(column, justify="right", no_wrap=True)
    for item in statistics.classes:
        crowds = f" +{item.crowds:,}" if item.crowds else ""
        table.add_row(
            item.name,
            f"{item.images:,}",
            f"{item.instances:,}{crowds}",
            _spread_text(item.size_px, ".0f"),
            _spread_text(item.aspect_ratio, ".2f"),
            "-" if item.pixel_share is None else f"{item.pixel_share:.2%}",
            "-" if item.weight is None else f"{item.weight:.3g}",
        )
    return table


def _spread_text(spread: Spread | None, form: str) -> str:
    return (
        "-"
        if spread is None
        else " ".join(format(value, form) for value in (spread.p5, spread.p50, spread.p95))
    )


def _sentences(statistics: DatasetStatistics, preset: str) -> list[str]:
    """What the boxes suggest."""
    lines = []
    if statistics.coverage is not None:
        found = statistics.coverage
        lines.append(
            f"Default boxes of {preset}: {found.recall:.1%} of the objects have one of IoU >= {found.iou:g}, "
            f"mean best IoU {found.mean_best_iou:.3f}."
        )
    if statistics.clusters is not None:
        shapes = ", ".join(
            f"{width:.0f}x{height:.0f}" for width, height in statistics.clusters.shapes_wh
        )
        mean = statistics.clusters.mean_best_iou
        lines.append(
            f"Suggested box shapes (width x height): {shapes}; mean best IoU {mean:.3f} on one centre."
        )
    return lines
