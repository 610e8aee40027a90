"""What /diagnostics says about the node, once a second."""

from __future__ import annotations

from collections import deque

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from mtv_perception.ros.diagnostics import make_status
from mtv_perception.ros.perception.worker import Counters

_WINDOW = 600


class LatencyWindow:
    """Percentiles of the last latencies, milliseconds."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=_WINDOW)

    def add(self, latency_ms: float) -> None:
        """Remember one."""
        self._values.append(latency_ms)

    def percentiles(self) -> dict[str, float]:
        """p50, p95, p99 by name; NaN before the first."""
        values = list(self._values)
        return {
            f"p{q}": float(np.percentile(values, q)) if values else float("nan")
            for q in (50, 95, 99)
        }


def camera_status(
    name: str,
    hardware_id: str,
    counters: Counters,
    latency: LatencyWindow,
    fault: str,
    warning: str,
    recoveries: int = 0,
) -> DiagnosticStatus:
    """One camera's status: ERROR with `fault`, WARN with `warning`, else OK."""
    level = (
        DiagnosticStatus.ERROR
        if fault
        else DiagnosticStatus.WARN
        if warning
        else DiagnosticStatus.OK
    )
    values = {field: str(value) for field, value in vars(counters).items()}
    values["recoveries"] = str(recoveries)
    values |= {
        f"stamp_to_publish_{q}_ms": f"{value:.2f}" for q, value in latency.percentiles().items()
    }
    return make_status(name, hardware_id, level, fault or warning or "running", values)
