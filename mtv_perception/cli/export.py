"""`mtv export`: a run's best weights as model folders or an ONNX file.

Compared with the network.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mtv_perception.cli.measuring import (
    add_data_options,
    data_config,
    dataset_of,
    tell_left_out,
    write_json,
)
from mtv_perception.cli.options import changed_options, local_path, positive
from mtv_perception.data.formats.open import DatasetConfig, open_datasets
from mtv_perception.data.sample import Dataset
from mtv_perception.labels import LabelSet
from mtv_perception.network.loading import load_tensorflow
from mtv_perception.runtime.backends.config import LITERT, OPENVINO

if TYPE_CHECKING:
    import numpy as np

    from mtv_perception.export.report import PrecisionReport
    from mtv_perception.network.multitask import MultitaskNetwork
    from mtv_perception.runtime.artefact import Trained
    from mtv_perception.training.config import TrainConfig

HELP = "turn a run's best weights into a model folder, with a parity report"

PRECISIONS = ("float32", "float16", "int8")
MODEL_FOLDER, ONNX = "model", "onnx"
LARGEST_DROP = 0.05
# Options by what they apply to, with their defaults.
_OF_DESCRIPTION: dict[str, object] = {"name": None, "version": None, "licence": ""}
_OF_LITERT: dict[str, object] = {"precision": ["float32"], **_OF_DESCRIPTION}
_OF_SCORES: dict[str, object] = {"data": None, "limit": None, "largest_drop": LARGEST_DROP}
_OF_FOLDERS: dict[str, object] = {"backend": [LITERT], "json": None, **_OF_SCORES, **_OF_LITERT}
_ERRORS = {
    "class error": "class_logits",
    "box error": "box_offsets",
    "mask error": "segmentation_logits",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "source",
        type=local_path,
        metavar="RUN",
        help="run folder, one of its checkpoint files, or a model folder or bundled model",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="model folder (or file) to write")
    add(
        "--format",
        dest="form",
        default=MODEL_FOLDER,
        choices=(MODEL_FOLDER, ONNX),
        help="a model folder for robots, or an ONNX file in float32 (default: %(default)s)",
    )
    add(
        "--backend",
        nargs="+",
        default=[LITERT],
        choices=(LITERT, OPENVINO),
        help="openvino (int8 alone) is added to the LiteRT model that DIR holds (default: litert)",
    )
    add(
        "--precision",
        nargs="+",
        default=["float32"],
        choices=PRECISIONS,
        help="the first goes to DIR, others to DIR/PRECISION (default: float32)",
    )
    add(
        "--calibrate",
        type=Path,
        nargs="+",
        metavar="DATA",
        help="images for int8 ranges, idle channels and the comparison (default: the run's training data)",
    )
    add(
        "--images",
        type=int,
        default=256,
        metavar="N",
        help="calibration images (default: %(default)s)",
    )
    add("--size", type=int, nargs=2, metavar=("H", "W"), help="network input (default: as trained)")
    add("--name", metavar="NAME", help="of the model (default: the run folder's)")
    add(
        "--version",
        type=int,
        metavar="V",
        help="of the model (default: the version of the model that RUN names; 1 for a run)",
    )
    add("--licence", default="", help="of the weights, as their data allows")
    add(
        "--data",
        type=Path,
        metavar="DATA",
        help="labelled images: AP and IoU of each precision side by side (default: the run's validation data)",
    )
    add_data_options(parser, format_option="--data-format")
    add("--limit", type=positive, metavar="N", help="only the first N images are scored")
    add("--unscored", action="store_true", help="compare outputs alone, neither AP nor IoU")
    add(
        "--largest-drop",
        type=float,
        default=LARGEST_DROP,
        metavar="D",
        help="refuse a precision whose AP or mIoU is lower than the network's by more (default: %(default)s)",
    )
    add("--json", type=Path, metavar="FILE", help="write the report here")


def run(args: argparse.Namespace) -> int:
    """Export, print the report; 1 if a precision was refused, or labelled images were left out."""
    _check_effect(args)
    if args.images < 1:
        raise ValueError(f"Expected at least 1 calibration image, got {args.images}.")
    load_tensorflow()
    from mtv_perception.evaluation.trained import NotTrained
    from mtv_perception.export.artefact import calibration_images
    from mtv_perception.training.trained import trained_of_run

    config, network = _load(args.source, tuple(args.size) if args.size else None)
    labels = network.config.labels
    chosen = (
        [DatasetConfig(path=path) for path in args.calibrate] if args.calibrate else config.train
    )
    if not chosen:
        raise ValueError(f"{args.source}: expected images with --calibrate, for it names none.")
    if args.form == ONNX:
        return _onnx(args.out, network, open_datasets(chosen, labels), args.images)
    dataset = _scored(args, config, labels)
    trained = trained_of_run(args.source, config)
    if dataset is not None:
        dataset = NotTrained.of_trained(trained, labels).restrict(dataset)
    images = calibration_images(open_datasets(chosen, labels), network.config.size_hw, args.images)
    reports = _export(args, config, network, images, dataset, trained)
    scored = None if dataset is None else dataset.name
    _show(reports, scored, Console(markup=False, emoji=False))
    if args.json:
        found = {report.precision: report.to_json() for report in reports}
        write_json(args.json, {"images": len(images), "scored_on": scored, **found})
    refused = any(report.refused for report in reports)
    return int(refused) if dataset is None else tell_left_out(dataset) or int(refused)


def _check_effect(args: argparse.Namespace) -> None:
    """Raise ValueError where an option would have no effect."""
    if args.form == ONNX:
        alone = "--format onnx, which writes float32 and compares outputs alone"
        _refuse(args, _OF_FOLDERS, alone)
    elif LITERT not in args.backend:
        options = _OF_DESCRIPTION if args.precision == ["int8"] else _OF_LITERT
        _refuse(args, options, "--backend openvino, which adds int8 to the model that DIR holds")
    if args.unscored:
        _refuse(args, _OF_SCORES, "--unscored")
    if not args.data and data_config(args, Path()) != DatasetConfig(path=Path()):
        raise ValueError("Expected --data beside the options of how to read it, got none.")


def _refuse(args: argparse.Namespace, options: Mapping[str, object], beside: str) -> None:
    """Raise ValueError if one of these options is given; `options` holds their defaults."""
    if given := changed_options(args, options):
        raise ValueError(f"Expected no {given} beside {beside}; leave one of them out.")


def _export(
    args: argparse.Namespace,
    config: TrainConfig,
    network: MultitaskNetwork,
    images: list[np.ndarray],
    dataset: Dataset | None,
    trained: Trained,
) -> list[PrecisionReport]:
    """For each engine asked for, LiteRT first: OpenVINO's files are added to its folder."""
    from mtv_perception.export.artefact import Description
    from mtv_perception.export.report import export_precisions
    from mtv_perception.export.source import spec_of_model
    from mtv_perception.training.state import run_folder

    reports: list[PrecisionReport] = []
    if LITERT in args.backend:
        about = Description(
            args.name or run_folder(args.source).resolve().name,
            trained,
            1 if args.version is None else args.version,
            ", ".join(str(item.path) for item in config.train),
            args.licence,
        )
        if spec := spec_of_model(args.source):
            about = Description(
                args.name or spec.name,
                trained,
                spec.version if args.version is None else args.version,
                spec.training_data,
                args.licence or spec.licence,
                spec.thresholds,
                spec.operating_points,
                spec.iou_threshold,
            )
        reports += export_precisions(
            network,
            args.out,
            args.precision,
            images,
            about,
            dataset,
            largest_drop=args.largest_drop,
        )
    if OPENVINO in args.backend and not any(report.refused for report in reports):
        from mtv_perception.export.openvino import export_openvino

        drop = args.largest_drop
        reports.append(export_openvino(network, args.out, images, dataset, largest_drop=drop))
    return reports


def _onnx(file: Path, network: MultitaskNetwork, datasets: Sequence[Dataset], count: int) -> int:
    """Write and compare an ONNX file; prints the errors."""
    from mtv_perception.export.artefact import calibration_images
    from mtv_perception.export.onnx_file import write_onnx

    images = calibration_images(datasets, network.config.size_hw, count)
    errors = write_onnx(network, file, images)
    figures = ", ".join(f"{name} {error:.2g}" for name, error in errors.items())
    print(f"{file}: ONNX, opset 17; largest relative errors in ONNX Runtime: {figures}")
    return 0


def _scored(args: argparse.Namespace, config: TrainConfig, labels: LabelSet) -> Dataset | None:
    """What to score on: --data, or else all of the run's validation data.

    The name tells which folds.
    """
    if args.unscored:
        return None
    if args.data:
        configs, datasets = [data_config(args, args.data)], [dataset_of(args, labels)]
    else:
        configs, datasets = list(config.validation), open_datasets(config.validation, labels)
    takes = ["" if item.take == "all" else f" {item.take}" for item in configs]
    name = ", ".join(dataset.name + take for dataset, take in zip(datasets, takes, strict=True))
    samples = tuple(sample for dataset in datasets for sample in dataset.samples)
    left_out = tuple(text for dataset in datasets for text in dataset.left_out)
    return Dataset(name, labels, samples[: args.limit], left_out=left_out) if samples else None


def _load(source: Path, size_hw: tuple[int, int] | None) -> tuple[TrainConfig, MultitaskNetwork]:
    from mtv_perception.export.source import load_network

    return load_network(source, size_hw)


def _show(reports: Sequence[PrecisionReport], scored: str | None, console: Console) -> None:
    caption = "errors: relative, of the worst image" + (f"; scores: {scored}" if scored else "")
    table = Table(
        "precision", box=SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left"
    )
    for name in ("MB", *_ERRORS, "AP", "AP@.50", "mIoU"):
        table.add_column(name, justify="right")
    for report in reports:
        if report.refused:
            continue
        errors = [f"{report.errors[name]:.2g}" for name in _ERRORS.values()]
        scores = [report.scores.get(name) for name in ("map", "map50", "miou")]
        cells = ["-" if value is None else f"{value:.3f}" for value in scores]
        table.add_row(report.precision, f"{report.megabytes:.2f}", *errors, *cells)
    console.print(table)
    for report in reports:
        console.print(
            f"{report.precision}: REFUSED, nothing written: {report.refused}"
            if report.refused
            else f"{report.precision}: {report.folder}",
            highlight=False,
            soft_wrap=True,
        )
