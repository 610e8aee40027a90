"""A zone's state over time: quick to say occupied, slow to say free.

And unknown when there is nothing to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What one result says about a zone."""

    OCCUPIED = "occupied"
    CLEAR = "clear"
    UNSURE = "unsure"


class State(Enum):
    """What is published."""

    UNKNOWN = "unknown"
    FREE = "free"
    OCCUPIED = "occupied"


@dataclass
class ZonePresence:
    """Hysteresis of one zone.

    Attributes:
        enter_results: verdicts OCCUPIED before the state is OCCUPIED, without `leave_results` verdicts
            CLEAR in a row among them.
        leave_results: verdicts CLEAR in a row before the state is FREE.
        leave_ns: and this long since the last OCCUPIED, nanoseconds.
        state: the state in force.
        since_ns: when it was taken.
    """

    enter_results: int
    leave_results: int
    leave_ns: int
    state: State = State.UNKNOWN
    since_ns: int = 0
    _hits: int = 0
    _clears: int = 0
    _last_hit_ns: int | None = None

    def update(self, verdict: Verdict, stamp_ns: int) -> State:
        """Take the verdict of a result of `stamp_ns` into account."""
        self._clears = self._clears + 1 if verdict is Verdict.CLEAR else 0
        if verdict is Verdict.OCCUPIED:
            self._hits, self._last_hit_ns = self._hits + 1, stamp_ns
        elif self._clears >= self.leave_results:
            self._hits = 0
        if self._hits >= self.enter_results:
            self._take(State.OCCUPIED, stamp_ns)
        elif self._hits and self.state is State.UNKNOWN:
            pass  # Not confirmed, and nothing better known: unknown it stays.
        elif self._may_be_free(stamp_ns):
            self._take(State.FREE, stamp_ns)
        elif verdict is Verdict.UNSURE and self.state is State.FREE:
            self._take(State.UNKNOWN, stamp_ns)
        return self.state

    def doubt(self, stamp_ns: int) -> None:
        """A result of `stamp_ns` could not be judged: after it a zone is free as late as after an object."""
        self._last_hit_ns = max(stamp_ns, self._last_hit_ns or stamp_ns)
        self.update(Verdict.UNSURE, stamp_ns)

    def forget(self, now_ns: int) -> None:
        """There is no fresh result: unknown, and everything has to be seen again."""
        self._hits = self._clears = 0
        if self._last_hit_ns is not None and now_ns < self._last_hit_ns:
            self._last_hit_ns = (
                None  # Of another timeline. In this one nothing makes a zone free sooner.
            )
        self._take(State.UNKNOWN, now_ns)

    def _may_be_free(self, stamp_ns: int) -> bool:
        rested = self._last_hit_ns is None or stamp_ns - self._last_hit_ns >= self.leave_ns
        return self._clears >= self.leave_results and rested

    def _take(self, state: State, stamp_ns: int) -> None:
        if state is not self.state:
            self.state, self.since_ns = state, stamp_ns
