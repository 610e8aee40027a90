"""The camera of a drive: a calibrated lens, motion blur, rolling shutter, slow auto-exposure, noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtv_perception.geometry.camera import Intrinsics

Image = NDArray[np.float32]

_BLUR_TAPS = 5
# Blur shorter than this cannot be seen, pixels.
_SHARP = 0.4
# Mean of a well exposed linear image before the tone curve.
_MIDDLE_GREY = 0.19
# Share of the way to the metered exposure that the camera goes with each frame.
_EXPOSURE_STEP = 0.25
_LUMA = np.array([0.25, 0.6, 0.15], np.float32)


@dataclass(frozen=True)
class Look:
    """What is the same for all frames of a camera.

    Attributes:
        exposure_s: how long each row collects light.
        readout_s: time from the first row's exposure to the last row's (rolling shutter).
        white_balance: `(3,)` gains.
        vignette: loss of light in the corners, 0..1.
        noise: strength.
        contrast: of the tone curve.
        saturation: of the colours.
    """

    exposure_s: float
    readout_s: float
    white_balance: NDArray[np.float64]
    vignette: float
    noise: float
    contrast: float
    saturation: float


def sample_look(rng: np.random.Generator) -> Look:
    """A camera of the usual quality of robots' cameras."""
    warmth, tint = rng.normal(0, 0.05), rng.normal(0, 0.01)
    return Look(
        exposure_s=float(rng.uniform(0.004, 0.016)),
        readout_s=float(rng.uniform(0.006, 0.020)),
        white_balance=np.array([1 + warmth, 1 + tint, 1 - warmth]),
        vignette=float(rng.uniform(0, 0.2)),
        noise=float(10 ** rng.uniform(-3.0, -2.0)),
        contrast=float(rng.uniform(0.95, 1.15)),
        saturation=float(rng.uniform(0.8, 1.1)),
    )


class LensMap:
    """Where each pixel of a calibrated camera lies in an undistorted rendering with the same eye point.

    Args:
        intrinsics: of the camera.
        scale: rendered pixels per pixel.

    Attributes:
        render_hw: size of the rendering, which covers every ray of the camera.
        focal: of the rendering, pixels.
        map_xy: two `(H, W)` float32 maps for cv2.remap.
    """

    def __init__(self, intrinsics: Intrinsics, scale: float) -> None:
        height, width = intrinsics.size_hw
        self.size_hw = intrinsics.size_hw
        y, x = np.mgrid[:height, :width] + 0.5
        rays = intrinsics.rays(np.column_stack([x.ravel(), y.ravel()]))
        if not np.isfinite(rays).all():
            raise ValueError(
                f"Expected a lens with a ray for every pixel, got {intrinsics.distortion!r}."
            )
        self.focal = scale * float(np.mean(intrinsics.focal_xy))
        reach = np.ceil(np.abs(rays).max(0) * self.focal).astype(int) + 2
        self.render_hw = (2 * int(reach[1]), 2 * int(reach[0]))
        points = rays * self.focal + reach - 0.5
        self.map_xy: tuple[Image, Image] = (
            points[:, 0].reshape(height, width).astype(np.float32),
            points[:, 1].reshape(height, width).astype(np.float32),
        )

    @property
    def fov(self) -> float:
        """Horizontal angle of the rendering, radians."""
        return float(2 * np.arctan(self.render_hw[1] / 2 / self.focal))

    def flow_at(self, flow: Image) -> Image:
        """Image motion of a rendering, `(h, w, 2)` in any scale of its size.

        At the camera's pixels.
        """
        # Stretched over the edges of moving bodies, where the image would tear.
        flow = cv2.blur(flow, (5, 5))
        shrink = flow.shape[1] / self.render_hw[1]
        x, y = (((m + 0.5) * shrink - 0.5).astype(np.float32) for m in self.map_xy)
        return cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


class Sensor:
    """Turns renderings into the camera's images; keeps the exposure from frame to frame.

    Args:
        lens: geometry.
        look: everything else.
    """

    def __init__(self, lens: LensMap, look: Look) -> None:
        self._lens, self._look = lens, look
        self._gain: float | None = None
        height, width = lens.size_hw
        self._row_time = (np.arange(height, dtype=np.float32) / height - 0.5)[
            :, None
        ] * look.readout_s
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        self._vignette = (1 - look.vignette * (x * x + y * y))[..., None].astype(np.float32)

    def shutter_maps(self, flow: Image) -> list[tuple[Image, Image]]:
        """Maps into the rendering for moments of the exposure.

        The middle one in the middle of the list.

        Args:
            flow: `(H, W, 2)` image motion at the camera's pixels, rendered pixels a second.
        """
        length = float(np.quantile(np.linalg.norm(flow, axis=-1), 0.99)) * self._look.exposure_s
        taps = _BLUR_TAPS if length > _SHARP else 1
        times = np.linspace(-0.5, 0.5, taps) * self._look.exposure_s if taps > 1 else np.zeros(1)
        x, y = self._lens.map_xy
        maps = []
        for moment in times:
            delay = self._row_time + np.float32(moment)
            moved = (x - flow[..., 0] * delay, y - flow[..., 1] * delay)
            maps.append((moved[0].astype(np.float32), moved[1].astype(np.float32)))
        return maps

    def expose(
        self, linear: Image, maps: list[tuple[Image, Image]], rng: np.random.Generator
    ) -> np.ndarray:
        """What the sensor delivers, `(H, W, 3)` uint8 RGB."""
        clipped = np.minimum(linear, 24.0)
        parts = [
            cv2.remap(clipped, *m, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for m in maps
        ]
        image: Image = (
            np.asarray(np.mean(parts, axis=0, dtype=np.float32)) if len(parts) > 1 else parts[0]
        )
        image = (
            image
            * self._exposure(image)
            * self._look.white_balance.astype(np.float32)
            * self._vignette
        )
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        sigma = np.sqrt(
            np.maximum(image, 0) * (0.12 * self._look.noise) + (0.35 * self._look.noise) ** 2
        )
        noisy: Image = np.asarray(image + sigma * grain, np.float32)
        return self._tone(noisy)

    def _exposure(self, image: Image) -> float:
        luma = image[::4, ::4] @ _LUMA
        metered = float(np.mean(np.minimum(luma, 3 * np.median(luma) + 1e-3))) + 1e-4
        wanted = _MIDDLE_GREY / metered
        self._gain = (
            wanted if self._gain is None else self._gain * (wanted / self._gain) ** _EXPOSURE_STEP
        )
        return self._gain

    def _tone(self, image: Image) -> np.ndarray:
        x = np.maximum(image, 0)
        x = np.clip(1.25 * x * (1 + x / 16.0) / (1 + 0.8 * x), 0, 1)
        x = np.where(x < 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
        grey = (x @ np.array([0.3, 0.59, 0.11], np.float32))[..., None]
        x = grey + self._look.saturation * (x - grey)
        x = (x - 0.45) * self._look.contrast + 0.45
        return np.clip(x * 255 + 0.5, 0, 255).astype(np.uint8)
