"""The raw outputs of one pass of the network, in the number format the network produced them in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Tensor:
    """An array and its affine quantisation: real = scale * (value - zero_point).

    1 and 0 for floats.

    Attributes:
        values: any shape, float32 or int8.
        scale: real units a step.
        zero_point: the value of real 0.
    """

    values: np.ndarray
    scale: float = 1.0
    zero_point: int = 0

    @property
    def is_quantised(self) -> bool:
        """True for integer values."""
        return self.values.dtype != np.float32

    def real(self, values: np.ndarray) -> np.ndarray:
        """Some of the tensor's values as real float32 numbers."""
        if not self.is_quantised:
            return values.astype(np.float32, copy=False)
        return (values.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)

    def stored(self, real: float) -> float:
        """The smallest stored value whose real number is at least `real`."""
        if not self.is_quantised:
            return real
        return float(np.ceil(np.float64(real) / self.scale + self.zero_point - 1e-6))


@dataclass(frozen=True)
class RawOutputs:
    """One image's raw outputs.

    Attributes:
        class_logits: `(N, K)`.
        box_offsets: `(N, 4)`, centre x, y, width, height.
        segmentation_logits: `(h, w, C)`.
    """

    class_logits: Tensor
    box_offsets: Tensor
    segmentation_logits: Tensor


class Backend(Protocol):
    """A network that can be run: LiteRT or OpenVINO on the robot, Keras while training.

    Attributes:
        engine: its name, and why it was chosen where that was measured.
    """

    engine: str

    def input_view(self) -> np.ndarray:
        """The `(H, W, 3)` uint8 RGB input to be filled; hold no reference to it while running."""

    def run(self) -> RawOutputs:
        """Run on what was filled in; the outputs are valid until the next run."""
