"""What the package asks of the boxes in other people's messages."""

from __future__ import annotations

from typing import Any

LEVEL_RAD = 1e-3
"""A box that is turned by less counts as upright."""


def check_upright(box: Any) -> None:
    """ValueError where a BoundingBox2D is turned: its corners are not where width and height say."""
    angle = float(getattr(box.center, "theta", 0.0))
    if not abs(angle) <= LEVEL_RAD:
        raise ValueError(f"Expected an upright box, got one turned by {angle:.3f} rad.")
