"""Lens distortion in normalised image coordinates (x/z, y/z), and its inverse.

Source: OpenCV, "Camera Calibration and 3D Reconstruction" (plumb_bob: 5 coefficients k1 k2 p1 p2
k3; rational: 8, with k4 k5 k6) after Brown, "Decentering distortion of lenses" (1966); Kannala &
Brandt, "A generic camera model" (2006), equation 6 (equidistant: 4). Coefficients in the order of
sensor_msgs/CameraInfo.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_ITERATIONS = 30
_CONVERGED, _FINEST = 1e-10, 1e-14
# tan(88.5 degrees): no lens of the two polynomial models is calibrated beyond it.
_WIDEST = 38.0
_STEP = 1e-6
_STEP_X, _STEP_Y = np.array([_STEP, 0.0]), np.array([0.0, _STEP])


def _radial(squares: np.ndarray, k: np.ndarray) -> np.ndarray:
    top = 1 + squares * (k[0] + squares * (k[1] + squares * k[4]))
    bottom = 1 + squares * (k[5] + squares * (k[6] + squares * k[7]))
    return top / bottom


def _distort_polynomial(points: np.ndarray, k: np.ndarray) -> np.ndarray:
    k = np.pad(k, (0, 8 - len(k)))
    x, y = points.T
    squares = x * x + y * y
    radial = _radial(squares, k)
    bent_x = x * radial + 2 * k[2] * x * y + k[3] * (squares + 2 * x * x)
    bent_y = y * radial + k[2] * (squares + 2 * y * y) + 2 * k[3] * x * y
    return np.column_stack([bent_x, bent_y])


def _undistort_polynomial(bent: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Newton's method from the distorted point; NaN where it does not converge."""
    points = bent.copy()
    with np.errstate(all="ignore"):
        for _ in range(_ITERATIONS):
            error = _distort_polynomial(points, k) - bent
            if not (np.abs(error) > _FINEST).any():
                break
            a, c = ((_distort_polynomial(points + _STEP_X, k) - bent - error) / _STEP).T
            b, d = ((_distort_polynomial(points + _STEP_Y, k) - bent - error) / _STEP).T
            determinant = a * d - b * c
            points = points - np.column_stack(
                [
                    (d * error[:, 0] - b * error[:, 1]) / determinant,
                    (a * error[:, 1] - c * error[:, 0]) / determinant,
                ]
            )
        error = np.abs(_distort_polynomial(points, k) - bent).max(1)
        points[~(error < _CONVERGED * np.maximum(1, np.abs(bent).max(1)))] = np.nan
    return points


def _largest_radius_polynomial(k: np.ndarray) -> float:
    """Where the image radius stops growing with the ray's.

    Beyond it the model folds back onto itself.
    """
    k = np.pad(k, (0, 8 - len(k)))
    radii = np.geomspace(1e-3, _WIDEST, 4000)
    with np.errstate(all="ignore"):
        bent = radii * _radial(radii**2, k)
        falls = ~(np.diff(bent) > 0) | ~np.isfinite(bent[1:])
    return float(radii[np.argmax(falls)]) if falls.any() else _WIDEST


def _bend(angles: np.ndarray, k: np.ndarray) -> np.ndarray:
    squares = angles**2
    return angles * (1 + squares * (k[0] + squares * (k[1] + squares * (k[2] + squares * k[3]))))


def _distort_equidistant(points: np.ndarray, k: np.ndarray) -> np.ndarray:
    radii = np.hypot(*points.T)
    scale = np.divide(
        _bend(np.arctan(radii), k), radii, out=np.ones_like(radii), where=radii > 1e-12
    )
    return points * scale[:, None]


def _undistort_equidistant(bent: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Newton's method on the ray's angle; NaN where it does not converge below 90 degrees."""
    wanted = np.hypot(*bent.T)
    angles = np.minimum(wanted, np.pi / 2 - 1e-3)
    with np.errstate(all="ignore"):
        for _ in range(_ITERATIONS):
            slope = (_bend(angles + 1e-7, k) - _bend(angles - 1e-7, k)) / 2e-7
            angles = angles - (_bend(angles, k) - wanted) / slope
        bad = (
            ~(np.abs(_bend(angles, k) - wanted) < _CONVERGED) | (angles < 0) | (angles >= np.pi / 2)
        )
        scale = np.divide(np.tan(angles), wanted, out=np.ones_like(wanted), where=wanted > 1e-12)
    scale[bad] = np.nan
    return bent * scale[:, None]


def _largest_radius_equidistant(k: np.ndarray) -> float:
    angles = np.linspace(0, np.pi / 2 - 1e-4, 4000)
    falls = ~(np.diff(_bend(angles, k)) > 0)
    return float(np.tan(angles[np.argmax(falls)])) if falls.any() else float(np.tan(angles[-1]))


@dataclass(frozen=True)
class Lens:
    """A distortion model.

    Attributes:
        coefficients: how many it has.
        distort: straight `(N, 2)` and coefficients to bent `(N, 2)`.
        undistort: the inverse, NaN where there is none.
        largest_radius: coefficients to the largest straight radius that the model describes.
    """

    coefficients: int
    distort: Callable[[np.ndarray, np.ndarray], np.ndarray]
    undistort: Callable[[np.ndarray, np.ndarray], np.ndarray]
    largest_radius: Callable[[np.ndarray], float]


LENSES = {
    "plumb_bob": Lens(5, _distort_polynomial, _undistort_polynomial, _largest_radius_polynomial),
    "rational_polynomial": Lens(
        8, _distort_polynomial, _undistort_polynomial, _largest_radius_polynomial
    ),
    "equidistant": Lens(
        4, _distort_equidistant, _undistort_equidistant, _largest_radius_equidistant
    ),
}
"""By the name CameraInfo gives them."""


def fitted_lens(name: str, coefficients: Sequence[float]) -> tuple[str, tuple[float, ...]]:
    """The lens and the coefficients that a CameraInfo means.

    Drivers pad coefficients with zeros, and some publish the eight of a rational lens as
    `plumb_bob`.

    Args:
        name: distortion model as CameraInfo names it; empty means plumb_bob.
        coefficients: its D, possibly empty.

    Returns:
        The name in LENSES, and at most as many coefficients as that lens has.

    Raises:
        ValueError: an unknown model, a coefficient that is no finite number, or too many that are
            not zero.
    """
    name = name or "plumb_bob"
    if name not in LENSES:
        raise ValueError(f"Expected a lens of {', '.join(LENSES)}, got {name!r}.")
    if not all(map(math.isfinite, coefficients)):
        raise ValueError(f"Expected finite distortion coefficients, got {list(coefficients)}.")
    used = max((index + 1 for index, value in enumerate(coefficients) if value), default=0)
    if name == "plumb_bob" and used > LENSES[name].coefficients:
        name = "rational_polynomial"
    most = LENSES[name].coefficients
    if used > most:
        raise ValueError(
            f"Expected at most {most} coefficients of a {name} lens that are not zero, "
            f"got {used}: {list(coefficients)}."
        )
    return name, tuple(map(float, coefficients[:most]))
