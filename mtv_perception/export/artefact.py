"""Writing a verified model folder from a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mtv_perception.data.sample import Dataset
from mtv_perception.data.scene import fit_matrix, load_scene, warp_scene
from mtv_perception.export.convert import convert
from mtv_perception.export.parity import check_errors, output_errors, output_positions
from mtv_perception.export.rounding import spread
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.network.weights.idle_channels import without_idle_channels
from mtv_perception.runtime.artefact import Artefact, ModelSpec, Trained
from mtv_perception.training.keras_model import spec_of

PARITY_IMAGES = 8


@dataclass(frozen=True)
class Description:
    """What the network itself does not know of its model: fields of ModelSpec.

    `trained` has no default: a class that nobody taught must never be published as if it were known.
    """

    name: str
    trained: Trained
    version: int = 1
    training_data: str = ""
    licence: str = ""
    thresholds: dict[str, float] = field(default_factory=dict)
    operating_points: dict[str, dict[str, float]] = field(default_factory=dict)
    iou_threshold: float = ModelSpec.iou_threshold


def calibration_images(
    datasets: Sequence[Dataset], size_hw: tuple[int, int], count: int
) -> list[np.ndarray]:
    """Images of the network's size, letterboxed, taken evenly from data sets."""
    samples = [sample for dataset in datasets for sample in dataset.samples]
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int))
    scenes = (load_scene(samples[index]) for index in chosen)
    return [
        warp_scene(scene, fit_matrix(scene.size_hw, size_hw), size_hw).image for scene in scenes
    ]


def make_artefact(
    network: MultitaskNetwork,
    folder: Path,
    precision: str,
    calibration: Sequence[np.ndarray],
    about: Description,
) -> tuple[Artefact, dict[str, float]]:
    """Convert without idle channels, and compare with the network; nothing is written.

    Args:
        network: with its final weights.
        folder: where the artefact belongs.
        precision: float32, float16 or int8.
        calibration: images of the network's size; also used to compare.
        about: what its description says beside.

    Returns:
        The artefact and the worst relative error of each raw output.

    Raises:
        ArtefactError: the converted model differs too much from the network.
        ValueError: no images.
    """
    if not calibration:
        raise ValueError(
            "Expected images to compare the converted model with the network on, got none."
        )
    content = convert(without_idle_channels(network, calibration), precision, calibration)
    positions = output_positions(content, network, calibration[0])
    errors = output_errors(content, network, positions, spread(calibration, PARITY_IMAGES))
    check_errors(errors, precision)
    spec: ModelSpec = replace(
        spec_of(network), outputs=positions, precision=precision, **vars(about)
    )
    return Artefact(folder, spec, content), errors
