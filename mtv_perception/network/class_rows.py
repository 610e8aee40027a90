"""Weights of one network for another of the same layout and other classes.

Only the last convolutions of class logits and segmentation logits depend on the classes: each class
has its own rows of them. Everything else is copied as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from mtv_perception.errors import WeightsError
from mtv_perception.network.multitask import MultitaskNetwork

Rows = tuple[int | None, ...]
"""For each class id of the new network the id in the old one, None where it has none."""


def class_rows(
    names: tuple[str, ...],
    old_names: tuple[str, ...] | None,
    renamed: Mapping[str, str],
    where: str,
) -> Rows | None:
    """Which class of another network each class takes its rows from.

    Args:
        names: of the new network, the background first.
        old_names: of the other network; None where they are not known, so that they have to be
            equal.
        renamed: new name to old name.
        where: the other network's name in the error.

    Returns:
        Rows; None where the classes are the same, so that all weights can be taken.

    Raises:
        WeightsError: `renamed` names a class that the other network has not, or its classes are not
            known.
    """
    if old_names is None and renamed:
        raise WeightsError(
            f"{where}: expected {', '.join(renamed.values())} among its classes, found no config.yaml "
            "beside it that names them; give the run's folder."
        )
    if old_names is None or (tuple(old_names) == tuple(names) and not renamed):
        return None
    ids = {name: index for index, name in enumerate(old_names)}
    for new, old in renamed.items():
        if old not in ids:
            known = ", ".join(old_names[1:])
            raise WeightsError(f"{where}: expected a class of {known} for {new!r}, got {old!r}.")
    return (0, *(ids.get(renamed.get(name, name)) for name in names[1:]))


def copy_weights(source: MultitaskNetwork, target: MultitaskNetwork, rows: Rows) -> None:
    """Copy every layer, and of the last convolutions of classes the rows of known classes.

    Rows of new classes keep their fresh values.

    Raises:
        WeightsError: the networks are of different layouts.
    """
    by_class = _class_layers(target)
    for layer in target.model.layers:
        if not layer.weights:
            continue
        values = source.model.get_layer(layer.name).get_weights()
        if layer.name in by_class:
            values = _with_rows(layer, values, rows, by_class[layer.name], len(source.config.names))
        if [v.shape for v in values] != [tuple(w.shape) for w in layer.weights]:
            raise WeightsError(f"{layer.name}: expected the weights of the same layout.")
        layer.set_weights(values)


def _class_layers(network: MultitaskNetwork) -> dict[str, bool]:
    """Names of the layers with rows by class, and whether the background has rows too."""
    outputs = network.model.output
    with_background = {
        "segmentation_logits": True,
        "class_logits": network.scores == "softmax",
    }
    found = {}
    for name, background in with_background.items():
        for layer in _last_layers(outputs[name]._keras_history.operation):
            found[layer.name] = background
    return found


def _last_layers(layer: Any) -> list[Any]:
    """The convolution that makes an output, and norms after it.

    Several where outputs are joined.
    """
    if isinstance(layer, keras.layers.Conv2D):
        return [layer]
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    before = [x for item in inputs for x in _last_layers(item._keras_history.operation)]
    return [*before, layer] if layer.weights else before


def _with_rows(
    layer: keras.layers.Layer,
    values: list[np.ndarray],
    rows: Rows,
    background: bool,
    old_count: int,
) -> list[np.ndarray]:
    """The layer's own weights with the rows of known classes, which lie along the last axis."""
    known = rows if background else rows[1:]
    shift = 0 if background else 1
    merged = []
    for fresh, old in zip(layer.get_weights(), values, strict=True):
        new_rows = fresh.reshape(*fresh.shape[:-1], -1, len(known)).copy()
        old_rows = old.reshape(*old.shape[:-1], -1, old_count - shift)
        if new_rows.shape[:-1] != old_rows.shape[:-1]:
            raise WeightsError(f"{layer.name}: expected the weights of the same layout.")
        for index, row in enumerate(known):
            if row is not None:
                new_rows[..., index] = old_rows[..., row - shift]
        merged.append(new_rows.reshape(fresh.shape))
    return merged
