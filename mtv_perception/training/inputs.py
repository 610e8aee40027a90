"""What a run is trained on: the scenes its configuration names.

And targets of its network's shape.
"""

from __future__ import annotations

import numpy as np

from mtv_perception.data.formats.open import open_datasets
from mtv_perception.data.source import Mixture, SceneSource
from mtv_perception.data.targets import TargetEncoder
from mtv_perception.errors import ConfigError
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.training.config import TrainConfig


def open_scenes(config: TrainConfig) -> SceneSource:
    """The training scenes.

    Raises:
        ConfigError: none are named.
        DatasetError: the data has faults.
    """
    if not config.train:
        raise ConfigError("train: expected at least one data set, got none.")
    datasets = tuple(open_datasets(config.train, config.network.labels))
    mixture = Mixture(datasets, tuple(item.weight for item in config.train))
    return SceneSource(mixture, config.network.size_hw, config.augment, config.seed)


def target_encoder(network: MultitaskNetwork, config: TrainConfig) -> TargetEncoder:
    """The targets of a network's default boxes, and of its logits' cells or parts of them (`losses.mask_scale`)."""
    rows, columns = network.model.output["segmentation_logits"].shape[1:3]
    scale = config.losses.mask_scale
    return TargetEncoder(
        network.default_boxes.boxes_xyxy(),
        (rows * scale, columns * scale),
        config.match,
        len(network.config.names),
    )


def first_images(source: SceneSource) -> np.ndarray:
    """`(64, H, W, 3)` uint8: a few batches, for statistics of norms that go on to be averaged while training."""
    return np.stack([source(index).image for index in range(64)])
