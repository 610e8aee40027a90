"""A batch over several replicas: what each adds to the whole.

With one replica, or outside of a step, nothing to do.

Only TensorFlow has replicas here; on another backend of Keras a batch is whole.
"""

from __future__ import annotations

from typing import Any

import keras


def _context() -> Any:
    """TensorFlow's replica context; None on other backends, and where there is none."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()


def replica_count() -> int:
    """How many replicas share the present step."""
    context = _context()
    return context.num_replicas_in_sync if context else 1


def sum_over_replicas(values: Any) -> Any:
    """The sum over all replicas of a tensor, or of each of a structure.

    Its gradient is the sum of theirs.
    """
    return values if replica_count() == 1 else _context().all_reduce("SUM", values)
