"""What is wrong with a camera, in one line."""

from __future__ import annotations

from collections.abc import Iterator

from diagnostic_msgs.msg import DiagnosticStatus

from mtv_perception.ros.diagnostics import make_status
from mtv_perception.ros.perception.account import Situation
from mtv_perception.ros.perception.camera import Camera
from mtv_perception.ros.perception.pipeline import Pipeline
from mtv_perception.ros.perception.worker import Counters


def camera_diagnoses(
    name: str, pipeline: Pipeline, enabled: bool, warning: str
) -> list[DiagnosticStatus]:
    """One status a camera of an active node.

    Args:
        name: of the node.
        pipeline: diagnosed.
        enabled: whether ~/set_enabled lets it work.
        warning: about the node as a whole, or empty.
    """
    return [
        _diagnosis(
            f"{name}: {camera.name}" if camera.name else name, pipeline, camera, enabled, warning
        )
        for camera in pipeline.cameras.values()
    ]


def _diagnosis(
    name: str, pipeline: Pipeline, camera: Camera, enabled: bool, warning: str
) -> DiagnosticStatus:
    situation = camera.account.situation(pipeline.settings.node.camera_timeout)
    error = next(_errors(pipeline, camera, situation), "") if enabled else ""
    return camera_status(
        name,
        pipeline.slot.spec.model_id,
        pipeline.worker.counters[camera.name],
        situation,
        error,
        _warning(camera, situation, warning) if enabled else "disabled by ~/set_enabled",
        pipeline.watchdog.recoveries,
    )


def _errors(pipeline: Pipeline, camera: Camera, situation: Situation) -> Iterator[str]:
    """What is wrong, the worst first."""
    config, busy = pipeline.settings.node, pipeline.worker.busy_seconds()
    if pipeline.watchdog.error:
        yield pipeline.watchdog.error
    if busy > config.network_timeout:
        yield f"the network has been running for {busy:.1f} s"
    if situation.silent_seconds > config.camera_timeout:
        yield f"no image for {situation.silent_seconds:.1f} s; {camera.why_silent()}"
    if situation.stamps:
        yield situation.stamps
    if situation.error:
        yield f"last image failed: {situation.error}"
    if situation.health:
        yield f"the picture is {situation.health}"


def _warning(camera: Camera, situation: Situation, warning: str) -> str:
    if situation.lately:
        return warning or f"some images fail: {situation.lately}"
    if situation.stale:
        return warning or f"last image was stale: {situation.stale}"
    if situation.calibration:
        return warning or f"camera_info does not fit the images: {situation.calibration}"
    return warning or camera.why_uncalibrated()


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
