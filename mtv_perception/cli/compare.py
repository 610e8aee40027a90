"""`mtv compare`: what changed between two runs; the exit status says whether it is too much."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mtv_perception.cli.measuring import write_json
from mtv_perception.compare.compare import Comparison, Tolerances, compare_runs
from mtv_perception.compare.golden import read_run
from mtv_perception.compare.report import write_comparison
from mtv_perception.config import load

HELP = "what changed between two runs over the same images"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("run_a", type=Path, metavar="RUN_A", help="bag or golden file to compare with")
    add("run_b", type=Path, metavar="RUN_B", help="bag or golden file of the new run")
    add(
        "--tolerances",
        type=Path,
        metavar="F.yaml",
        help="how much may change (default: see docs/how-to/compare-runs.md)",
    )
    add(
        "--html", type=Path, metavar="FILE", help="write a report with the frames that changed most"
    )
    add(
        "--images",
        type=Path,
        metavar="IN",
        help="what both runs saw, for the report, if it is in neither bag",
    )
    add("--json", type=Path, metavar="FILE", help="write the figures here")


def run(args: argparse.Namespace) -> int:
    """Compare; 1 when something is out of tolerance or damaged, 2 when there is no frame at all."""
    tolerances = load(Tolerances, args.tolerances) if args.tolerances else Tolerances()
    comparison = compare_runs(read_run(args.run_a), read_run(args.run_b), tolerances.match_iou)
    broken = comparison.verdict(tolerances)
    show(comparison, broken, Console(markup=False, emoji=False))
    if args.json:
        write_json(args.json, comparison.to_json(tolerances))
    if args.html:
        write_comparison(args.html, comparison, tolerances, args.images)
    damaged = [run for run in (comparison.run_a, comparison.run_b) if run.damage]
    for run in damaged:
        print(f"{run.path}: DAMAGED, the rest was compared: {run.damage}")
    return int(bool(broken or damaged))


def show(comparison: Comparison, broken: list[str], console: Console) -> None:
    """Print the figures and the verdict."""
    table = Table("class", "matched", "vanished", "appeared", "mask IoU")
    for name, row in comparison.by_class.items():
        table.add_row(
            name, *(_number(row[key]) for key in ("matched", "vanished", "appeared", "mask_iou"))
        )
    console.print(table)
    figures = ", ".join(f"{name} {_number(value)}" for name, value in comparison.figures.items())
    console.print(f"{figures}; only in A {comparison.only_a}, only in B {comparison.only_b} frames")
    for line in broken:
        console.print(f"out of tolerance: {line}")
    if not broken:
        console.print("within tolerance")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
