"""A thread that always works on the newest frame, takes cameras in turn, and counts what it never saw."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

F = TypeVar("F")
Outcome = Literal["processed", "dropped", "stale", "failed"]
"""What became of a frame that was handed to work: the counter it raises."""


@dataclass
class Counters:
    """What became of one camera's images: received = processed + dropped + stale + failed + those in hand."""

    received: int = 0
    processed: int = 0
    dropped: int = 0
    stale: int = 0
    failed: int = 0


class NewestFrameWorker(Generic[F]):
    """Hands the newest waiting frame of each camera to `work`, one at a time, the longest-served camera last.

    Args:
        cameras: their names.
        work: called in the worker's thread with camera and frame, says what became of it; must not raise.
    """

    def __init__(self, cameras: Sequence[str], work: Callable[[str, F], Outcome]) -> None:
        self.counters = {camera: Counters() for camera in cameras}
        self._work = work
        self._waiting: dict[str, F] = {}
        self._served = dict.fromkeys(cameras, 0)
        self._turn = 0
        self._condition = threading.Condition()
        self._stopping = False
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._loop, name="perception-worker", daemon=True)

    def start(self) -> None:
        """Begin working."""
        self._thread.start()

    def submit(self, camera: str, frame: F) -> None:
        """Offer a frame; one of the same camera still waiting is dropped for it."""
        with self._condition:
            counters = self.counters[camera]
            counters.received += 1
            counters.dropped += camera in self._waiting
            self._waiting[camera] = frame
            self._condition.notify()

    def discard(self) -> None:
        """Drop what waits, as when the node is disabled."""
        with self._condition:
            for camera in self._waiting:
                self.counters[camera].dropped += 1
            self._waiting.clear()

    def reset_counters(self) -> None:
        """Count from zero, as when the node is activated; a frame in work still counts for the time before."""
        with self._condition:
            self.counters = {camera: Counters() for camera in self.counters}

    def busy_seconds(self) -> float:
        """How long the frame in work has been in work; 0 when idle."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def stop(self, timeout: float = 10.0) -> bool:
        """Finish the frame in work and end the thread; False when it did not end in time."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _next(self) -> tuple[str, F, Counters] | None:
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._stopping)
            if self._stopping:
                return None
            camera = min(self._waiting, key=self._served.__getitem__)
            self._turn += 1
            self._served[camera] = self._turn
            return camera, self._waiting.pop(camera), self.counters[camera]

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            camera, frame, counters = job
            self._busy_since = time.monotonic()
            outcome = self._work(camera, frame)
            with self._condition:
                setattr(counters, outcome, getattr(counters, outcome) + 1)
                self._busy_since = None
