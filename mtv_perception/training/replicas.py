"""A batch over several replicas: what each adds to the whole. With one replica, or outside of a step, nothing to do."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def replica_count() -> int:
    """How many replicas share the present step."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def sum_over_replicas(values: Any) -> Any:
    """The sum over all replicas of a tensor, or of each of a structure; its gradient is the sum of theirs."""
    if replica_count() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)
