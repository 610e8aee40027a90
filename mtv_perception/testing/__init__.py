"""For users' own tests: replay a bag, then say what must and must not be reported in it."""

from mtv_perception.testing.presence import Interval, Presence
from mtv_perception.testing.replayed import ReplayedRun

__all__ = ["Interval", "Presence", "ReplayedRun"]
