"""`mtv evaluate`: the scores of a model on labelled images."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mtv_perception.cli.engines import engine_of
from mtv_perception.cli.measuring import (
    add_options,
    data_config,
    dataset_of,
    tell_left_out,
    write_json,
)
from mtv_perception.cli.options import changed_options, share
from mtv_perception.config import to_plain
from mtv_perception.errors import ConfigError, DatasetError
from mtv_perception.evaluation.evaluate import SAFETY_CLASS, Evaluation, evaluate
from mtv_perception.evaluation.peers import PEER_TRAINED, is_peer, open_peer
from mtv_perception.evaluation.records import Perceive, can_judge
from mtv_perception.evaluation.report import write_report
from mtv_perception.evaluation.robustness import SEVERITIES, Robustness, evaluate_robustness
from mtv_perception.evaluation.settings import IOU_THRESHOLD, PEER_IOU_THRESHOLD, SCORING
from mtv_perception.evaluation.trained import NotTrained
from mtv_perception.labels import WAREHOUSE, LabelSet
from mtv_perception.runtime import Perceiver, load_artefact
from mtv_perception.runtime.backends.config import CPU, LITERT
from mtv_perception.runtime.models import find_model

HELP = "score a model on labelled images: COCO AP, IoU, boundaries, calibration, latency"

NOT_TRAINED = "not trained"


def _severities(text: str) -> tuple[int, ...]:
    try:
        chosen = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        chosen = ()
    if not chosen or not set(chosen) <= set(SEVERITIES):
        raise argparse.ArgumentTypeError(
            f"expected numbers of {SEVERITIES} with commas, got {text!r}"
        )
    return chosen


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_options(parser)
    add = parser.add_argument
    add(
        "--iou",
        type=share,
        default=IOU_THRESHOLD,
        help="overlap allowed by NMS (default: %(default)s)",
    )
    add(
        "--report",
        type=Path,
        metavar="FILE",
        help="write an HTML report with plots and the worst images",
    )
    add(
        "--robustness",
        action="store_true",
        help="also score corrupted images: 15 passes for each severity",
    )
    add(
        "--severities",
        type=_severities,
        metavar="1,3,5",
        help="of corruption, 1 to 5",
    )


def open_model(args: argparse.Namespace) -> tuple[Perceive, LabelSet, str]:
    """What the options name: a model folder, a bundled model, or a peer.

    With its classes and a name.
    """
    if is_peer(str(args.model)):
        return open_peer(str(args.model), args.threads), WAREHOUSE, str(args.model)
    artefact = load_artefact(find_model(str(args.model)))
    config = replace(SCORING, iou_threshold=args.iou, num_threads=args.threads, **engine_of(args))
    perceiver = Perceiver(artefact, config)
    return perceiver, artefact.labels, artefact.model_id


def lacking_of(args: argparse.Namespace, perceive: Perceive, labels: LabelSet) -> NotTrained:
    """The classes that the model of `--model` was not trained for; they are not scored.

    Args:
        args: the parsed command line.
        perceive: the model, open.
        labels: its classes.
    """
    if is_peer(str(args.model)):
        return NotTrained.of_trained(PEER_TRAINED, labels)
    spec = getattr(perceive, "spec", None)
    return NotTrained.of(spec) if spec is not None else NotTrained()


def _refuse_unused(args: argparse.Namespace) -> None:
    """Raise ConfigError if an option is given that would have no effect."""
    if args.severities and not args.robustness:
        raise ConfigError(
            "--severities is of --robustness: expected --robustness, got none. "
            "Add it, or leave --severities out."
        )
    defaults = {"iou": IOU_THRESHOLD, "backend": LITERT, "device": CPU}
    if is_peer(str(args.model)) and (given := changed_options(args, defaults)):
        raise ConfigError(
            f"{args.model}: expected no {given} for a peer, which runs in an engine of its own "
            f"at an NMS overlap of {PEER_IOU_THRESHOLD:g}; leave it out."
        )


def run(args: argparse.Namespace) -> int:
    """Evaluate, print, and write what was asked for; 1 if labelled images were left out."""
    _refuse_unused(args)
    perceive, labels, model_id = open_model(args)
    lacking = lacking_of(args, perceive, labels)
    dataset = lacking.restrict(dataset_of(args, labels))
    if not any(sample.box_classes or can_judge(sample) for sample in dataset.samples):
        raise DatasetError(
            f"{args.data}: expected labelled objects or pixels of {', '.join(labels.foreground)} to "
            "judge by, got none; if the images show nothing on purpose, --box-classes says of what."
        )
    evaluation, robustness = evaluate(perceive, dataset), None
    scores = {
        "model": model_id,
        "settings": {
            "iou_threshold": PEER_IOU_THRESHOLD if is_peer(str(args.model)) else args.iou,
            "engine": getattr(perceive, "engine", "the peer's own"),
            "threads": args.threads,
        },
        "data": {
            **to_plain(data_config(args, args.data)),
            "limit": args.limit,
            "left_out": list(dataset.left_out),
        },
        **evaluation.to_json(),
        "not_trained": to_plain(lacking),
    }
    show(evaluation, Console(markup=False, emoji=False), lacking)
    if args.json:  # Before the long part, which may fail.
        write_json(args.json, scores)
    if args.robustness:
        robustness = evaluate_robustness(
            perceive, dataset, evaluation, severities=args.severities or SEVERITIES
        )
        scores["robustness"] = robustness.to_json()
        show_robustness(robustness, Console(markup=False, emoji=False))
        if args.json:
            write_json(args.json, scores)
    if args.report:
        write_report(args.report, evaluation, perceive, model_id=model_id, robustness=robustness)
    return tell_left_out(dataset)


def show(evaluation: Evaluation, console: Console, lacking: NotTrained) -> None:
    """Print the scores as a table; what the model was not trained for says so."""
    scores = evaluation.to_json()
    table = Table("class", "AP", "AP@.50", "AP@.70", "IoU", "boundary F")
    for name, iou in scores["iou"].items():
        row = scores["per_class"].get(name, {})
        boxes = [_number(row.get(key)) for key in ("ap", "ap50", "ap70")]
        masks = [_number(iou), _number(scores["boundary_f"].get(name))]
        boxes = [NOT_TRAINED, "", ""] if name in lacking.boxes else boxes
        masks = [NOT_TRAINED, ""] if name in lacking.masks else masks
        table.add_row(name, *boxes, *masks)
    table.add_section()
    means = (scores["map"], scores["map50"], scores["ap70"], scores["miou"])
    table.add_row("mean", *map(_number, means), "")
    console.print(table)
    latency = scores["latency_ms"]
    recall = _number(scores["person_recall_at_0.1fppi"])
    persons = f"person recall at 0.1 false alarms an image {recall}; "
    console.print(
        f"{scores['images']} images of {scores['dataset']}; "
        f"{persons if SAFETY_CLASS in scores['iou'] else ''}"
        f"D-ECE {_number(scores['d_ece'])}; "
        f"latency p50/p95/p99 {latency['p50']:.1f}/{latency['p95']:.1f}/{latency['p99']:.1f} ms"
    )


def show_robustness(robustness: Robustness, console: Console) -> None:
    """Print the scores under corruption as a table."""
    table = Table("under corruption", "clean", "mPC", "rPC")
    for name, part in robustness.to_json().items():
        if name != "severities":
            table.add_row(name, *(_number(part[key]) for key in ("clean", "mpc", "rpc")))
    console.print(table)


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}"
