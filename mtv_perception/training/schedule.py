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
    progress = min((step - warmup) / max(steps - warmup, 1), 1.0)
    return peak * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)
