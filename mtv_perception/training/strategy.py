"""Where a step runs: one device, several in one machine, or several machines."""

from __future__ import annotations

import os

import tensorflow as tf


def is_chief() -> bool:
    """Whether this process keeps the run's files.

    The only one, or of several machines (`TF_CONFIG`) the first.
    """
    if "TF_CONFIG" not in os.environ:
        return True
    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    first = "chief" if "chief" in cluster.cluster_spec().jobs else "worker"
    return (cluster.task_type, cluster.task_id) == (first, 0)


def make_strategy(devices: int) -> tf.distribute.Strategy:
    """The distribution strategy for a run.

    Args:
        devices: how many GPUs (or, without GPUs, logical CPUs) to use; 0 takes every GPU, or one
            CPU.

    Raises:
        ValueError: fewer devices than asked for.
    """
    if "TF_CONFIG" in os.environ:
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    found = gpus or tf.config.list_logical_devices("CPU")
    wanted = devices or max(len(gpus), 1)
    if wanted > len(found):
        raise ValueError(
            f"Expected {wanted} devices, got {len(found)}: {[device.name for device in found]}."
        )
    if wanted == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in found[:wanted]])
