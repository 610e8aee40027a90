"""Whose turn it is: cameras share the network by weight, and none sends more than its rate.

Source: Goyal, Vin & Cheng, "Start-time fair queuing" (1996), section 2, with one waiting frame a
camera and every frame of the same length.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


class FairOrder:
    """The order in which waiting cameras are served.

    While frames of all cameras wait, each is served in proportion to its weight; a share that a
    camera does not use goes to the others, and is not saved up. A waiting camera of weight w is
    served after at most (sum of weights / w) + (number of cameras) others.

    Args:
        weights: by camera, above 0.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._cost = {camera: 1 / weight for camera, weight in weights.items()}
        self._now = 0.0
        self._start = dict.fromkeys(weights, 0.0)
        self._finish = dict.fromkeys(weights, 0.0)
        self._served = dict.fromkeys(weights, 0)
        self._turn = 0

    def configure(self, weights: Mapping[str, float]) -> None:
        """Take other weights of the same cameras over, from each camera's next frame on."""
        self._cost = {camera: 1 / weight for camera, weight in weights.items()}

    def arrive(self, camera: str) -> None:
        """A camera that had no frame waiting has one now."""
        self._start[camera] = max(self._now, self._finish[camera])

    def choose(self, waiting: Collection[str]) -> str:
        """The camera of those waiting whose turn it is; of equals the one served longest ago."""
        camera = min(waiting, key=lambda name: (self._start[name], self._served[name]))
        self._now = self._start[camera]
        self._finish[camera] = self._now + self._cost[camera]
        self._turn += 1
        self._served[camera] = self._turn
        return camera

    def rest(self) -> None:
        """Nothing waits and nothing is in work: nobody owes anybody anything."""
        self._now = max(self._now, *self._finish.values())


class RateLimit:
    """Lets through at most so many frames a second, evenly, whatever the rhythm they come in.

    A frame may come up to half a period early, as long as the average is kept: a camera at exactly
    the limit loses nothing to jitter, and one at 30 Hz with a limit of 20 gives two frames of
    three.

    Source: the generic cell rate algorithm, ITU-T I.371 (2004), annex A.

    Args:
        rate: frames a second; 0 for no limit.
    """

    def __init__(self, rate: float) -> None:
        self._period = 1 / rate if rate else 0.0
        self._due = -self._period

    def admit(self, now: float) -> bool:
        """Whether a frame that comes at `now` (s) may pass."""
        if now < self._due - self._period / 2:
            return False
        self._due = max(now, self._due) + self._period
        return True


def by_camera(cameras: Sequence[str], values: Sequence[float], default: float) -> dict[str, float]:
    """One value a camera; the default for all where none are given."""
    return dict(zip(cameras, values or [default] * len(cameras), strict=True))
