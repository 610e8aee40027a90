"""One image of a sequence: what every reader gives and every writer takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One image of a sequence.

    Attributes:
        image_rgb: `(H, W, 3)` uint8.
        stamp_ns: since the beginning of the sequence (files), or the header's own (bags).
        frame_id: of the header; empty for files.
        name: for messages to people.
    """

    image_rgb: np.ndarray
    stamp_ns: int
    frame_id: str
    name: str
