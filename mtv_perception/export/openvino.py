"""A network for OpenVINO in int8: post-training quantisation by NNCF, beside the LiteRT model."""

from __future__ import annotations

import importlib
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.sample import Dataset
from mtv_perception.errors import ArtefactError, ConfigError
from mtv_perception.export.artefact import PARITY_IMAGES
from mtv_perception.export.parity import (
    backend_errors,
    check_errors,
    check_scores,
    output_errors,
)
from mtv_perception.export.report import PrecisionReport, scores_of
from mtv_perception.export.rounding import rounded_depthwise, spread
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.network.weights.idle_channels import without_idle_channels
from mtv_perception.runtime.artefact import Artefact, load_artefact, write_artefact
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.backends.config import OPENVINO, OPENVINO_FILES
from mtv_perception.training.keras_model import KerasModel, spec_of

TITLE = "openvino int8"
_PRECISION = "int8"
# What an artefact's description and a network must agree on to be one model.
_SAME = ("classes", "size_hw", "aligned_hw", "default_boxes", "segmentation_stride", "scores")


def openvino_files(
    network: MultitaskNetwork, calibration: Sequence[np.ndarray]
) -> dict[str, bytes]:
    """The network in int8, as OpenVINO's two files by their path in an artefact.

    Weights are symmetric per channel and use 7 of the 8 bits, activations are per tensor with ranges
    from the images. Depthwise kernels are rounded as for LiteRT, and idle channels left out. The class
    and box outputs stay apart level by level.

    Args:
        network: with its final weights.
        calibration: images `(H, W, 3)` uint8 of the network's size.

    Raises:
        ConfigError: openvino, nncf or onnx is not installed.
        WeightsError: the network has a layer that can't be written as ONNX.
        ValueError: no images.
    """
    if not calibration:
        raise ValueError("Expected calibration images for int8, got none.")
    openvino, nncf = (_package(name) for name in ("openvino", "nncf"))
    _package("onnx")
    from mtv_perception.export.onnx_graph import onnx_model

    logging.getLogger("nncf").setLevel(logging.ERROR)
    network = without_idle_channels(network, calibration)
    with rounded_depthwise(network.model, calibration):
        content = onnx_model(network, joined=False).SerializeToString()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "network.onnx", Path(folder) / "model.xml"
        source.write_bytes(content)
        model = _with_pixel_input(openvino, openvino.Core().read_model(source))
        images = nncf.Dataset(calibration, lambda image: image[None])
        quantised = nncf.quantize(
            model,
            images,
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(calibration),
            # Processors without VNNI add two products of 8 bits in 16: weights of 7 bits can't overflow.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE
            ),
        )
        openvino.save_model(quantised, target, compress_to_fp16=False)
        parts = (target, target.with_suffix(".bin"))
        return {name: part.read_bytes() for name, part in zip(OPENVINO_FILES, parts, strict=True)}


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"Expected the package {name} for export, found none; "
            "pip install 'mtv_perception[openvino-export]'."
        ) from error


def _with_pixel_input(openvino: Any, model: Any) -> Any:
    """The model with its image as `(1, H, W, 3)` uint8."""
    processor = openvino.preprocess.PrePostProcessor(model)
    processor.input().tensor().set_element_type(openvino.Type.u8)
    processor.input().tensor().set_layout(openvino.Layout("NHWC"))
    processor.input().model().set_layout(openvino.Layout("NCHW"))
    return processor.build()


def export_openvino(
    network: MultitaskNetwork,
    folder: Path,
    calibration: Sequence[np.ndarray],
    dataset: Dataset | None = None,
    *,
    largest_drop: float,
) -> PrecisionReport:
    """Add the network for OpenVINO to the artefact that a folder holds.

    Nothing is written where outputs or scores differ too much from the network's.

    Args:
        network: with its final weights; what the folder's LiteRT model was exported from.
        folder: with an artefact.
        calibration: images of the network's size, for ranges and to compare outputs on.
        dataset: to score on; None compares outputs alone.
        largest_drop: AP and mIoU may be lower than the network's by so much.

    Raises:
        ArtefactError: no artefact, or of another network's description.
        ConfigError: a package is not installed.
    """
    artefact = _same_network(load_artefact(folder), network)
    try:
        _check_weights(artefact, network, spread(calibration, PARITY_IMAGES))
        artefact = replace(artefact, files=openvino_files(network, calibration))
        backend = artefact.open(EngineConfig(backend=OPENVINO))
        errors = backend_errors(backend, network, spread(calibration, PARITY_IMAGES))
        check_errors(errors, _PRECISION)
        scores: dict[str, Any] = {}
        if dataset is not None:
            scores = scores_of(artefact, dataset, TITLE, OPENVINO)
            expected = scores_of(KerasModel(network), dataset, "network")
            check_scores(scores, expected, largest_drop, TITLE)
    except ArtefactError as error:
        return PrecisionReport(TITLE, folder, refused=str(error))
    megabytes = sum(map(len, artefact.files.values())) / 1e6
    write_artefact(folder, artefact.spec, artefact.content, artefact.files, artefact.golden)
    return PrecisionReport(TITLE, folder, "", megabytes, errors, scores)


def _check_weights(
    artefact: Artefact, network: MultitaskNetwork, images: Sequence[np.ndarray]
) -> None:
    """Raise ArtefactError where the LiteRT model beside which the files will lie has other weights."""
    errors = output_errors(artefact.content, network, dict(artefact.spec.outputs), images)
    try:
        check_errors(errors, artefact.spec.precision)
    except ArtefactError as error:
        raise ArtefactError(
            f"{artefact.folder}: expected a LiteRT model of the same weights, {error}"
        ) from error


def _same_network(artefact: Artefact, network: MultitaskNetwork) -> Artefact:
    wanted = spec_of(network)
    for name in _SAME:
        if getattr(artefact.spec, name) != getattr(wanted, name):
            raise ArtefactError(
                f"{artefact.folder}: expected a model of the same {name} as the network; export the "
                "LiteRT model first (--backend litert openvino does both)."
            )
    return artefact
