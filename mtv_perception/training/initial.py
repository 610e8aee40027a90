"""Where a network's first weights come from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mtv_perception.config import load
from mtv_perception.data.sample import Dataset
from mtv_perception.errors import ArtefactError, ConfigError, WeightsError
from mtv_perception.network.class_rows import class_rows, copy_weights
from mtv_perception.network.multitask import MultitaskNetwork, build_network, normalise
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
from mtv_perception.runtime.artefact import MODEL_FILE, SPEC_FILE, Trained, load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.training.config import CONFIG_FILE, TrainConfig
from mtv_perception.training.state import BEST_FILE, load_averaged, run_folder
from mtv_perception.training.trained import frozen_parts, trained_of_run, trained_on

_LOG = logging.getLogger(__name__)
# Large layers of a network at full size have gigabytes of activations for a usual batch.
_MEASURED_AT_ONCE = 4


def load_backbone(network: MultitaskNetwork, name: str) -> list[str]:
    """Set the backbone's layers from pretrained weights; returns their names.

    Raises:
        WeightsError: no such weights, or those of another backbone.
    """
    weights, config = read_backbone_weights(pretrained_path(name)), network.config
    try:
        return set_layer_weights(network.model, weights)
    except WeightsError as error:
        raise WeightsError(
            f"pretrained: {name} has no weights for {config.backbone} of width {config.width:g}; "
            f"write `pretrained: none`. {error}"
        ) from error


def load_initial(
    network: MultitaskNetwork,
    name: str,
    images: Callable[[], np.ndarray],
    renamed: Mapping[str, str] | None = None,
) -> Path:
    """Set weights to those of a run folder, a checkpoint or an exported model.

    Perhaps a bundled one.

    A network of other classes takes all layers but the last ones of classes and masks. Of these it
    takes the rows of classes of the same name, and of those that `renamed` maps.

    Returns the file that was read.

    Args:
        network: of the same layout; its input size may differ.
        name: a path, or the name of a bundled model.
        images: gives `(M, H, W, 3)` uint8 RGB of the network's size, for `load_exported`.
        renamed: class of the network to the class of `name` whose rows it takes.

    Raises:
        ArtefactError: an exported model that is not intact.
        WeightsError: none of these, of another network, or without a class that `renamed` names.
    """
    source, is_exported = _find(name)
    rows = class_rows(network.config.names, _names_of(source, is_exported), renamed or {}, name)
    loaded = network if rows is None else _with_names(network, _names_of(source, is_exported))
    if is_exported:
        load_exported(loaded, source, images())
    else:
        load_averaged(loaded, source)
    if rows is not None:
        copy_weights(loaded, network, rows)
    if is_exported:
        return source / MODEL_FILE
    return source / BEST_FILE if source.is_dir() else source


@dataclass(frozen=True)
class Layout:
    """What a network's first weights were trained for.

    Attributes:
        names: classes, the background first.
        size_hw: network input, pixels.
        aligned_hw: the same of the size with whose windows they line up.
    """

    names: tuple[str, ...]
    size_hw: tuple[int, int]
    aligned_hw: tuple[int, int]


def initial_layout(name: str) -> Layout | None:
    """The layout of what `load_initial` would read.

    None where a checkpoint lies without its configuration.

    Raises:
        ArtefactError: an exported model that is not intact.
        WeightsError: no run folder, checkpoint or exported model.
    """
    return _layout_of(*_find(name))


def trained_for(
    network: MultitaskNetwork, config: TrainConfig, datasets: Sequence[Dataset]
) -> Trained:
    """The classes that a run's model is trained for.

    By its data and losses; an output of which nothing is trained stays what `initial` made it.

    Args:
        network: whose layers are frozen as the configuration says.
        config: of the run.
        datasets: to train on.

    Raises:
        ArtefactError, WeightsError: as `initial_layout`.
    """
    own = trained_on(datasets, config.network.labels, config.losses)
    frozen = frozen_parts(network) if config.initial else ()
    if not frozen:
        return own
    before, names = _trained_of(config.initial), config.network.names
    kept = {part: tuple(n for n in getattr(before, part) if n in names) for part in frozen}
    return replace(own, **kept)


def _trained_of(name: str) -> Trained:
    """What `load_initial` would read was trained for, all classes by name."""
    source, is_exported = _find(name)
    if is_exported:
        found = load_artefact(source).spec.trained
    else:
        path = run_folder(source) / CONFIG_FILE
        found = trained_of_run(source, load(TrainConfig, path)) if path.is_file() else Trained()
    names = (_names_of(source, is_exported) or ())[1:]
    return Trained(*(names if part is None else part for part in (found.boxes, found.masks)))


def aligned_with_initial(config: TrainConfig) -> TrainConfig:
    """The configuration whose network lines up with its first weights, unless it says with what.

    Raises:
        ArtefactError, WeightsError: as `initial_layout`.
        ConfigError: `from` names classes of an `initial` that is not given.
    """
    if config.initial_from and not config.initial:
        raise ConfigError("from: expected `initial`, whose classes it names, got none.")
    if not config.initial or config.network.aligned_hw is not None:
        return config
    layout = initial_layout(config.initial)
    if layout is None:
        _LOG.warning(
            "initial: %s has no config.yaml beside it: its classes are taken in this network's order, "
            "and its size as this one's (`aligned_hw` names another)",
            config.initial,
        )
        return config
    return replace(config, network=config.network.aligned_with(layout.aligned_hw))


def _find(name: str) -> tuple[Path, bool]:
    """Where a run folder, a checkpoint or a model lies, and whether it is an exported model."""
    source = Path(name).expanduser()
    if not source.is_file():
        try:
            source = find_model(name)
        except ArtefactError as error:
            raise WeightsError(
                f"{name}: expected a run folder, a checkpoint or an exported model. {error}"
            ) from error
    return source, is_model_folder(source)


def is_model_folder(folder: Path) -> bool:
    """Whether it holds an exported model and no run; `mtv fit` puts its configuration there, too."""
    return (folder / SPEC_FILE).is_file() and not (folder / BEST_FILE).exists()


def _layout_of(source: Path, is_exported: bool) -> Layout | None:
    if is_exported:
        spec = load_artefact(source).spec
        return Layout(spec.classes, spec.size_hw, spec.aligned_hw or spec.size_hw)
    path = run_folder(source) / CONFIG_FILE
    if not path.is_file():
        return None
    network = load(TrainConfig, path).network
    return Layout(network.names, network.size_hw, network.aligned_hw or network.size_hw)


def _names_of(source: Path, is_exported: bool) -> tuple[str, ...] | None:
    layout = _layout_of(source, is_exported)
    return layout.names if layout else None


def _with_names(network: MultitaskNetwork, names: tuple[str, ...] | None) -> MultitaskNetwork:
    return build_network(replace(network.config, names=names or network.config.names))


def load_exported(network: MultitaskNetwork, folder: Path, images: np.ndarray) -> None:
    """Set all weights to those of an exported model.

    Args:
        network: of the same layout and classes; its input size may differ.
        folder: a float32 or int8 artefact.
        images: `(M, H, W, 3)` uint8 RGB of the network's size, for the norms' statistics.

    Raises:
        ArtefactError: not an intact artefact.
        WeightsError: of another network, of other classes, or float16.
    """
    artefact = load_artefact(folder)
    expected, found = (tuple(names) for names in (network.config.names, artefact.spec.classes))
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
