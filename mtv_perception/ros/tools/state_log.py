"""Writes zone states, measured objects and figures of each result as JSON lines.

With the time they arrived.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from vision_msgs.msg import Detection3DArray

from mtv_perception.config import fixed
from mtv_perception.errors import ConfigError
from mtv_perception.msg import PerceptionStatus, ZoneStateArray
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.losses import Losses
from mtv_perception.ros.parameters import NodeParameters
from mtv_perception.ros.qos import overridable
from mtv_perception.ros.silence import what_is_heard

_DEPTH = 50
_SILENCE_PERIOD_S = 5.0


@dataclass(frozen=True)
class StateLogConfig:
    """What a user may set on the state log, at start."""

    file: str = fixed("states.jsonl", "File to write; replaced if it exists.")


class StateLogNode(Node):
    """Subscribes to `zones/zones`, `detections_3d` and `perception/status`.

    Each line is an object with `kind` (zones, objects or status), `at` (arrival) and `stamp` (of
    the image), both in nanoseconds of the node's clock.

    Attributes:
        exit_status: 0 after lines were written; 2 without any, 1 where the file can't be written any
            more or messages were lost.

    Raises:
        ConfigError: the file can't be written.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("state_log", **kwargs)
        path = Path(NodeParameters(self, StateLogConfig).read().file)
        self.finished = self._failed = False
        self._lines, self._losses = 0, dict[str, Losses]()
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise ConfigError(f"file: can't write {path}: {error.strerror}.") from error
        for topic, (kind, read) in _TOPICS.items():
            qos = QoSProfile(depth=_DEPTH)
            overridable(self.create_subscription, kind, topic, self._keeper(topic, read), qos)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_SILENCE_PERIOD_S, self._explain_silence, clock=steady)

    @property
    def exit_status(self) -> int:
        """As above."""
        lost = any(losses.total for losses in self._losses.values())
        return 1 if self._failed or (self._lines and lost) else 0 if self._lines else 2

    def _explain_silence(self) -> None:
        """Say why nothing comes, as long as nothing was heard at all."""
        if not self._lines:
            for topic, (kind, _) in _TOPICS.items():
                heard = what_is_heard(self, topic, kind, QoSProfile(depth=_DEPTH))
                self.get_logger().warning(heard)

    def close(self) -> None:
        """Finish the file, and say what it lacks."""
        lost = {topic: losses.total for topic, losses in self._losses.items() if losses.total}
        if lost:
            text = ", ".join(f"{topic}: {count}" for topic, count in lost.items())
            self.get_logger().error(f"messages lost, which the file lacks: {text}")
        if not self._lines and not self._failed:
            self.get_logger().error(
                f"nothing was written: expected messages on {', '.join(_TOPICS)} in this namespace."
            )
        try:
            self._file.close()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """End with status 1: what comes from now on would be lost without a word."""
        if not self._failed:
            self.get_logger().error(f"file: can't be written any more: {error.strerror or error}")
        self.finished = self._failed = True

    def _keeper(
        self, topic: str, read: Callable[[Any], dict[str, Any]]
    ) -> Callable[[Any, Any], None]:
        losses = self._losses[topic] = Losses()

        def keep(message: Any, info: Any) -> None:
            losses.missed(info)
            if self._failed:
                return
            now = self.get_clock().now().nanoseconds
            line = {"at": now, "stamp": stamp_ns(message.header), **read(message)}
            try:
                self._file.write(json.dumps(line) + "\n")
            except OSError as error:
                self._fail(error)
                return
            self._lines += 1

        return keep


def zones_line(message: ZoneStateArray) -> dict[str, Any]:
    """The states of all zones by name: free, occupied or unknown, and why unknown."""
    zones = {
        zone.name: {
            "state": ("occupied" if zone.occupied else "free") if zone.valid else "unknown",
            "reason": str(zone.reason),
            "objects": int(zone.objects),
        }
        for zone in message.zones
    }
    return {"kind": "zones", "zones": zones}


def objects_line(message: Detection3DArray) -> dict[str, Any]:
    """The measured objects: id, class, score, x, y, length, width and yaw of the box.

    And the 2x2 covariance.
    """
    objects = []
    for item in message.detections:
        if not item.results:
            continue
        pose, best = item.results[0].pose, item.results[0].hypothesis
        at, c, size = pose.pose.position, pose.covariance, item.bbox.size
        turn = item.bbox.center.orientation
        objects.append(
            {
                "id": item.id,
                "class": best.class_id,
                "score": best.score,
                "xyz": [at.x, at.y, at.z],
                "size": [size.x, size.y, size.z],
                "turn": [turn.z, turn.w],
                "covariance": [c[0], c[1], c[6], c[7]],
            }
        )
    return {"kind": "objects", "objects": objects}


def status_line(message: PerceptionStatus) -> dict[str, Any]:
    """Model, latency and counters of one result."""
    return {
        "kind": "status",
        "model": message.model_id,
        "latency_ms": float(message.stamp_to_publish_ms),
        "network_ms": float(message.network_ms),
        "received": int(message.received),
        "processed": int(message.processed),
    }


_TOPICS: dict[str, tuple[type, Callable[[Any], dict[str, Any]]]] = {
    "zones/zones": (ZoneStateArray, zones_line),
    "detections_3d": (Detection3DArray, objects_line),
    "perception/status": (PerceptionStatus, status_line),
}
