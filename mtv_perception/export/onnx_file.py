"""A network as an ONNX file, compared with the network by ONNX Runtime before it is written."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.errors import ConfigError
from mtv_perception.export.artefact import PARITY_IMAGES
from mtv_perception.export.parity import check_errors, keras_outputs, relative_error
from mtv_perception.export.rounding import spread
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.network.weights.idle_channels import without_idle_channels

_PRECISION = "float32"


def write_onnx(
    network: MultitaskNetwork, file: Path, images: Sequence[np.ndarray]
) -> dict[str, float]:
    """Write the network without idle channels as ONNX, opset 17.

    The layout is that of `onnx_graph.onnx_model`.

    Args:
        network: with its final weights.
        file: to write; its folder is created.
        images: `(H, W, 3)` uint8 of the network's size, to find idle channels and, the first 8, to
            compare outputs on.

    Returns:
        The worst relative error of each raw output.

    Raises:
        ArtefactError: the outputs differ from the network's; nothing is written.
        ConfigError: onnx or onnxruntime is not installed.
        WeightsError: the network has a layer that can't be written as ONNX.
        ValueError: no images.
    """
    if not images:
        raise ValueError("Expected images to compare the ONNX model with the network on, got none.")
    for name in ("onnx", "onnxruntime"):
        _check_installed(name)
    from mtv_perception.export.onnx_graph import onnx_model

    content = onnx_model(without_idle_channels(network, images)).SerializeToString()
    errors = _errors(content, network, spread(images, PARITY_IMAGES))
    check_errors(errors, _PRECISION)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return errors


def _check_installed(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"Expected the package {name} to write ONNX files, found none; "
            "pip install 'mtv_perception[onnx]'."
        ) from error


def _errors(
    content: bytes, network: MultitaskNetwork, images: Iterable[np.ndarray]
) -> dict[str, float]:
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    worst = dict.fromkeys(names, 0.0)
    for image in images:
        planes = image.transpose(2, 0, 1)[None].astype(np.float32)
        found = dict(zip(names, session.run(names, {"images": planes}), strict=True))
        for name, expected in keras_outputs(network, image).items():
            array = found[name][0]
            array = array.transpose(1, 2, 0) if array.ndim == 3 else array
            worst[name] = max(worst[name], relative_error(array, expected))
    return worst
