"""What the web page shows, between the node that writes it and the server's threads. No ROS."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Any

import numpy as np

from mtv_perception.media.write import encoded

_JPEG_QUALITY = 80
_POINTS = 240
# A picture older than this is not shown as the present one.
_RECENT_S = 1.0
_MOST_STREAMS = 8
_RATE_S = 3.0
_COUNTERS = ("received", "processed", "dropped", "stale", "failed", "detections")


class ViewState:
    """What the page shows; written by the node, read by the server's threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jpeg, self._serial, self._shown_at = b"", 0, -math.inf
        self._status: dict[str, Any] = {"model_id": "", **dict.fromkeys(_COUNTERS, 0)}
        self._total: deque[float] = deque(maxlen=_POINTS)
        self._network: deque[float] = deque(maxlen=_POINTS)
        self._updated_at: float | None = None
        self._arrivals: deque[float] = deque(maxlen=_POINTS)
        self._parts: dict[str, tuple[float, Any]] = {}
        self._watchers: list[str] = []
        self.closed = False

    @property
    def watched(self) -> bool:
        """Whether someone looks at the pictures."""
        return bool(self._watchers)

    def show(self, image_rgb: np.ndarray) -> None:
        """Take a new picture, `(H, W, 3)` uint8."""
        self.show_jpeg(encoded(image_rgb, ".jpg", _JPEG_QUALITY))

    def show_jpeg(self, jpeg: bytes) -> None:
        """Take a new picture as it was coded elsewhere."""
        with self._changed:
            self._jpeg, self._serial = jpeg, self._serial + 1
            self._shown_at = time.monotonic()
            self._changed.notify_all()

    def report(
        self, model_id: str, counters: dict[str, int], total_ms: float, network_ms: float
    ) -> None:
        """Take a frame's figures."""
        with self._changed:
            self._status = {"model_id": model_id, **counters}
            self._total.append(total_ms)
            self._network.append(network_ms)
            self._updated_at = time.monotonic()
            self._arrivals.append(self._updated_at)

    def tell(self, part: str, content: Any) -> None:
        """Take another part of the page, as plain values: counts, zones, objects or floor."""
        with self._changed:
            self._parts[part] = (time.monotonic(), content)

    def snapshot(self, watcher: str = "") -> dict[str, Any]:
        """Everything but the picture, for JSON.

        Args:
            watcher: its name in `enter`. `picture.sent` says whether its stream is open.
        """
        with self._changed:
            total, network = list(self._total), list(self._network)
            age = None if self._updated_at is None else time.monotonic() - self._updated_at
            latency = {
                f"p{q}": float(np.percentile(total, q)) if total else None for q in (50, 95, 99)
            }
            return {
                **self._status,
                "age_s": age,
                "latency_ms": latency,
                "fps": self._rate(),
                "series": {"total": total, "network": network},
                "picture": self._picture(watcher),
                **self._told(),
            }

    def _rate(self) -> float:
        """Results a second, over the last seconds."""
        since = time.monotonic() - _RATE_S
        return sum(at >= since for at in self._arrivals) / _RATE_S

    def _picture(self, watcher: str) -> dict[str, Any]:
        """Whether a watcher has a stream of pictures, and the age of the newest one in seconds."""
        age = time.monotonic() - self._shown_at
        return {
            "sent": watcher in self._watchers,
            "age_s": age if math.isfinite(age) else None,
        }

    def _told(self) -> dict[str, Any]:
        """The other parts, each with its age: what is old must not look like the present."""
        now = time.monotonic()
        return {
            name: {"age_s": now - at, "content": content}
            for name, (at, content) in self._parts.items()
        }

    def newer(self, serial: int, timeout_s: float) -> tuple[int, bytes]:
        """The first picture after `serial`, waiting for it.

        An empty one when none came or the server ends.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._serial > serial or self.closed, timeout_s)
            return (self._serial, self._jpeg) if self._serial > serial else (serial, b"")

    def begin(self) -> int:
        """The serial after which a new watcher begins.

        The newest picture is shown to it only if that is recent.
        """
        with self._changed:
            recent = time.monotonic() - self._shown_at < _RECENT_S
            return self._serial - 1 if recent else self._serial

    def enter(self, watcher: str = "") -> bool:
        """Count the stream of a watcher, by the name that it chose; False if there are too many."""
        with self._changed:
            if len(self._watchers) >= _MOST_STREAMS:
                return False
            self._watchers.append(watcher)
            return True

    def leave(self, watcher: str = "") -> None:
        """Count the stream of this watcher no longer."""
        with self._changed:
            self._watchers.remove(watcher)

    def close(self) -> None:
        """Wake every thread that waits for a picture."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
