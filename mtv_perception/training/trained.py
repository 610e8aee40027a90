"""Which classes a run has labels for, so that its model says so (`trained` in model.yaml)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import keras

from mtv_perception.config import load, read_record, to_plain
from mtv_perception.data.formats.open import open_datasets
from mtv_perception.data.sample import Dataset
from mtv_perception.errors import DatasetError
from mtv_perception.labels import LabelSet
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.resources import write_whole
from mtv_perception.runtime.artefact import Trained, load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.training.config import CONFIG_FILE, TrainConfig
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.state import run_folder
from mtv_perception.yaml_text import format_yaml

_FILE = "trained.yaml"
_OUTPUTS = {"boxes": ("class_logits", "box_offsets"), "masks": ("segmentation_logits",)}


def trained_on(datasets: Iterable[Dataset], labels: LabelSet, losses: LossConfig) -> Trained:
    """The classes that data sets have objects and pixels of, as far as the losses look at them.

    A class counts as boxed with one object that is no crowd, and as masked with one pixel in a data
    set whose masks tell it apart.
    """
    boxed: set[int] = set()
    masked: set[int] = set()
    for dataset in datasets:
        for sample in dataset.samples:
            boxed.update(sample.class_ids[~sample.crowd].tolist())
            if sample.mask_path is not None or sample.regions is not None:
                masked.update(set(sample.mask_classes) & set(dataset.masked))
    tasks = losses.task_weights
    if not tasks["classes"] or not tasks["boxes"]:
        boxed = set()
    if not tasks["segmentation"]:
        masked = set()
    boxes, masks = (tuple(labels.names[i] for i in sorted(ids)) for ids in (boxed, masked))
    return Trained(boxes, masks)


def frozen_parts(network: MultitaskNetwork) -> tuple[str, ...]:
    """Those of `boxes` and `masks` whose outputs need no layer that is trained."""
    model = network.model
    return tuple(
        part
        for part, names in _OUTPUTS.items()
        if not keras.Model(model.input, [model.output[name] for name in names]).trainable_weights
    )


def note_trained(folder: Path, trained: Trained) -> None:
    """Write `trained.yaml` into a run folder."""
    write_whole(folder / _FILE, format_yaml(to_plain(trained)))


def trained_of_run(source: Path, config: TrainConfig) -> Trained:
    """What a run was trained for: what it noted, else what its data sets hold, else all classes.

    Args:
        source: a run folder, a checkpoint in one, a model folder or a bundled model's name.
        config: of the run, whose data sets are read if the run is from before such notes.
    """
    folder = run_folder(source)
    if (folder / _FILE).is_file():
        read_record(folder / _FILE, "boxes", "masks")  # One cut short would mean all classes.
        return load(Trained, folder / _FILE)
    if not (folder / CONFIG_FILE).is_file():
        return load_artefact(find_model(str(source))).spec.trained
    try:
        datasets = open_datasets(config.train, config.network.labels)
    except DatasetError:
        return Trained()
    if not datasets:
        return Trained()
    return trained_on(datasets, config.network.labels, config.losses)
