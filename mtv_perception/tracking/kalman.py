"""A constant-velocity Kalman filter for many boxes at once.

Centre x, centre y, width and height move independently, each with its own speed: four filters of
two states, written out. Noise grows with the box, as in Aharon et al., "BoT-SORT" (2022), section
3.1; time is real time, so that dropped frames and any frame rate are the same to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtv_perception.geometry.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh

# In shares of the box's size. Wojke et al., "Deep SORT" (2017), take 1/20 for the measurement.
_MEASURED = 0.05
# First guess of the speed, sizes a second: a person 1.7 m tall walks about 1.
_FIRST_SPEED = 1.0
# Change of speed, sizes a second squared.
_ACCELERATION = 2.0
_SMALLEST = 1.0


@dataclass(frozen=True)
class Motion:
    """The boxes' states.

    Attributes:
        values: `(T, 4)` float64, centre x, centre y, width, height, pixels.
        speeds: `(T, 4)`, pixels a second.
        spread: `(T, 3, 4)`, variance of value, covariance, variance of speed.
    """

    values: np.ndarray
    speeds: np.ndarray
    spread: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    @property
    def boxes_xyxy(self) -> np.ndarray:
        """`(T, 4)` float64, pixels."""
        return cxcywh_to_xyxy(self.values)

    def select(self, index: np.ndarray) -> Motion:
        """Some of them."""
        return Motion(self.values[index], self.speeds[index], self.spread[index])


def _sizes(values: np.ndarray) -> np.ndarray:
    """The size that noise scales with: width for x, height for y."""
    return np.maximum(values[:, [2, 3, 2, 3]], _SMALLEST)


def begin(boxes_xyxy: np.ndarray) -> Motion:
    """States of boxes `(N, 4)` seen for the first time."""
    values = xyxy_to_cxcywh(np.asarray(boxes_xyxy, np.float64).reshape(-1, 4))
    sizes = _sizes(values)
    spread = np.stack(
        [(_MEASURED * sizes) ** 2, np.zeros_like(sizes), (_FIRST_SPEED * sizes) ** 2], 1
    )
    return Motion(values, np.zeros_like(values), spread)


def join(a: Motion, b: Motion) -> Motion:
    """The states of both."""
    return Motion(
        np.concatenate([a.values, b.values]),
        np.concatenate([a.speeds, b.speeds]),
        np.concatenate([a.spread, b.spread]),
    )


def predict(motion: Motion, seconds: float) -> Motion:
    """States some time later."""
    value, covariance, speed = np.moveaxis(motion.spread, 1, 0)
    jerk = (_ACCELERATION * _sizes(motion.values)) ** 2
    spread = [
        value + 2 * seconds * covariance + seconds**2 * speed + jerk * seconds**4 / 4,
        covariance + seconds * speed + jerk * seconds**3 / 2,
        speed + jerk * seconds**2,
    ]
    values = motion.values + seconds * motion.speeds
    values[:, 2:] = np.maximum(values[:, 2:], _SMALLEST)
    return Motion(values, motion.speeds, np.stack(spread, 1))


def correct(motion: Motion, boxes_xyxy: np.ndarray) -> Motion:
    """States after their boxes `(T, 4)` were seen."""
    measured = xyxy_to_cxcywh(np.asarray(boxes_xyxy, np.float64).reshape(-1, 4))
    value, covariance, speed = np.moveaxis(motion.spread, 1, 0)
    total = value + (_MEASURED * _sizes(measured)) ** 2
    gain, speed_gain = value / total, covariance / total
    error = measured - motion.values
    spread = [(1 - gain) * value, (1 - gain) * covariance, speed - speed_gain * covariance]
    return Motion(
        motion.values + gain * error, motion.speeds + speed_gain * error, np.stack(spread, 1)
    )
