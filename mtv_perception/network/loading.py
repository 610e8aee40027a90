"""Loading TensorFlow without what it prints about graphics cards that are not there."""

from __future__ import annotations

import re

from mtv_perception.errors import WeightsError
from mtv_perception.resources import stderr_without

# Written to the file descriptor before TensorFlow's own log level applies.
_NOISE = re.compile(
    r"^WARNING: All log messages before absl::InitializeLog"
    r"|^[IWE]\d{4} \S+ +\d+ (?:port|cudart_stub|cuda_platform|cuda_executor|cpu_feature_guard)\.cc"
    r"|^To enable the following instructions"
)


def load_tensorflow() -> None:
    """Import TensorFlow and find its devices; anything it prints but noise is passed on."""
    with stderr_without(_NOISE):
        import tensorflow

        tensorflow.config.list_physical_devices()
        # It warns of "retracing" where a program runs several networks on purpose.
        tensorflow.get_logger().setLevel("ERROR")


def limit_threads(threads: int) -> None:
    """Let each of TensorFlow's operations run on a number of threads, one operation at a time.

    Args:
        threads: of the CPU, at least 1.

    Raises:
        WeightsError: it runs already, on another number.
    """
    with stderr_without(_NOISE):
        import tensorflow
    config = tensorflow.config.threading
    try:
        config.set_intra_op_parallelism_threads(threads)
        config.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise WeightsError(
            f"Expected {threads} threads of TensorFlow, but it runs already with another number. "
            "Set them before its first operation, or give 0."
        ) from error
