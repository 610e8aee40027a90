"""Camera geometry: lens distortion both ways, and image points on the floor from a known mounting.

Image points are in this package's pixels: pixel i covers i..i+1. A CameraInfo puts integer
coordinates on pixel centres, half a pixel off; the conversion happens here and nowhere else.

Floor frame: x forward, y left, z up, metres, the floor at z = 0 (REP 103; `base_footprint`). Camera
rays are in the optical frame: x right, y down, z forward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtv_perception.geometry.lens import LENSES, fitted_lens

_PIXEL_CENTRE = 0.5
# A ray this close to the horizon (tangent of the angle below it) meets the floor too far away.
_HORIZON_SLOPE = 1e-4
# Focal lengths in an image side: 177 degrees by a pinhole; a fisheye of 360 degrees has 2 pi.
_WIDEST = 76.0
# Of the principal point from the middle, as a share of the side. The matrix of an image of 3/4 of
# the size puts it 0.125 off in both axes, that of twice the size 0.5. A cut on one side moves it in
# one axis alone.
_FARTHEST_OFF = 0.12
# Share of the focal length. Pixels of real sensors are rectangular: calibrations report far less.
_LARGEST_SKEW = 0.05
_GIMBAL_LOCK = 1e-9
# Metres; no hall is higher. A pose in millimetres is, and would leave every zone free.
_HIGHEST = 50.0
# How far up things are followed to tell how they stand in the image, as a share of their distance.
_RISE = 0.1
_OPTICAL_IN_BODY = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def _by(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[1]}x{size_hw[0]}"


@dataclass(frozen=True)
class Intrinsics:
    """A calibrated camera.

    Attributes:
        size_hw: of the calibrated image, pixels.
        focal_xy: focal lengths, pixels.
        centre_xy: principal point in CameraInfo's coordinates (pixel centres at integers), pixels.
        lens: distortion model: plumb_bob, rational_polynomial or equidistant, as CameraInfo names
            them.
        distortion: its coefficients in CameraInfo's order; empty for none.
        skew: of the camera matrix, pixels a unit of y/z.

    Raises:
        ValueError: numbers that no camera has.
    """

    size_hw: tuple[int, int]
    focal_xy: tuple[float, float]
    centre_xy: tuple[float, float]
    lens: str = "plumb_bob"
    distortion: tuple[float, ...] = ()
    skew: float = 0.0

    def __post_init__(self) -> None:
        numbers = (*self.focal_xy, *self.centre_xy, *self.distortion, self.skew)
        if min(self.size_hw) < 1 or not all(map(math.isfinite, numbers)) or min(self.focal_xy) <= 0:
            raise ValueError(
                f"Expected an image size, positive focal lengths and finite numbers, got {self.size_hw!r}, "
                f"{self.focal_xy!r}, {self.centre_xy!r}, {self.distortion!r}."
            )
        for side, focal in zip(reversed(self.size_hw), self.focal_xy, strict=True):
            if focal < side / _WIDEST:
                raise ValueError(
                    f"Expected a focal length in pixels, got {focal:g} of an image side of {side} pixels."
                )
        if not all(
            0 <= c <= s for c, s in zip(self.centre_xy, reversed(self.size_hw), strict=True)
        ):
            raise ValueError(
                f"Expected the principal point inside the {_by(self.size_hw)} image, got {self.centre_xy!r}."
            )
        off = [
            abs(c / s - 0.5) for c, s in zip(self.centre_xy, reversed(self.size_hw), strict=True)
        ]
        if min(off) > _FARTHEST_OFF:
            raise ValueError(
                f"Expected the principal point near the middle of the {_by(self.size_hw)} image, got "
                f"{self.centre_xy!r}: is the camera matrix of another image size?"
            )
        if abs(self.skew) > _LARGEST_SKEW * self.focal_xy[0]:
            raise ValueError(
                f"Expected a camera matrix with little skew, got {self.skew:g} beside a focal length "
                f"of {self.focal_xy[0]:g}."
            )
        lens, distortion = fitted_lens(self.lens, self.distortion)
        object.__setattr__(self, "lens", lens)
        object.__setattr__(self, "distortion", distortion)

    @classmethod
    def from_matrix(
        cls, size_hw: tuple[int, int], matrix: np.ndarray, lens: str, distortion: tuple[float, ...]
    ) -> Intrinsics:
        """From a `(3, 3)` camera matrix; ValueError for an uncalibrated (zero) one."""
        k = np.asarray(matrix, np.float64).reshape(3, 3)
        focal, centre = (float(k[0, 0]), float(k[1, 1])), (float(k[0, 2]), float(k[1, 2]))
        found = cls(size_hw, focal, centre, lens, distortion, float(k[0, 1]))
        if not np.array_equal(k[[1, 2, 2, 2], [0, 0, 1, 2]], (0, 0, 0, 1)):
            raise ValueError(
                f"Expected a camera matrix [fx s cx; 0 fy cy; 0 0 1], got {k.tolist()}."
            )
        return found

    @classmethod
    def from_projection(cls, size_hw: tuple[int, int], projection: np.ndarray) -> Intrinsics:
        """Of rectified images, in which no distortion is left.

        Args:
            size_hw: height and width, pixels.
            projection: `(3, 4)`, as P in CameraInfo.

        Raises:
            ValueError: an uncalibrated (zero) one.
        """
        matrix = np.asarray(projection, np.float64).reshape(3, 4)[:, :3]
        return cls.from_matrix(size_hw, matrix, "plumb_bob", ())

    @cached_property
    def _coefficients(self) -> np.ndarray:
        padded = np.zeros(LENSES[self.lens].coefficients)
        padded[: len(self.distortion)] = self.distortion
        return padded

    @cached_property
    def _largest_radius(self) -> float:
        return LENSES[self.lens].largest_radius(self._coefficients)

    def rays(self, pixels_xy: np.ndarray) -> np.ndarray:
        """Directions towards image points, optical frame.

        Args:
            pixels_xy: `(N, 2)`, pixels.

        Returns:
            `(N, 2)` float64, x/z and y/z; NaN where the lens model has no inverse.
        """
        points = np.asarray(pixels_xy, np.float64).reshape(-1, 2)
        bent = (points - _PIXEL_CENTRE - self.centre_xy) / self.focal_xy
        bent[:, 0] -= self.skew / self.focal_xy[0] * bent[:, 1]
        straight = LENSES[self.lens].undistort(bent, self._coefficients)
        with np.errstate(invalid="ignore"):
            straight[~(np.hypot(*straight.T) <= self._largest_radius)] = np.nan
        return straight

    def pixels(self, rays: np.ndarray) -> np.ndarray:
        """Image points of directions, `(N, 2)` x/z and y/z to `(N, 2)` pixels.

        NaN where the lens model folds.
        """
        straight = np.asarray(rays, np.float64).reshape(-1, 2)
        with np.errstate(invalid="ignore", over="ignore"):
            bent = LENSES[self.lens].distort(straight, self._coefficients)
            bent[~(np.hypot(*straight.T) <= self._largest_radius)] = np.nan
        bent = bent + self.skew / self.focal_xy[0] * bent[:, 1:] * (1.0, 0.0)
        return bent * self.focal_xy + self.centre_xy + _PIXEL_CENTRE


@dataclass(frozen=True)
class Mounting:
    """Where a camera sits above the floor.

    Attributes:
        position_xyz: of the camera, floor frame, m.
        rpy_deg: roll, pitch, yaw of the camera's body (x out of the lens, y left, z up) about the
            fixed axes, degrees; a positive pitch looks down, a positive yaw left.
    """

    position_xyz: tuple[float, float, float]
    rpy_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if (
            not all(map(math.isfinite, (*self.position_xyz, *self.rpy_deg)))
            or not 0 < self.position_xyz[2] <= _HIGHEST
        ):
            raise ValueError(
                f"Expected a finite pose above the floor, in metres, up to {_HIGHEST:g}, "
                f"got {self.position_xyz!r}, {self.rpy_deg!r}."
            )

    @classmethod
    def from_rotation(
        cls, position_xyz: tuple[float, float, float], rotation: np.ndarray
    ) -> Mounting:
        """From a `(3, 3)` matrix that turns optical-frame vectors into the floor frame.

        The inverse of `rotation`.
        """
        body = np.asarray(rotation, np.float64).reshape(3, 3) @ _OPTICAL_IN_BODY.T
        pitch = math.atan2(-body[2, 0], math.hypot(body[0, 0], body[1, 0]))
        if abs(math.cos(pitch)) > _GIMBAL_LOCK:
            roll, yaw = math.atan2(body[2, 1], body[2, 2]), math.atan2(body[1, 0], body[0, 0])
        else:  # Roll and yaw turn about the same axis: all of it is called yaw.
            roll, yaw = 0.0, math.atan2(-body[0, 1], body[1, 1])
        return cls(position_xyz, (math.degrees(roll), math.degrees(pitch), math.degrees(yaw)))

    @cached_property
    def rotation(self) -> np.ndarray:
        """`(3, 3)`, turns optical-frame vectors into the floor frame."""
        roll, pitch, yaw = np.deg2rad(self.rpy_deg)
        about_x = np.array(
            [[1, 0, 0], [0, np.cos(roll), -np.sin(roll)], [0, np.sin(roll), np.cos(roll)]]
        )
        about_y = np.array(
            [[np.cos(pitch), 0, np.sin(pitch)], [0, 1, 0], [-np.sin(pitch), 0, np.cos(pitch)]]
        )
        about_z = np.array(
            [[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]
        )
        return about_z @ about_y @ about_x @ _OPTICAL_IN_BODY


@dataclass(frozen=True)
class FloorCamera:
    """A calibrated camera at a known place above the floor."""

    intrinsics: Intrinsics
    mounting: Mounting

    @property
    def nadir_xy(self) -> np.ndarray:
        """The floor point below the camera, `(2,)` m."""
        return np.array(self.mounting.position_xyz[:2])

    def headings(self, pixels_xy: np.ndarray) -> np.ndarray:
        """Unit vectors along the floor towards image points, `(N, 2)`.

        NaN where the lens has no inverse.
        """
        along = self._directions(pixels_xy)[:, :2]
        return along / np.hypot(*along.T)[:, None]

    def upward(self, pixels_xy: np.ndarray) -> np.ndarray:
        """Unit vectors in the image along which things stand at image points, `(N, 2)`.

        `(0, -1)` is upright. NaN where the lens has no inverse.
        """
        directions = self._directions(pixels_xy)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        above = self.mounting.position_xyz + directions + (0, 0, _RISE)
        along = self.points_to_pixels(above) - pixels_xy
        with np.errstate(invalid="ignore"):
            return along / np.hypot(*along.T)[:, None]

    def is_upright(self, pixels_xy: np.ndarray, lean_deg: float = 45.0) -> np.ndarray:
        """Where things stand up in the image, leaning by `lean_deg` degrees at most, `(N,)` bool.

        They lean beside the middle of a wide lens, and lie or hang upside down in the image of a
        camera that is mounted so, or looks straight down.
        """
        x, y = self.upward(pixels_xy).T
        upright: np.ndarray = np.greater(-y, np.hypot(x, y) * math.cos(math.radians(lean_deg)))
        return upright

    def pixels_to_floor(self, pixels_xy: np.ndarray) -> np.ndarray:
        """Floor points seen at image points.

        Args:
            pixels_xy: `(N, 2)`, pixels.

        Returns:
            `(N, 2)` float64, x and y in the floor frame, m; NaN at and above the horizon, and where
            the lens model has no inverse.
        """
        directions = self._directions(pixels_xy)
        slope = -directions[:, 2] / np.hypot(*directions[:, :2].T)
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = self.mounting.position_xyz[2] / -directions[:, 2]
            floor = self.nadir_xy + directions[:, :2] * reach[:, None]
            floor[~(slope > _HORIZON_SLOPE)] = np.nan
        return floor

    def points_to_pixels(self, points_xyz: np.ndarray) -> np.ndarray:
        """Image points of points in the floor frame, `(N, 3)` m to `(N, 2)` pixels.

        NaN behind the camera.
        """
        offset = np.asarray(points_xyz, np.float64).reshape(-1, 3) - self.mounting.position_xyz
        seen = offset @ self.mounting.rotation
        with np.errstate(divide="ignore", invalid="ignore"):
            rays = seen[:, :2] / seen[:, 2:]
        rays[~(seen[:, 2] > 0)] = np.nan
        return self.intrinsics.pixels(rays)

    def floor_to_pixels(self, floor_xy: np.ndarray) -> np.ndarray:
        """Image points of floor points, `(N, 2)` m to `(N, 2)` pixels; NaN behind the camera."""
        points = np.asarray(floor_xy, np.float64).reshape(-1, 2)
        return self.points_to_pixels(np.column_stack([points, np.zeros(len(points))]))

    def distances(self, floor_xy: np.ndarray) -> np.ndarray:
        """From the camera to floor points, `(N, 2)` m to `(N,)` m, through the air."""
        offset = np.asarray(floor_xy, np.float64).reshape(-1, 2) - self.nadir_xy
        return np.hypot(np.hypot(*offset.T), self.mounting.position_xyz[2])

    def _directions(self, pixels_xy: np.ndarray) -> np.ndarray:
        rays = self.intrinsics.rays(pixels_xy)
        return np.column_stack([rays, np.ones(len(rays))]) @ self.mounting.rotation.T
