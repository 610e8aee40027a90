"""What /diagnostics says about the node, once a second."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus

from mtv_perception.ros.diagnostics import make_status
from mtv_perception.ros.perception.account import Situation
from mtv_perception.ros.perception.worker import Counters


def camera_status(
    name: str,
    hardware_id: str,
    counters: Counters,
    situation: Situation,
    error: str,
    warning: str,
    recoveries: int = 0,
) -> DiagnosticStatus:
    """One camera's status: ERROR with `error`, WARN with `warning`, else OK."""
    level = (
        DiagnosticStatus.ERROR
        if error
        else DiagnosticStatus.WARN
        if warning
        else DiagnosticStatus.OK
    )
    values = {field: str(value) for field, value in vars(counters).items()}
    values |= {"lost": str(situation.lost), "recoveries": str(recoveries)}
    values |= {
        f"stamp_to_publish_{q}_ms": f"{value:.2f}" for q, value in situation.latency_ms.items()
    }
    return make_status(name, hardware_id, level, error or warning or "running", values)
