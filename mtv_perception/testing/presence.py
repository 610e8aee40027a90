"""When a class was there, by the results or by the truth, and assertions about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mtv_perception.types import Detections

Region = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


@dataclass(frozen=True)
class Interval:
    """From the first frame to the last one of an uninterrupted presence, seconds."""

    begin_s: float
    end_s: float


@dataclass(frozen=True)
class Presence:
    """In which frames something was there.

    Attributes:
        what: for error texts.
        times_s: `(N,)`, the frames' stamps, seconds from the first.
        present: `(N,)` bool.
    """

    what: str
    times_s: np.ndarray
    present: np.ndarray

    def __post_init__(self) -> None:
        if self.times_s.shape != self.present.shape or self.times_s.ndim != 1:
            raise ValueError(
                f"Expected times (N,) and presence (N,), got {self.times_s.shape}, {self.present.shape}."
            )

    @classmethod
    def of(
        cls,
        what: str,
        times_s: Sequence[float],
        frames: Sequence[Detections],
        is_it: Callable[[Detections], np.ndarray],
    ) -> Presence:
        """Present where any detection fulfils a condition."""
        present = [bool(is_it(found).any()) for found in frames]
        return cls(what, np.asarray(times_s, np.float64), np.asarray(present, bool))

    @property
    def intervals(self) -> list[Interval]:
        """Every uninterrupted presence."""
        edges = np.flatnonzero(np.diff(np.r_[False, self.present, False].astype(np.int8)))
        return [
            Interval(float(self.times_s[begin]), float(self.times_s[end - 1]))
            for begin, end in zip(edges[::2], edges[1::2], strict=True)
        ]

    def _between(self, begin_s: float, end_s: float) -> np.ndarray:
        inside: np.ndarray = (self.times_s >= begin_s - 1e-9) & (self.times_s <= end_s + 1e-9)
        return inside

    def _frames_between(self, begin_s: float, end_s: float) -> np.ndarray:
        """Which frames lie in a time; AssertionError where none does, for it then tells nothing."""
        inside = self._between(begin_s, end_s)
        if not inside.any():
            span = f": it ends at {self.times_s[-1]:g} s" if self.times_s.size else ""
            raise AssertionError(
                f"Expected frames in {begin_s:g} .. {end_s:g} s, the run has none{span}."
            )
        return inside

    def assert_reported_within(self, seconds: float, *, of_s: float) -> None:
        """Present in some frame of the `seconds` from time `of_s` on."""
        __tracebackhide__ = True
        window = self._frames_between(of_s, of_s + seconds)
        if not self.present[window].any():
            later = self.times_s[self.present & (self.times_s > of_s)]
            found = f"first after {later[0] - of_s:.3f} s" if later.size else "never after that"
            raise AssertionError(
                f"Expected {self.what} within {seconds:g} s of {of_s:g} s, reported {found}."
            )

    def assert_gone_after(
        self, seconds: float, *, of_s: float, until_s: float = float("inf")
    ) -> None:
        """Absent from `seconds` after time `of_s` on, up to `until_s`; fails without a frame then."""
        __tracebackhide__ = True
        self._frames_between(np.nextafter(of_s + seconds, np.inf) + 1e-6, until_s)
        self._check_gone(seconds, of_s, until_s)

    def _check_gone(self, seconds: float, of_s: float, until_s: float) -> None:
        __tracebackhide__ = True
        late = self.times_s[
            self.present & self._between(of_s + seconds, until_s) & (self.times_s > of_s + seconds)
        ]
        if late.size:
            raise AssertionError(
                f"Expected no {self.what} for more than {seconds:g} s after {of_s:g} s, "
                f"reported until {late[-1] - of_s:.3f} s after it."
            )

    def assert_absent(self, begin_s: float, end_s: float) -> None:
        """Absent in every frame of a time; fails without a frame in it."""
        __tracebackhide__ = True
        self._frames_between(begin_s, end_s)
        self._check_absent(begin_s, end_s)

    def _check_absent(self, begin_s: float, end_s: float) -> None:
        __tracebackhide__ = True
        seen = self.times_s[self.present & self._between(begin_s, end_s)]
        if seen.size:
            raise AssertionError(
                f"Expected no {self.what} in {begin_s:g} .. {end_s:g} s, reported in {seen.size} frames, "
                f"first at {seen[0]:.3f} s."
            )

    def assert_continuous(self, begin_s: float, end_s: float, *, longest_gap_s: float) -> None:
        """Never absent for more than `longest_gap_s` within a time."""
        __tracebackhide__ = True
        if not (begin_s < end_s and longest_gap_s >= 0):
            raise ValueError(
                f"Expected a time from a beginning to an end and a gap of 0 or more, got {begin_s:g} .. "
                f"{end_s:g} s and {longest_gap_s:g} s."
            )
        seen = self.times_s[self.present & self._between(begin_s, end_s)]
        marks = np.r_[begin_s, seen, end_s]
        worst = int(np.argmax(np.diff(marks)))
        gap = float(marks[worst + 1] - marks[worst])
        if gap > longest_gap_s + 1e-9:
            raise AssertionError(
                f"Expected {self.what} without a gap of more than {longest_gap_s:g} s in {begin_s:g} .. {end_s:g} s, "
                f"got {gap:.3f} s from {marks[worst]:.3f} s on."
            )

    def assert_follows(
        self, truth: Presence, *, enters_within_s: float, leaves_within_s: float
    ) -> None:
        """Reported soon after every entering, and no longer than so much after every leaving.

        Presences of the truth that are shorter than `enters_within_s` may go unseen.

        Args:
            truth: when it really was there.
            enters_within_s: longest delay of the first report.
            leaves_within_s: longest survival of the last report.

        Raises:
            AssertionError: it does not follow, or the run lacks the beginning or the end of the truth.
        """
        __tracebackhide__ = True
        self._check_covers(truth, max(enters_within_s, leaves_within_s))
        intervals = truth.intervals
        begins = [*(item.begin_s for item in intervals[1:]), *([float("inf")] if intervals else [])]
        if intervals:
            self._check_absent(-float("inf"), np.nextafter(intervals[0].begin_s, -np.inf) - 1e-6)
        judged = [i for i in intervals if i.end_s - i.begin_s >= enters_within_s - 1e-9]
        if intervals and not judged:
            raise AssertionError(
                f"Expected a presence of {truth.what} of at least {enters_within_s:g} s to judge by, the truth "
                "has shorter ones only."
            )
        for item, next_begin_s in zip(intervals, begins, strict=True):
            if item in judged:
                self.assert_reported_within(enters_within_s, of_s=item.begin_s)
            self._check_gone(leaves_within_s, item.end_s, next_begin_s - 1e-6)
        if not intervals:
            self._check_absent(-float("inf"), float("inf"))

    def _check_covers(self, truth: Presence, tolerance_s: float) -> None:
        __tracebackhide__ = True
        if not truth.times_s.size:
            return
        begin_s, end_s = float(truth.times_s[0]), float(truth.times_s[-1])
        tolerance_s = max(tolerance_s, float(np.diff(self.times_s).max(initial=0)))
        self._frames_between(begin_s, begin_s + tolerance_s)
        self._frames_between(end_s - tolerance_s, end_s + tolerance_s)
