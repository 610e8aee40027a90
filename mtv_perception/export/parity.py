"""Does the exported model say what the network says?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from mtv_perception.errors import ArtefactError
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.runtime.outputs import Backend
from mtv_perception.training.keras_model import OUTPUTS

# Largest allowed error of each precision: root mean square of the difference over that of the
# output.
ERROR_LIMITS = {"float32": 1e-4, "float16": 2e-2, "int8": 0.35}
# Scores that a conversion must not lower, with their names in errors.
_SCORES = {"map": "AP", "miou": "mIoU"}
_LEAST_SPREAD = 0.5
"""Outputs that hardly vary (an untrained head) are judged against this spread instead of their own."""


def keras_outputs(network: MultitaskNetwork, image: np.ndarray) -> dict[str, np.ndarray]:
    """The network's own raw outputs on an image `(H, W, 3)` uint8, without the batch axis."""
    outputs = network.model(image.astype(np.float32)[None] / 127.5 - 1.0, training=False)
    return {name: np.asarray(outputs[name][0]) for name in OUTPUTS}


class _Exported:
    """The bare exported model with real-valued outputs."""

    def __init__(self, content: bytes) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=2)
        self._interpreter.allocate_tensors()

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        detail = self._interpreter.get_input_details()[0]
        pixels = (image ^ 128).view(np.int8) if detail["dtype"] is np.int8 else image
        self._interpreter.set_tensor(detail["index"], pixels[None])
        self._interpreter.invoke()
        return [self._real(detail) for detail in self._interpreter.get_output_details()]

    def _real(self, detail: dict[str, Any]) -> np.ndarray:
        scale, zero_point = detail["quantization"]
        values = self._interpreter.get_tensor(detail["index"])[0].astype(np.float32)
        return (values - zero_point) * scale if scale else values


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square difference over the root mean square of the expected values' spread."""
    spread = float(np.sqrt(np.mean((expected - expected.mean()) ** 2)))
    return float(np.sqrt(np.mean((found - expected) ** 2))) / max(spread, _LEAST_SPREAD)


def output_positions(
    content: bytes, network: MultitaskNetwork, image: np.ndarray
) -> dict[str, int]:
    """At which position of the exported model each raw output stands (converters reorder them).

    Args:
        content: the exported model.
        network: what it was exported from.
        image: `(H, W, 3)` uint8 of the network's size; outputs of equal shape are told apart by
            their values on it.
    """
    found = _Exported(content)(image)
    positions: dict[str, int] = {}
    for name, expected in keras_outputs(network, image).items():
        same = [
            i
            for i, array in enumerate(found)
            if array.shape == expected.shape and i not in positions.values()
        ]
        if not same:
            raise ArtefactError(
                f"Expected an output {name!r} of shape {expected.shape}, got {[a.shape for a in found]}."
            )
        positions[name] = min(same, key=lambda i: relative_error(found[i], expected))
    return positions


def output_errors(
    content: bytes,
    network: MultitaskNetwork,
    positions: dict[str, int],
    images: Iterable[np.ndarray],
) -> dict[str, float]:
    """The worst relative error of each raw output over some images."""
    exported = _Exported(content)
    worst = dict.fromkeys(OUTPUTS, 0.0)
    for image in images:
        found = exported(image)
        for name, expected in keras_outputs(network, image).items():
            worst[name] = max(worst[name], relative_error(found[positions[name]], expected))
    return worst


def backend_errors(
    backend: Backend, network: MultitaskNetwork, images: Iterable[np.ndarray]
) -> dict[str, float]:
    """As output_errors, of a network that is opened as on the robot."""
    worst = dict.fromkeys(OUTPUTS, 0.0)
    for image in images:
        backend.input_view()[...] = image
        raw = backend.run()
        for name, expected in keras_outputs(network, image).items():
            tensor = getattr(raw, name)
            worst[name] = max(worst[name], relative_error(tensor.real(tensor.values), expected))
    return worst


def check_errors(errors: dict[str, float], precision: str) -> None:
    """Raise ArtefactError when an output's error is above the precision's limit."""
    limit = ERROR_LIMITS[precision]
    bad = {name: round(error, 4) for name, error in errors.items() if not error <= limit}
    if bad:
        raise ArtefactError(
            f"Expected relative output errors of at most {limit} for {precision}, got {bad}."
        )


def check_scores(
    found: Mapping[str, Any], expected: Mapping[str, Any], largest_drop: float, precision: str
) -> None:
    """Raise ArtefactError when AP or mIoU is lower than the network's by more than `largest_drop`.

    Args:
        found: of the exported model, as `mtv evaluate` gives them; None where the data can't tell.
        expected: of the network, on the same data.
        largest_drop: 0..1.
        precision: for the error.
    """
    bad = [
        f"{title} {found[name]:.3f} of {expected[name]:.3f}"
        for name, title in _SCORES.items()
        if expected[name] is not None
        and not (found[name] is not None and expected[name] - found[name] <= largest_drop)
    ]
    if bad:
        raise ArtefactError(
            f"Expected {precision} to score at most {largest_drop} below the network, got {', '.join(bad)}."
        )
