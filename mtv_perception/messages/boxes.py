"""What the package asks of the boxes in other people's messages."""

from __future__ import annotations

import math
from typing import Any

LEVEL_RAD = 1e-3
"""A box that is turned by less is upright: a tenth of a pixel at the end of a box of 200 pixels."""


def is_upright(box: Any) -> bool:
    """Whether the corners of a BoundingBox2D are where its width and height say, as after half a turn."""
    angle = float(getattr(box.center, "theta", 0.0))
    return math.isfinite(angle) and abs(math.remainder(angle, math.pi)) <= LEVEL_RAD


def check_upright(box: Any) -> None:
    """ValueError where a BoundingBox2D is turned."""
    if not is_upright(box):
        raise ValueError(f"Expected an upright box, got one turned by {box.center.theta:.3f} rad.")
