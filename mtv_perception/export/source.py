"""The network to export: a run's best weights, a checkpoint's, or those of an exported model."""

from __future__ import annotations

from pathlib import Path

from mtv_perception.config import load
from mtv_perception.errors import ArtefactError, ConfigError, WeightsError
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.layers import make_divisible
from mtv_perception.network.multitask import MultitaskNetwork, build_network
from mtv_perception.network.weights.litert import read_folded_weights, set_folded_weights
from mtv_perception.runtime.artefact import Artefact, ModelSpec, load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.initial import is_model_folder
from mtv_perception.training.keras_model import spec_of
from mtv_perception.training.state import load_averaged, run_folder

CONFIG_FILE = "config.yaml"
_WIDTHS = (1.0, 0.75, 0.5, 0.35)
# Layers whose channels tell the preset and the width, and how many they have at width 1.
_PYRAMID = "level64_pointwise"
_PRESETS = {128: "warehouse", 64: "warehouse-small"}
_DEEPEST, _DEEPEST_CHANNELS = "block_16_project", 320


def load_network(
    source: Path, size_hw: tuple[int, int] | None
) -> tuple[TrainConfig, MultitaskNetwork]:
    """What a run, a checkpoint or a model folder holds: its configuration and its network.

    Args:
        source: one of them, or the name of a bundled model. A model's configuration names no data.
        size_hw: network input, pixels; None for the size it was trained or exported at.

    Raises:
        ConfigError: none of them.
        WeightsError: an exported model that is none of our presets, or in float16.
    """
    path = run_folder(source) / CONFIG_FILE
    if path.is_file() and not is_model_folder(source):
        config = load(TrainConfig, path)
        network = build_network(config.network.at_size(size_hw or config.network.size_hw))
        load_averaged(network, source)
        return config, network
    try:
        artefact = load_artefact(find_model(str(source)))
    except ArtefactError as error:
        raise ConfigError(
            f"{source}: expected a run folder or a checkpoint in one, found no {path}; "
            f"nor is it a model folder: {error}"
        ) from error
    network = _of_artefact(artefact, size_hw or artefact.size_hw)
    return TrainConfig(network=network.config), network


def spec_of_model(source: Path) -> ModelSpec | None:
    """The description of a model folder or bundled model; None for a run or checkpoint."""
    if (run_folder(source) / CONFIG_FILE).is_file() and not is_model_folder(source):
        return None
    try:
        return load_artefact(find_model(str(source))).spec
    except ArtefactError:
        return None


def _of_artefact(artefact: Artefact, size_hw: tuple[int, int]) -> MultitaskNetwork:
    """The network of an exported model in float32; int8 kernels stay rounded."""
    try:
        weights = read_folded_weights(artefact.content)
        # An artefact does not say which preset it is of; the shapes of its weights do.
        channels = {name: kernel.shape[-1] for name, kernel in weights.kernels.items()}
        preset = _PRESETS.get(channels.get(_PYRAMID, 0), "reference")
        widths = [
            width
            for width in _WIDTHS
            if make_divisible(_DEEPEST_CHANNELS * width) == channels.get(_DEEPEST)
        ]
        width = widths[0] if widths else 1.0
        spec = artefact.spec
        config = NetworkConfig(
            preset, spec.classes, spec.size_hw, width=width, aligned_hw=spec.aligned_hw
        )
        _check_layout(artefact, config)
        network = build_network(config.at_size(size_hw))
        set_folded_weights(network.model, weights)
    except (WeightsError, ValueError) as error:
        raise WeightsError(
            f"{artefact.folder}: expected a float32 or int8 model of a MobileNetV2 preset; {error}"
        ) from error
    return network


def _check_layout(artefact: Artefact, config: NetworkConfig) -> None:
    """Raise WeightsError where a preset lays out other boxes or masks than the model has."""
    wanted = spec_of(build_network(config))
    for name in ("default_boxes", "segmentation_stride", "scores"):
        if getattr(wanted, name) != getattr(artefact.spec, name):
            raise WeightsError(f"{name} is not that of preset {config.preset!r}.")
