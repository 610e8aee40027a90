"""The robot's camera: pinhole projection, pose and lens distortion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtv_perception.synthetic.render.mesh import Floats, rotation_x, rotation_y, rotation_z

NEAR, FAR = 0.08, 120.0


@dataclass(frozen=True)
class RenderCamera:
    """A camera above the floor; by default above the origin, looking along +x.

    Attributes:
        height: above the floor, metres.
        pitch: radians, positive looks down.
        roll: radians.
        fov: horizontal field of view of the rendered (undistorted, slightly larger) image, radians.
        distortion: (k1, k2) radial coefficients on coordinates normalised by the half width.
        xy: of the eye point, metres.
        yaw: radians, positive looks left.
    """

    height: float
    pitch: float
    roll: float
    fov: float
    distortion: tuple[float, float]
    xy: tuple[float, float] = (0.0, 0.0)
    yaw: float = 0.0

    @property
    def position(self) -> Floats:
        """Eye point (3,) in metres."""
        return np.array([*self.xy, self.height], np.float32)

    @property
    def axes(self) -> NDArray[np.float64]:
        """(3, 3): its columns are the camera's forward, left and up directions."""
        level = rotation_z(self.yaw).astype(np.float64) @ rotation_y(self.pitch)
        return np.asarray(level @ rotation_x(self.roll), np.float64)

    def view_projection(self, aspect: float) -> NDArray[np.float64]:
        """OpenGL clip matrix (4, 4) for column vectors; aspect = width / height."""
        axes = self.axes
        view = np.eye(4)
        view[:3, :3] = np.stack([-axes[:, 1], axes[:, 2], -axes[:, 0]])
        view[:3, 3] = -view[:3, :3] @ self.position
        focal = 1 / np.tan(self.fov / 2)
        projection = np.zeros((4, 4))
        projection[0, 0], projection[1, 1] = focal, focal * aspect
        projection[2, 2], projection[2, 3] = (
            (FAR + NEAR) / (NEAR - FAR),
            2 * FAR * NEAR / (NEAR - FAR),
        )
        projection[3, 2] = -1
        return projection @ view


def distortion_map(
    size_hw: tuple[int, int], distortion: tuple[float, float], scale: float
) -> tuple[Floats, Floats]:
    """Where each output pixel lies in the rendered image, which is `scale` times as large.

    The rendered image is fitted so that the farthest corner still falls inside it.

    Returns:
        Two (H, W) float32 maps, x and y in rendered pixels, as cv2.remap takes them.
    """
    height, width = size_hw
    y, x = np.mgrid[:height, :width].astype(np.float32)
    half = width / 2
    u, v = (x + 0.5 - half) / half, (y + 0.5 - height / 2) / half
    r2 = u * u + v * v
    factor = 1 + distortion[0] * r2 + distortion[1] * r2 * r2
    reach = max(
        float(np.max(np.abs(u) * factor)), float(np.max(np.abs(v) * factor)) * width / height, 1e-6
    )
    factor = factor / max(reach, 1.0)
    return ((u * factor * half + half) * scale - 0.5).astype(np.float32), (
        (v * factor * half + height / 2) * scale - 0.5
    ).astype(np.float32)


def sample_camera(rng: np.random.Generator) -> RenderCamera:
    """A robot's camera 0.3-2 m above the floor."""
    height = float(
        rng.choice([rng.uniform(0.3, 0.8), rng.uniform(0.6, 1.6), rng.uniform(1.2, 2.0)])
    )
    horizon = rng.normal(0.03, 0.05) + 0.10 * (height - 0.8)
    strong = rng.random() < 0.2
    k1 = rng.uniform(-0.18, -0.05) if strong else rng.uniform(-0.05, 0.03)
    return RenderCamera(
        height=height,
        pitch=float(np.clip(horizon, -0.15, 0.45)),
        roll=float(rng.normal(0, 0.015) if rng.random() < 0.8 else rng.normal(0, 0.07)),
        fov=float(np.deg2rad(rng.uniform(52, 92))),
        distortion=(float(k1), float(rng.uniform(0, 0.3) * k1 * k1)),
    )


def depth_metres(buffer: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distances along the optical axis from OpenGL's depth values, 0..1; FAR where nothing is."""
    return np.asarray(2 * FAR * NEAR / (FAR + NEAR - (2 * buffer - 1) * (FAR - NEAR)), np.float32)
