"""What the package asks of the boxes in other people's messages."""

from __future__ import annotations

import math
from typing import Any

LEVEL_RAD = 1e-3
"""A box that is turned by less is upright: a tenth of a pixel at the end of a box of 200 pixels."""


def check_upright(box: Any) -> None:
    """ValueError where a BoundingBox2D is turned: its corners are not where width and height say.

    Half a turn and a whole one leave it upright.
    """
    angle = float(getattr(box.center, "theta", 0.0))
    if not math.isfinite(angle) or abs(math.remainder(angle, math.pi)) > LEVEL_RAD:
        raise ValueError(f"Expected an upright box, got one turned by {angle:.3f} rad.")
