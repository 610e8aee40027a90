"""What became of one camera's images lately: the only owner of that state."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from mtv_perception.ros.perception.stamps import StampJudge

_WINDOW = 600
# Diagnostics come once a second: each failure is in one of them, whatever image came last, s.
_REMEMBERED = 1.5


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


@dataclass(frozen=True)
class Situation:
    """A camera's situation at one moment, for diagnostics.

    Attributes:
        silent_seconds: since the last image arrived, or since the camera began.
        stamps: what is wrong with the stamps, with figures; empty when nothing is.
        error: of the last image, if it failed.
        lately: error of one a moment ago, if the last one did not fail.
        stale: why the last image was too old, if it was.
        health: problems of the last picture, and their figures.
        calibration: why the calibration does not fit the images, if it does not.
        lost: images that the middleware lost.
        latency_ms: percentiles of stamp to publication.
    """

    silent_seconds: float
    stamps: str
    error: str
    lately: str
    stale: str
    health: str
    calibration: str
    lost: int
    latency_ms: dict[str, float] = field(default_factory=dict)


class CameraAccount:
    """Books what happens to images.

    The executor's thread books arrivals, the worker's thread the rest.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latency = LatencyWindow()
        self._stamps = StampJudge()
        self._arrived_at = time.monotonic()
        self._error = self._lately = self._stale = self._health = self._calibration = ""
        self._failed_at = -_REMEMBERED
        self._lost = 0

    def begin(self) -> None:
        """Start again with the next image, as when the node is activated."""
        with self._lock:
            self._stamps.forget()
            self._arrived_at = time.monotonic()
            self._error = self._lately = self._stale = self._health = self._calibration = ""
            self._lost = 0

    def wait_from_now(self) -> None:
        """Measure silence from now on, as when the node is enabled again."""
        with self._lock:
            self._arrived_at = time.monotonic()

    def arrived(
        self,
        stamp: int,
        now: int,
        time_jump: float,
        frame_id: str = "",
        publisher: bytes = b"",
    ) -> None:
        """An image came in.

        Args:
            stamp: of the image, nanoseconds.
            now: the node's ROS clock, nanoseconds.
            time_jump: seconds back that mean another timeline.
            frame_id: of the image.
            publisher: identifies who sent it.
        """
        with self._lock:
            self._arrived_at = time.monotonic()
            self._stamps.see(stamp, now, self._arrived_at, time_jump, frame_id, publisher)

    @property
    def mixed(self) -> tuple[str, str]:
        """Whether images of several clocks or cameras come in: the cause and its figures."""
        with self._lock:
            return self._stamps.mixed

    def lost(self, count: int) -> None:
        """The middleware lost images."""
        with self._lock:
            # A late image is subtracted from the lost ones; `begin` may have set these to 0.
            self._lost = max(self._lost + count, 0)

    def stale(self, reason: str) -> None:
        """An image was too old to be processed."""
        with self._lock:
            self._stale = reason

    def failed(self, error: str) -> None:
        """An image could not be decoded or processed."""
        with self._lock:
            self._error, self._lately, self._stale = error, error, ""
            self._failed_at = time.monotonic()

    def calibrated(self, reason: str) -> None:
        """The calibration was compared with an image; `reason` is empty where it fits."""
        with self._lock:
            self._calibration = reason

    def published(self, latency_ms: float, health: str) -> None:
        """A result went out."""
        with self._lock:
            self._latency.add(latency_ms)
            self._error, self._stale, self._health = "", "", health

    @property
    def images_lost(self) -> int:
        """Images that the middleware lost since the beginning."""
        return self._lost

    def situation(self, patience: float) -> Situation:
        """Everything at once.

        Args:
            patience: seconds that a cause in the stamps must last before it counts.
        """
        with self._lock:
            now = time.monotonic()
            return Situation(
                now - self._arrived_at,
                self._stamps.error(now, patience),
                self._error,
                "" if self._error or now - self._failed_at > _REMEMBERED else self._lately,
                self._stale,
                self._health,
                self._calibration,
                self._lost,
                self._latency.percentiles(),
            )
