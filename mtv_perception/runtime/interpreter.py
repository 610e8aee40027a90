"""LiteRT on the CPU: one interpreter, its input filled in place, its outputs read in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mtv_perception.errors import ArtefactError
from mtv_perception.runtime.outputs import RawOutputs, Tensor


class LiteRtBackend:
    """Runs a LiteRT model with the three raw outputs.

    Args:
        content: the model file's bytes.
        size_hw: expected input, pixels.
        outputs: position of each raw output.
        expected: shape of each raw output without the batch axis; None matches any length.
        num_threads: CPU threads of the network.

    Raises:
        ArtefactError: not a LiteRT model, or other tensors than expected.
    """

    def __init__(
        self,
        content: bytes,
        size_hw: tuple[int, int],
        outputs: Mapping[str, int],
        expected: Mapping[str, tuple[int | None, ...]],
        num_threads: int,
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_content=content, num_threads=num_threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ArtefactError(f"Expected a LiteRT model, could not load it: {error}") from error
        self._input = self._find_input(size_hw)
        details = self._interpreter.get_output_details()
        self._outputs = {
            name: self._find_output(details, name, outputs, shape) for name, shape in expected.items()
        }

    def input_view(self) -> np.ndarray:
        """The network's own input memory, `(H, W, 3)` uint8 RGB; drop it before `run`."""
        view: np.ndarray = self._interpreter.tensor(self._input)()[0]
        return view

    def run(self) -> RawOutputs:
        """Run the network on the filled input."""
        self._interpreter.invoke()
        return RawOutputs(**{name: self._read(detail) for name, detail in self._outputs.items()})

    def _read(self, detail: dict[str, Any]) -> Tensor:
        scale, zero_point = detail["quantization"]
        values = self._interpreter.tensor(detail["index"])()[0]
        return Tensor(values, float(scale) or 1.0, int(zero_point))

    def _find_input(self, size_hw: tuple[int, int]) -> int:
        details = self._interpreter.get_input_details()
        found = [(tuple(d["shape"].tolist()), np.dtype(d["dtype"]).name) for d in details]
        wanted = ((1, *size_hw, 3), "uint8")
        if found != [wanted]:
            raise ArtefactError(f"Expected one model input {wanted}, got {found}.")
        return int(details[0]["index"])

    @staticmethod
    def _find_output(
        details: list[dict[str, Any]], name: str, outputs: Mapping[str, int], expected: tuple[int | None, ...]
    ) -> dict[str, Any]:
        position = outputs.get(name, -1)
        if not 0 <= position < len(details):
            raise ArtefactError(
                f"Expected the position of output {name!r} in 0 .. {len(details) - 1}, got {position!r}."
            )
        shape = tuple(details[position]["shape"].tolist())[1:]
        fits = len(shape) == len(expected) and all(
            e in (None, s) for s, e in zip(shape, expected, strict=True)
        )
        if not fits or details[position]["dtype"] not in (np.float32, np.int8):
            raise ArtefactError(
                f"Expected output {name!r} of shape {expected}, float32 or int8, "
                f"got {shape}, {np.dtype(details[position]['dtype']).name}."
            )
        return details[position]
