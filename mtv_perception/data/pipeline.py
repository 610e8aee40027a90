"""The training input as a tf.data pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mtv_perception.data.source import ExampleSource, SceneSource
from mtv_perception.data.targets import TargetEncoder

Batch = dict[str, tf.Tensor]


def training_batches(
    source: SceneSource,
    encoder: TargetEncoder,
    indices: Sequence[int] | range,
    batch_size: int,
    workers: int = 2,
) -> tf.data.Dataset:
    """Batches of images and targets for the given indices.

    Args:
        source: scenes by index.
        encoder: their targets.
        indices: which, in order (a range resumes anywhere).
        batch_size: images a batch; an incomplete last batch is dropped.
        workers: images prepared at once.

    Returns:
        Batches: `images` `[B, H, W, 3]` uint8 and the fields of Targets with a leading batch axis.
    """
    examples = ExampleSource(source, encoder)
    probe = examples(int(indices[0]))

    def make(index: np.int64) -> tuple[np.ndarray, ...]:
        return tuple(examples(int(index)).values())

    def call(index: tf.Tensor) -> Batch:
        arrays = tf.numpy_function(make, [index], [array.dtype for array in probe.values()])
        return {
            name: tf.ensure_shape(array, like.shape)
            for (name, like), array in zip(probe.items(), arrays, strict=True)
        }

    dataset = tf.data.Dataset.from_tensor_slices(np.asarray(indices, np.int64))
    dataset = dataset.map(call, num_parallel_calls=workers, deterministic=True)
    return dataset.batch(batch_size, drop_remainder=True).prefetch(2)
