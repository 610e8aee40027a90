"""The clock of a replay: source time against wall time, with speed, pauses and jumps.

No ROS, no sleeping.
"""

from __future__ import annotations

from mtv_perception.types import NANOSECONDS


class PlaybackClock:
    """Source time runs `speed` times as fast as wall time, unless paused.

    Args:
        speed: above 0.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"Expected a speed above 0, got {speed!r}.")
        self._speed = speed
        self._source_ns, self._wall_s = 0, 0.0
        self._paused = False

    @property
    def paused(self) -> bool:
        """Whether source time stands still."""
        return self._paused

    def jump(self, source_ns: int, wall_s: float) -> None:
        """Source time is `source_ns` from wall time `wall_s` (seconds) on."""
        self._source_ns, self._wall_s = source_ns, wall_s

    def pause(self, wall_s: float) -> None:
        """Source time stands still."""
        self.jump(self.source_at(wall_s), wall_s)
        self._paused = True

    def resume(self, wall_s: float) -> None:
        """Source time goes on."""
        self._wall_s = wall_s if self._paused else self._wall_s
        self._paused = False

    def source_at(self, wall_s: float) -> int:
        """Source time in nanoseconds at a wall time."""
        if self._paused:
            return self._source_ns
        return self._source_ns + round((wall_s - self._wall_s) * self._speed * NANOSECONDS)

    def seconds_until(self, source_ns: int, wall_s: float) -> float:
        """Wall seconds until a source time; infinite while paused, negative when it has passed."""
        if self._paused:
            return float("inf")
        return (source_ns - self.source_at(wall_s)) / NANOSECONDS / self._speed
