"""`mtv tune`: score thresholds and the suppression overlap of a model, on validation images."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from mtv_perception.cli.engines import engine_of
from mtv_perception.cli.measuring import add_options, dataset_of, tell_left_out, write_json
from mtv_perception.errors import ConfigError
from mtv_perception.evaluation.settings import COLLECTING
from mtv_perception.evaluation.tune import (
    FEW_ALARMS,
    NMS_OVERLAPS,
    Goal,
    Tuning,
    check_goals,
    collect,
    tune,
)
from mtv_perception.labels import LabelSet
from mtv_perception.runtime import Perceiver, load_artefact
from mtv_perception.runtime.artefact import (
    BALANCED,
    FEW_FALSE_ALARMS,
    OPERATING_POINTS,
    Artefact,
    ModelSpec,
    no_lower,
    write_thresholds,
)
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.settings import DEFAULT_THRESHOLD

HELP = (
    "choose score thresholds and the NMS overlap on validation images, from one pass of the network"
)


def _goal(text: str) -> tuple[str, Goal]:
    name, _, wish = text.rpartition("=")
    kind, _, value = wish.partition(":")
    try:
        return name, Goal(kind, float(value or 0))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_options(parser)
    parser.add_argument(
        "--goal",
        type=_goal,
        action="append",
        default=[],
        metavar="CLASS=KIND[:VALUE]",
        help="f1, recall:0.9 (to be reached) or fppi:0.1 (false alarms an image allowed) (default: f1 "
        f"for {BALANCED}, fppi:0.1 for {FEW_FALSE_ALARMS})",
    )
    parser.add_argument(
        "--operating-point",
        choices=OPERATING_POINTS,
        default=BALANCED,
        help="which thresholds of the model are chosen (default: %(default)s)",
    )
    parser.add_argument(
        "--write", action="store_true", help="put the outcome into the model's model.yaml"
    )


def run(args: argparse.Namespace) -> int:
    """Tune, print, and write where asked to; 1 if labelled images were left out."""
    artefact = load_artefact(find_model(str(args.model)))
    goals = goals_of(args, artefact.labels)
    dataset = dataset_of(args, artefact.labels)
    settings = replace(COLLECTING, num_threads=args.threads, **engine_of(args))
    perceiver = Perceiver(artefact, settings)
    point = args.operating_point
    # The overlap belongs to the model, not to a point: the balanced one chooses it.
    overlaps = NMS_OVERLAPS if point == BALANCED else [artefact.spec.iou_threshold]
    tuning = tune(collect(perceiver, dataset), artefact.labels, goals, overlaps)
    show(tuning, Console(markup=False, emoji=False))
    if args.json:
        write_json(
            args.json, {"model": artefact.model_id, "dataset": dataset.name, **tuning.to_json()}
        )
    status = max(tell_left_out(dataset), _tell_absent(tuning, artefact.labels, dict(args.goal)))
    if not args.write:
        return status
    missed = [name for name, point in tuning.points.items() if not point.reached]
    if missed:
        raise ConfigError(
            f"nothing written: the goal is out of reach for {', '.join(missed)}; the table shows what is within."
        )
    if absent := [name for name in dict(args.goal) if name not in tuning.points]:
        raise ConfigError(
            f"nothing written: no object and right detection of {', '.join(absent)} in these images, so that "
            "the goal can't be measured."
        )
    overlap = tuning.iou_threshold if point == BALANCED else None
    balanced = {} if point == BALANCED else _balanced(artefact)
    thresholds = no_lower(tuning.thresholds, balanced)
    write_thresholds(artefact.folder, thresholds, overlap, point)
    for name in sorted(
        name for name, value in thresholds.items() if value > tuning.thresholds[name]
    ):
        print(
            f"{name}: written with its balanced threshold {thresholds[name]:.3f}, which is higher"
        )
    before = before_tuning(artefact.spec, point)
    print(f"written to {artefact.folder / 'model.yaml'}; before: {before}")
    if point == BALANCED and artefact.spec.operating_points:
        others = ", ".join(artefact.spec.operating_points)
        print(
            f"{others}: chosen for the values before, raised where these are higher; tune it again "
            "with --operating-point"
        )
    return status


def _tell_absent(tuning: Tuning, labels: LabelSet, goals: dict[str, Goal]) -> int:
    """Print the classes without objects; the exit status: 1 if one of them was given a goal."""
    known = {*tuning.points, *tuning.unseen}
    absent = [name for name in labels.foreground if name not in known]
    if absent:
        print(f"no threshold for {', '.join(absent)}: these images have no object of such a class")
    missed = [name for name in goals if name not in tuning.points]
    if missed:
        print(
            f"goal NOT measured for {', '.join(missed)}: label objects of it that the model finds"
        )
    return int(bool(missed))


def _balanced(artefact: Artefact) -> dict[str, float]:
    """The balanced threshold of each class, also of one for which the model names none."""
    own = artefact.spec.thresholds
    return {name: own.get(name, DEFAULT_THRESHOLD) for name in artefact.labels.foreground}


def goals_of(args: argparse.Namespace, labels: LabelSet) -> dict[str, Goal]:
    """The goal of each class: as asked for, or that of the operating point."""
    goals = dict(args.goal)
    given = Counter(name for name, _ in args.goal)
    if repeated := [name for name, count in given.items() if count > 1]:
        raise ConfigError(
            f"--goal: expected each class once, got {', '.join(repeated)} again; keep one goal of it."
        )
    if args.operating_point == FEW_FALSE_ALARMS:
        goals = dict.fromkeys(labels.foreground, FEW_ALARMS) | goals
    check_goals(goals, labels)
    return goals


def before_tuning(spec: ModelSpec, point: str = BALANCED) -> str:
    """The thresholds that are replaced, for who wants them back."""
    values = spec.thresholds if point == BALANCED else spec.operating_points.get(point, {})
    thresholds = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    return f"{thresholds or 'no thresholds'}, NMS overlap {spec.iou_threshold:.2f}"


def show(tuning: Tuning, console: Console) -> None:
    """Print the outcome as a table."""
    table = Table("class", "threshold", "precision", "recall", "F1", "false alarms an image", "")
    for name, point in tuning.points.items():
        numbers = (point.threshold, point.precision, point.recall, point.f1, point.fppi)
        remark = "" if point.reached else "goal out of reach"
        table.add_row(name, *(f"{number:.3f}" for number in numbers), remark)
    console.print(table)
    console.print(f"NMS overlap {tuning.iou_threshold:.2f}, from {tuning.images} images")
    if tuning.unseen:
        console.print(
            f"no threshold for {', '.join(tuning.unseen)}: none of its objects was detected"
        )
