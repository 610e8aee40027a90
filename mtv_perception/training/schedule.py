"""The learning rate over time."""

from __future__ import annotations

import math


def warmup_cosine(step: int, steps: int, peak: float, warmup: int, floor: float = 0.01) -> float:
    """Linear warm-up to `peak`, then a cosine down to `floor * peak` (Loshchilov & Hutter 2017, SGDR, equation 5).

    Args:
        step: 0-based.
        steps: of the whole run.
        peak: highest rate.
        warmup: steps of the rise.
        floor: lowest rate as a share of the peak.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    return cosine((step - warmup) / max(steps - warmup, 1), peak, floor)


def cosine(progress: float, peak: float, floor: float = 0.01) -> float:
    """The rate when a share `progress`, 0..1, of the descent is done; more counts as 1."""
    progress = min(progress, 1.0)
    return peak * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)
