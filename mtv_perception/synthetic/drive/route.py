"""Paths over the floor in time: where a robot, a person or a machine is, and how fast it moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Samples are dense against the shortest frame period, so that interpolation between them is exact
# enough.
_STEP_S = 0.02
# Nobody turns or stops within less than this; standard deviation of the smoothing in time.
_SMOOTH_S = 0.35
# Below this speed a body keeps the direction it had: m/s.
_STANDING = 0.05


@dataclass(frozen=True)
class Placement:
    """A body on the floor at one moment, map frame.

    Attributes:
        x: metres.
        y: metres.
        yaw: direction it faces, radians, counter-clockwise from +x.
    """

    x: float
    y: float
    yaw: float


class Route:
    """A smooth path through timed waypoints; before the first and after the last the body stands.

    Args:
        waypoints: `(t, x, y)` in seconds and metres, in the order of time, at least one.
        yaw: direction while nothing moved yet; by default that of the first movement.
    """

    def __init__(
        self, waypoints: Sequence[tuple[float, float, float]], yaw: float | None = None
    ) -> None:
        points = np.asarray(waypoints, np.float64).reshape(-1, 3)
        if len(points) == 0 or (np.diff(points[:, 0]) <= 0).any():
            raise ValueError(f"Expected waypoints in the order of time, got {points.tolist()}.")
        margin = 4 * _SMOOTH_S
        self._times = np.arange(points[0, 0] - margin, points[-1, 0] + margin + _STEP_S, _STEP_S)
        raw = np.column_stack([np.interp(self._times, points[:, 0], points[:, k]) for k in (1, 2)])
        self._xy = _smooth(raw)
        self._velocity = np.gradient(self._xy, _STEP_S, axis=0)
        self._yaw = _headings(self._velocity, yaw)
        steps = np.linalg.norm(np.diff(self._xy, axis=0), axis=1)
        self._run = np.concatenate([[0.0], np.cumsum(steps)])

    def at(self, t: float) -> Placement:
        """Where the body is at a time."""
        x, y, yaw = (self._value(c, t) for c in (self._xy[:, 0], self._xy[:, 1], self._yaw))
        return Placement(x, y, yaw)

    def velocity(self, t: float) -> Floats:
        """`(2,)` metres a second, map frame."""
        inside = self._times[0] <= t <= self._times[-1]
        columns = (self._velocity[:, 0], self._velocity[:, 1])
        return np.array([self._value(c, t) for c in columns]) if inside else np.zeros(2)

    def distance(self, t: float) -> float:
        """Metres walked or driven since the start."""
        return self._value(self._run, t)

    def _value(self, column: Floats, t: float) -> float:
        return float(np.interp(t, self._times, column))


def _smooth(values: Floats) -> Floats:
    reach = round(4 * _SMOOTH_S / _STEP_S)
    offsets = np.arange(-reach, reach + 1) * _STEP_S
    kernel = np.exp(-0.5 * (offsets / _SMOOTH_S) ** 2)
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    columns = [np.convolve(c, kernel / kernel.sum(), mode="valid") for c in padded.T]
    return np.column_stack(columns)


def _headings(velocity: Floats, yaw: float | None) -> Floats:
    """The direction of motion; where there is none, the one before (at the start: the one after)."""
    moving = np.linalg.norm(velocity, axis=1) > _STANDING
    angles = np.arctan2(velocity[:, 1], velocity[:, 0])
    if not moving.any():
        return np.full(len(velocity), yaw or 0.0)
    last = np.maximum.accumulate(np.where(moving, np.arange(len(moving)), -1))
    first = int(np.argmax(moving))
    held = angles[np.where(last < 0, first, last)]
    if yaw is not None:
        held[last < 0] = yaw
    return np.unwrap(held)
