"""What the measuring machine is, and what it gives to us at the time."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.cli.bench.turns import clock

_SGEMM_SIDE = 1024


def sgemm_gflops() -> float:
    """The best of some float32 matrix products, G operations a second.

    What this machine gave to us in this run.
    """
    a = np.ones((_SGEMM_SIDE, _SGEMM_SIDE), np.float32)
    out = np.empty_like(a)
    best_ms = min(clock(np.matmul, a, a, out) for _ in range(20))
    return 2 * _SGEMM_SIDE**3 / best_ms / 1e6


def machine() -> dict[str, Any]:
    """What it was measured on, and how busy that was."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    load = round(os.getloadavg()[0], 2)
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load_1min": load,
    }
