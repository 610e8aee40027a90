"""What is wrong with a camera, in one line."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus

from mtv_perception.ros.perception.camera import Camera
from mtv_perception.ros.perception.diagnostics import camera_status
from mtv_perception.ros.perception.pipeline import Pipeline


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
    worker, model_id = pipeline.worker, pipeline.engine.spec.model_id
    return [
        camera_status(
            f"{name}: {camera.name}" if camera.name else name,
            model_id,
            worker.counters[camera.name],
            camera.latency,
            _fault(pipeline, camera) if enabled else "",
            _warning(camera, warning) if enabled else "disabled by ~/set_enabled",
            pipeline.watchdog.recoveries,
        )
        for camera in pipeline.cameras.values()
    ]


def _fault(pipeline: Pipeline, camera: Camera) -> str:
    config, busy, silent = (
        pipeline.settings.node,
        pipeline.worker.busy_seconds(),
        camera.silent_seconds(),
    )
    if pipeline.watchdog.fault:
        return pipeline.watchdog.fault
    if busy > config.network_timeout:
        return f"the network has been running for {busy:.1f} s"
    if silent > config.camera_timeout:
        return f"no image for {silent:.1f} s"
    return f"last image failed: {camera.last_error}" if camera.last_error else ""


def _warning(camera: Camera, warning: str) -> str:
    if camera.last_was_stale:
        return warning or "last image was stale: older than max_age, or than the newest result"
    return warning
