"""Several cameras on one machine.

One network on all threads, or a network with one thread for each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from mtv_perception.cli.bench.turns import in_turns, percentiles
from mtv_perception.runtime.perceiver import Model, Perceiver
from mtv_perception.runtime.settings import PerceiverConfig


def compare_layouts(
    models: Mapping[str, Model], images: Sequence[np.ndarray], streams: int, frames: int
) -> dict[str, dict[str, Any]]:
    """Figures of both layouts, in turns, where `streams` images arrive at once.

    One of each camera, again and again.

    Args:
        models: by name; "model" is the first engine's.
        images: `(H, W, 3)` uint8 RGB, used in turn.
        streams: cameras, and threads in all.
        frames: how many are measured in each layout.

    Returns:
        By layout ("shared", "own", of another model "NAME shared" and so on): frames a second,
        milliseconds from arrival to result of all images, and of the last one of each arrival.
    """
    arrivals = [[images[(i + k) % len(images)] for k in range(streams)] for i in range(len(images))]
    with ThreadPoolExecutor(streams) as pool:
        runs: dict[str, Callable[[list[np.ndarray]], tuple[float, ...]]] = {}
        for name, model in models.items():
            prefix = "" if name == "model" else f"{name} "
            shared = _perceiver(model, streams)
            own = [_perceiver(model, 1) for _ in range(streams)]
            runs[f"{prefix}shared"] = partial(_one_by_one, shared)
            runs[f"{prefix}own"] = partial(_at_once, pool, own)
        taken = in_turns(runs, arrivals, -(-frames // streams))
    return {name: _figures(latencies_ms) for name, latencies_ms in taken.items()}


def _perceiver(model: Model, threads: int) -> Perceiver:
    return Perceiver(model, PerceiverConfig(num_threads=threads))


def _one_by_one(perceiver: Perceiver, images: Sequence[np.ndarray]) -> tuple[float, ...]:
    begun = time.perf_counter()
    return tuple(_since(begun, perceiver, image) for image in images)


def _at_once(
    pool: ThreadPoolExecutor, perceivers: Sequence[Perceiver], images: Sequence[np.ndarray]
) -> tuple[float, ...]:
    begun = time.perf_counter()
    jobs = [
        pool.submit(_since, begun, perceiver, image)
        for perceiver, image in zip(perceivers, images, strict=True)
    ]
    return tuple(job.result() for job in jobs)


def _since(begun: float, perceiver: Perceiver, image: np.ndarray) -> float:
    perceiver(image)
    return (time.perf_counter() - begun) * 1e3


def _figures(latencies_ms: np.ndarray) -> dict[str, Any]:
    """Of latencies `(arrivals, streams)`."""
    last = latencies_ms.max(1)
    return {
        "frames_per_s": round(1e3 * latencies_ms.size / float(last.sum()), 1),
        "latency_ms": percentiles(latencies_ms),
        "last_ms": percentiles(last),
    }
