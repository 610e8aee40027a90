"""Where a network's first weights come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mtv_perception.errors import ArtefactError, WeightsError
from mtv_perception.network.multitask import MultitaskNetwork, normalise
from mtv_perception.network.weights.litert import (
    measure_norms,
    read_folded_weights,
    set_folded_weights,
)
from mtv_perception.network.weights.pretrained import (
    pretrained_path,
    read_backbone_weights,
    set_layer_weights,
)
from mtv_perception.runtime.artefact import MODEL_FILE, SPEC_FILE, load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.training.state import BEST_FILE, load_averaged

# Large layers of a network at full size have gigabytes of activations for a usual batch.
_MEASURED_AT_ONCE = 4


def load_backbone(network: MultitaskNetwork, name: str) -> list[str]:
    """Set the backbone's layers from pretrained weights; returns their names."""
    return set_layer_weights(network.model, read_backbone_weights(pretrained_path(name)))


def load_initial(network: MultitaskNetwork, name: str, images: Callable[[], np.ndarray]) -> Path:
    """Set all weights to those of a run folder, a checkpoint or an exported model, perhaps one of the package's.

    Returns the file that was read.

    Args:
        network: of the same layout; its input size may differ.
        name: a path, or the name of a model that comes with the package.
        images: gives `(M, H, W, 3)` uint8 RGB of the network's size, for `load_exported`.

    Raises:
        ArtefactError: an exported model that is not intact.
        WeightsError: none of these, or of another network.
    """
    source = Path(name).expanduser()
    if not source.exists():
        try:
            source = find_model(name)
        except ArtefactError as error:
            raise WeightsError(
                f"{name}: expected a run folder, a checkpoint or an exported model. {error}"
            ) from error
    if (source / SPEC_FILE).is_file() and not (source / BEST_FILE).exists():
        load_exported(network, source, images())
        return source / MODEL_FILE
    load_averaged(network, source)
    return source / BEST_FILE if source.is_dir() else source


def load_exported(network: MultitaskNetwork, folder: Path, images: np.ndarray) -> None:
    """Set all weights to those of an exported model.

    Args:
        network: of the same layout; its input size may differ.
        folder: a float32 or int8 artefact.
        images: `(M, H, W, 3)` uint8 RGB of the network's size, for the norms' statistics.

    Raises:
        ArtefactError: not an intact artefact.
        WeightsError: of other classes, of another network, or float16.
    """
    artefact = load_artefact(folder)
    expected, found = (tuple(classes) for classes in (network.config.names, artefact.spec.classes))
    if expected != found:
        raise WeightsError(f"{folder}: expected the classes {expected}, got a model of {found}.")
    try:
        set_folded_weights(network.model, read_folded_weights(artefact.content))
    except WeightsError as error:
        raise WeightsError(
            f"{folder}: expected a float32 or int8 model of preset {network.config.preset!r}, "
            f"got one in {artefact.spec.precision}: {error}"
        ) from error
    starts = range(0, len(images), _MEASURED_AT_ONCE)
    measure_norms(network.model, (normalise(images[i : i + _MEASURED_AT_ONCE]) for i in starts))
