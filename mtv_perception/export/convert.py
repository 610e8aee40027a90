"""Conversion of a network to LiteRT in float32, float16 or int8."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from mtv_perception.export.rounding import rounded_depthwise
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.resources import stderr_without
from mtv_perception.training.keras_model import OUTPUTS

PRECISIONS = ("float32", "float16", "int8")
# Written to the file descriptor by the converter: its settings, its progress, and options of its
# own that it does not use.
_NOISE = re.compile(
    r"fully_quantize: \d|I\d{4} |W\d{4} .*(?:Ignored (?:output_format|drop_control_dependency)"
    r"|Skipping runtime version metadata)"
)


def _normalise(image: np.ndarray) -> np.ndarray:
    return (image.astype(np.float32) / 127.5 - 1.0)[None]


def _fixed_model(network: MultitaskNetwork, with_scaling: bool) -> keras.Model:
    """The network at batch size 1, outputs in the order of OUTPUTS.

    A fixed batch lets the converter fold every shape, which keeps dilated convolutions whole (no
    SpaceToBatch) and the whole graph inside the CPU delegate.
    """
    size_hw = network.config.size_hw
    dtype = "uint8" if with_scaling else "float32"
    images = keras.Input((*size_hw, 3), batch_size=1, dtype=dtype, name="images")
    x = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(images) if with_scaling else images
    outputs = network.model(x)
    return keras.Model(images, [outputs[name] for name in OUTPUTS])


def convert(
    network: MultitaskNetwork, precision: str, calibration: Iterable[np.ndarray] = ()
) -> bytes:
    """The network as a LiteRT model with 8-bit input (uint8; int8, that is less 128, at int8) and raw outputs.

    int8 is per channel for weights (depthwise kernels rounded by `rounding`), per tensor for
    activations, whose ranges come from the calibration images; the image scaling is the
    quantisation of the input itself and costs nothing. A uint8 input would cost a conversion on one
    thread, outside of the CPU delegate: a twentieth of the network's time.

    Args:
        network: with its final weights.
        precision: one of PRECISIONS.
        calibration: images `(H, W, 3)` uint8 of the network's size; needed for int8.

    Raises:
        ValueError: unknown precision, or int8 without calibration images.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"Expected a precision of {', '.join(PRECISIONS)}, got {precision!r}.")
    images = list(calibration)
    if precision == "int8" and not images:
        raise ValueError("Expected calibration images for int8, got none.")
    with (
        rounded_depthwise(network.model, images)
        if precision == "int8"
        else contextlib.nullcontext()
    ):
        return _converted(network, precision, images)


def _converted(network: MultitaskNetwork, precision: str, images: list[np.ndarray]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_keras_model(_fixed_model(network, precision != "int8"))
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.representative_dataset = _representative(images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    with _quiet():
        content: bytes = converter.convert()
    return content


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the converter says of every network, none of which is a fault."""
    with (
        contextlib.redirect_stdout(io.StringIO()),  # Keras lists every variable there
        warnings.catch_warnings(),
        stderr_without(_NOISE),
    ):
        # int8 inputs are asked for; their ranges come from the calibration images all the same.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")
        yield


def _representative(images: list[np.ndarray]) -> Callable[[], Iterator[list[np.ndarray]]]:
    def generate() -> Iterator[list[np.ndarray]]:
        # Black and white fix the input's range, so that its quantisation is the image scaling
        # exactly.
        extremes = np.zeros_like(images[0])
        extremes[: len(extremes) // 2] = 255
        for image in (extremes, *images):
            yield [_normalise(image)]

    return generate
