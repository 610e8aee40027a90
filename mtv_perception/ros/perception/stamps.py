"""What is wrong with the headers of a camera's images: a cause with its figures."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass

from mtv_perception.ros.turns import Turns

SECOND = 1_000_000_000
# Stamps further from the clock than these (s) come from another clock. Exposure, transfer and a
# slow machine take less.
_FARTHEST_AHEAD = 1.0
_FARTHEST_BEHIND = 60.0
# A bag that loops jumps back once a loop; images of two clocks on one topic jump back with every
# second image.
_WINDOW, _MOST_JUMPS = 20, 3
_REPEATS = 3
# Images of several clocks or cameras: what one of them shows, the next one hides.
_MIXED = ("two_clocks", "two_cameras")
_YEAR = 365.25 * 86400


@dataclass(frozen=True)
class Freshness:
    """Decides by its stamp whether a frame may still be processed.

    Attributes:
        max_age: seconds; 0 for no limit.
        time_jump: seconds back that mean a new timeline.
    """

    max_age: float
    time_jump: float

    def accepts(self, stamp: int, newest: int | None, now: int) -> bool:
        """Whether a frame of `stamp` may follow a result of stamp `newest` at time `now` (all nanoseconds)."""
        return not self.refusal(stamp, newest, now)

    def refusal(self, stamp: int, newest: int | None, now: int) -> str:
        """Why the frame may not be processed, with the figures; empty if it may."""
        if self.max_age and now - stamp > self.max_age * SECOND:
            return f"{duration((now - stamp) / SECOND)} old, max_age is {self.max_age:g} s"
        if newest is None or stamp > newest or newest - stamp > self.time_jump * SECOND:
            return ""
        if stamp == newest:
            return f"its stamp {seconds(stamp)} is that of the image before"
        return f"{(newest - stamp) / SECOND:.3f} s older than the newest result"


def seconds(nanoseconds: int) -> str:
    """A stamp for people."""
    return f"{nanoseconds / SECOND:.3f} s"


def duration(value: float) -> str:
    """A duration in the unit that people would choose."""
    for unit, size in (("years", _YEAR), ("days", 86400.0), ("hours", 3600.0)):
        if value >= 2 * size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.2f} s"


@dataclass(frozen=True)
class _Seen:
    stamp: int
    now: int
    arrived: float


Sender = tuple[str, bytes]
"""The frame of an image, and who published it."""


class StampJudge:
    """Watches stamps, frames, clock and arrival times of one camera.

    A cause counts only once it has lasted for `patience`: one late or early image is no error.
    """

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque(maxlen=_WINDOW)
        self._repeats = 0
        self._cause = ""
        self._since = 0.0
        self._clock_since: tuple[int, float] | None = None
        self._turns = Turns[Sender]()

    def forget(self) -> None:
        """Start again, as when the node is activated."""
        self.__init__()  # type: ignore[misc]

    def see(
        self,
        stamp: int,
        now: int,
        arrived: float,
        time_jump: float,
        frame_id: str = "",
        publisher: bytes = b"",
    ) -> None:
        """Take an image in.

        Args:
            stamp: of the image, nanoseconds.
            now: the node's ROS clock, nanoseconds.
            arrived: steady clock, seconds.
            time_jump: seconds back that mean another timeline.
            frame_id: of the image.
            publisher: identifies who sent it; empty where the middleware does not tell.
        """
        self._turns.notice((frame_id, publisher), arrived)
        self._repeats = self._repeats + 1 if self._seen and stamp == self._seen[-1].stamp else 0
        self._seen.append(_Seen(stamp, now, arrived))
        if self._clock_since is None or self._clock_since[0] != now:
            self._clock_since = now, arrived
        cause = self._kind(time_jump)
        if cause != self._cause:
            self._cause, self._since = cause, arrived

    def error(self, arrived: float, patience: float) -> str:
        """The cause with its figures and what to do.

        Empty while all is well or the cause is younger than `patience`.

        Args:
            arrived: steady clock now, seconds.
            patience: seconds.
        """
        if not self._cause or arrived - self._since < patience:
            return ""
        return self._say()

    @property
    def mixed(self) -> tuple[str, str]:
        """Whether images of several clocks or cameras come, however short: the cause and its figures."""
        return (self._cause, self._say()) if self._cause in _MIXED else ("", "")

    def _say(self) -> str:
        return getattr(self, f"_say_{self._cause}")()  # type: ignore[no-any-return]

    def _kind(self, time_jump: float) -> str:
        last = self._seen[-1]
        if self._repeats >= _REPEATS:
            return "zero" if last.stamp == 0 else "constant"
        if self._jumps(time_jump) >= _MOST_JUMPS:
            return "two_clocks"
        if self._turns.rivals(last.arrived):
            return "two_cameras"
        if self._clock_stands():
            return "standing_clock"
        if last.stamp - last.now > _FARTHEST_AHEAD * SECOND:
            return "ahead"
        return "behind" if last.now - last.stamp > _FARTHEST_BEHIND * SECOND else ""

    def _clock_stands(self) -> bool:
        """Images with different stamps arrived at the same reading of the clock."""
        same = [item for item in self._seen if item.now == self._seen[-1].now]
        return len(same) >= _REPEATS and len({item.stamp for item in same}) >= _REPEATS

    def _jumps(self, time_jump: float) -> int:
        stamps = [item.stamp for item in self._seen]
        return sum(a - b > time_jump * SECOND for a, b in itertools.pairwise(stamps))

    def _say_zero(self) -> str:
        return f"stamps do not advance: {self._repeats + 1} images with stamp 0; the camera driver sets no stamps"

    def _say_constant(self) -> str:
        return (
            f"stamps do not advance: {self._repeats + 1} images with stamp {seconds(self._seen[-1].stamp)}; "
            "check the camera driver's clock"
        )

    def _say_two_clocks(self) -> str:
        stamps = sorted(item.stamp for item in self._seen)
        return (
            f"stamps of two clocks: {seconds(stamps[0])} and {seconds(stamps[-1])} within "
            f"{len(stamps)} images; let one camera publish on this topic"
        )

    def _say_two_cameras(self) -> str:
        rivals = self._turns.rivals(self._seen[-1].arrived)
        frames = sorted({frame_id for frame_id, _ in rivals})
        named = ", ".join(map(repr, frames))
        if len(frames) > 1:
            what = f"{len(frames)} frames take turns: {named}"
        else:
            what = f"{len(rivals)} publishers take turns, all of frame {named}"
        return f"images of {what}; let one camera publish on this topic"

    def _say_standing_clock(self) -> str:
        now, since = self._clock_since or (0, 0.0)
        return (
            f"the ROS clock has stood at {seconds(now)} for {self._seen[-1].arrived - since:.1f} s while images "
            "arrive; use_sim_time needs a /clock that advances"
        )

    def _say_ahead(self) -> str:
        last = self._seen[-1]
        return (
            f"stamps are {duration((last.stamp - last.now) / SECOND)} ahead of the node's clock "
            f"(stamp {seconds(last.stamp)}, clock {seconds(last.now)}); synchronise the clocks"
        )

    def _say_behind(self) -> str:
        last = self._seen[-1]
        return (
            f"stamps are {duration((last.now - last.stamp) / SECOND)} behind the node's clock "
            f"(stamp {seconds(last.stamp)}, clock {seconds(last.now)}); the camera may stamp with its boot clock, "
            "or a bag is played without use_sim_time"
        )
