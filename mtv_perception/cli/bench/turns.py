"""Timing several things in turns, so that the machine's moods meet all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

_PERCENTILES = (10, 50, 95, 99)
_WARM_UP = 20
# Runs in one turn: long enough for warm caches, short beside a machine's moods.
_TURN = 10


def in_turns(
    runs: Mapping[str, Callable[[T], tuple[float, ...]]],
    inputs: Sequence[T],
    count: int,
    rest_ms: float = 0.0,
) -> dict[str, np.ndarray]:
    """What each run said about each of `count` inputs, `(count, figures)`, by the run's name.

    With several runs the first input of a turn goes uncounted: it meets cold caches, and threads
    that the run before left spinning.

    Args:
        runs: take one input, return figures such as milliseconds.
        inputs: used in turn.
        count: how many are counted.
        rest_ms: sleep before each, as between the images of a camera.
    """
    taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in runs}
    for run in runs.values():
        for index in range(min(_WARM_UP, count)):
            run(inputs[index % len(inputs)])
    for first in range(0, count, _TURN):
        for name, run in runs.items():
            if len(runs) > 1:
                run(inputs[first % len(inputs)])
            turn = range(first, min(first + _TURN, count))
            for index in turn:
                if rest_ms:
                    time.sleep(rest_ms / 1e3)
                taken[name].append(run(inputs[index % len(inputs)]))
    return {name: np.array(rows) for name, rows in taken.items()}


def clock(call: Callable[..., object], *arguments: object) -> float:
    """Milliseconds of a call."""
    begun = time.perf_counter()
    call(*arguments)
    return (time.perf_counter() - begun) * 1e3


def percentiles(values_ms: np.ndarray) -> dict[str, float]:
    """p10, p50, p95, p99 by name; p10 is what a busy machine disturbs least."""
    return {f"p{q}": round(float(np.percentile(values_ms, q)), 3) for q in _PERCENTILES}
