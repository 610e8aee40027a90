"""LiteRT on the CPU: one interpreter, its input filled in place, its outputs read in place.

A network may want its pixels as int8, that is less 128. NumPy does that in a small part of the time
of LiteRT's own layer for it, which the delegate leaves out and which runs on one thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mtv_perception.errors import ArtefactError
from mtv_perception.runtime.backends.config import LITERT
from mtv_perception.runtime.outputs import RawOutputs, Tensor

_INPUT_TYPES = ("uint8", "int8")
# Turned over, the highest bit of a byte makes an int8 of it that is less by 128.
_SIGN_BIT = np.uint8(128)

# The files fit their hashes, so that they were not damaged on the way.
_AGAIN = "Export or download the model again."


class LiteRtBackend:
    """Runs a LiteRT model with the three raw outputs.

    Args:
        content: the model file's bytes.
        size_hw: expected input, pixels.
        outputs: position of each raw output.
        expected: shape of each raw output without the batch axis; None matches any length.
        num_threads: CPU threads of the network.

    Raises:
        ArtefactError: not a LiteRT model, or other tensors than expected. So does `run` where the
            model stops.
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

        self.engine = LITERT
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=num_threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = str(error).rstrip(". ")
            raise ArtefactError(
                f"Expected a LiteRT model, could not load it: {reason}. {_AGAIN}"
            ) from error
        self._input, is_signed = self._find_input(size_hw)
        self._pixels = np.zeros((*size_hw, 3), np.uint8) if is_signed else None
        details = self._interpreter.get_output_details()
        self._outputs = {
            name: self._find_output(details, name, outputs, shape)
            for name, shape in expected.items()
        }

    def input_view(self) -> np.ndarray:
        """The memory of the input, `(H, W, 3)` uint8 RGB, where it can be the network's own.

        Drop it before `run`.
        """
        return self._network_input() if self._pixels is None else self._pixels

    def run(self) -> RawOutputs:
        """Run the network on the filled input."""
        if self._pixels is not None:
            np.bitwise_xor(self._pixels, _SIGN_BIT, out=self._network_input().view(np.uint8))
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ArtefactError(
                f"Expected a LiteRT model that runs, it stopped with {str(error)!r}. {_AGAIN}"
            ) from error
        return RawOutputs(**{name: self._read(detail) for name, detail in self._outputs.items()})

    def _network_input(self) -> np.ndarray:
        view: np.ndarray = self._interpreter.tensor(self._input)()[0]
        return view

    def _read(self, detail: dict[str, Any]) -> Tensor:
        scale, zero_point = detail["quantization"]
        values = self._interpreter.tensor(detail["index"])()[0]
        return Tensor(values, float(scale) or 1.0, int(zero_point))

    def _find_input(self, size_hw: tuple[int, int]) -> tuple[int, bool]:
        """Index of the input, and whether it is int8."""
        details = self._interpreter.get_input_details()
        found = [(tuple(d["shape"].tolist()), np.dtype(d["dtype"]).name) for d in details]
        if found not in [[((1, *size_hw, 3), name)] for name in _INPUT_TYPES]:
            wanted = ((1, *size_hw, 3), _INPUT_TYPES[0])
            raise ArtefactError(
                f"Expected one model input {wanted}, got {found}; int8 fits, too. {_AGAIN}"
            )
        return int(details[0]["index"]), found[0][1] == "int8"

    @staticmethod
    def _find_output(
        details: list[dict[str, Any]],
        name: str,
        outputs: Mapping[str, int],
        expected: tuple[int | None, ...],
    ) -> dict[str, Any]:
        position = outputs.get(name, -1)
        if not 0 <= position < len(details):
            raise ArtefactError(
                f"Expected the position of output {name!r} in 0 .. {len(details) - 1}, got {position!r}. "
                f"{_AGAIN}"
            )
        shape = tuple(details[position]["shape"].tolist())[1:]
        fits = len(shape) == len(expected) and all(
            e in (None, s) for s, e in zip(shape, expected, strict=True)
        )
        if not fits or details[position]["dtype"] not in (np.float32, np.int8):
            raise ArtefactError(
                f"Expected output {name!r} of shape {expected}, float32 or int8, "
                f"got {shape}, {np.dtype(details[position]['dtype']).name}. {_AGAIN}"
            )
        return details[position]
