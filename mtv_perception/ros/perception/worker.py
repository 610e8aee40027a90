"""A thread that always works on the newest frame, shares itself among cameras.

And counts what it never saw.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from mtv_perception.ros.perception.scheduler import FairOrder, RateLimit, by_camera

F = TypeVar("F")
Outcome = Literal["processed", "dropped", "stale", "failed"]
"""What became of a frame that was handed to work: the counter it raises."""


@dataclass
class Counters:
    """What became of one camera's images.

    Received = processed + dropped + stale + failed + those in hand.
    """

    received: int = 0
    processed: int = 0
    dropped: int = 0
    stale: int = 0
    failed: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        setattr(self, outcome, getattr(self, outcome) + 1)


class NewestFrameWorker(Generic[F]):
    """Hands the newest waiting frame of each camera to `work`, one at a time, cameras in fair turn.

    Args:
        cameras: their names.
        work: called in the worker's thread with camera and frame, says what became of it; must not
            raise.
        weights: shares of the cameras while frames of all of them wait; equal where empty.
        max_rates: frames a second of each camera that may be worked on, 0 for no limit; none where
            empty.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        work: Callable[[str, F], Outcome],
        weights: Sequence[float] = (),
        max_rates: Sequence[float] = (),
    ) -> None:
        self.counters = {camera: Counters() for camera in cameras}
        self._work = work
        self._waiting: dict[str, F] = {}
        self._order = FairOrder(by_camera(cameras, weights, 1.0))
        self._max_rates = by_camera(cameras, max_rates, 0.0)
        self._limits = {camera: RateLimit(rate) for camera, rate in self._max_rates.items()}
        self._condition = threading.Condition()
        self._stopping = False
        self._busy_since: float | None = None
        self._counting: Counters | None = None
        self._delivering = False
        self._thread = self._new_thread()
        self._abandoned: list[threading.Thread] = []

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._loop, name="perception-worker", daemon=True)

    def start(self) -> None:
        """Begin working."""
        self._thread.start()

    def configure(self, weights: Sequence[float], max_rates: Sequence[float]) -> None:
        """Take other weights and limits over; a limit that stays the same goes on counting."""
        with self._condition:
            cameras = tuple(self.counters)
            self._order.configure(by_camera(cameras, weights, 1.0))
            rates = by_camera(cameras, max_rates, 0.0)
            self._limits |= {
                c: RateLimit(rate) for c, rate in rates.items() if rate != self._max_rates[c]
            }
            self._max_rates = rates

    def submit(self, camera: str, frame: F) -> None:
        """Offer a frame; one of the same camera still waiting is dropped for it.

        And it itself where it is too many.
        """
        with self._condition:
            counters = self.counters[camera]
            counters.received += 1
            if camera in self._waiting:  # The newer one takes over its place, and its permission.
                counters.dropped += 1
            elif self._limits[camera].admit(time.monotonic()):
                self._order.arrive(camera)
            else:
                counters.dropped += 1
                return
            self._waiting[camera] = frame
            self._condition.notify()

    def discard(self) -> None:
        """Drop what waits, as when the node is disabled."""
        with self._condition:
            for camera in self._waiting:
                self.counters[camera].dropped += 1
            self._waiting.clear()

    def reset_counters(self) -> None:
        """Count from zero, as when the node is activated.

        A frame in work still counts for the time before.
        """
        with self._condition:
            self.counters = {camera: Counters() for camera in self.counters}

    def busy_seconds(self) -> float:
        """How long the frame in work has been in work; 0 when idle."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def deliver(self) -> bool:
        """Asked by work before it lets a result out.

        False when it was abandoned, and nobody may hear of it.
        """
        with self._condition:
            if threading.current_thread() is not self._thread:
                return False
            self._delivering = True
            return True

    def abandon(self) -> bool:
        """Give the frame in work up; its thread is left to itself and another one waits for `start`.

        Returns:
            False when the frame is no longer in work, or its result is already on its way out.
        """
        with self._condition:
            if self._busy_since is None or self._delivering:
                return False
            if self._counting:
                self._counting.add("failed")
            self._abandoned.append(self._thread)
            self._thread = self._new_thread()
            self._busy_since = None
            return True

    def left_behind(self) -> int:
        """Abandoned threads that have not returned."""
        self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        return len(self._abandoned)

    def stop(self, timeout: float = 10.0) -> bool:
        """Finish the frame in work and end the thread; False when it did not end in time."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _next(self) -> tuple[str, F] | None:
        """The next frame, marked as in work; None for a thread that is to end."""
        with self._condition:
            if not self._waiting:
                self._order.rest()
            self._condition.wait_for(lambda: self._waiting or self._stopping)
            if self._stopping:
                return None
            camera = self._order.choose(self._waiting)
            self._counting, self._busy_since = self.counters[camera], time.monotonic()
            return camera, self._waiting.pop(camera)

    def _finish(self, outcome: Outcome) -> bool:
        """Count the frame in work; False in a thread that was abandoned."""
        with self._condition:
            if threading.current_thread() is not self._thread:
                return False
            if self._counting:
                self._counting.add(outcome)
            self._counting, self._busy_since, self._delivering = None, None, False
            return True

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            if not self._finish(self._work(*job)):
                return
