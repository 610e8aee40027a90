"""From linear light to the camera's 8-bit image: distortion, blur, exposure, noise, tone."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


def expose(
    linear: Image, map_xy: tuple[Image, Image], scale: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """What the sensor delivers.

    Args:
        linear: (H, W, 3) float32 rendered RGB.
        map_xy: where each output pixel lies in it.
        scale: rendered pixels per output pixel.
        rng: of this image.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    image = np.minimum(linear, 24.0)
    image = cv2.GaussianBlur(image, (0, 0), 0.32 * scale) if scale > 1 else image
    image = cv2.remap(image, *map_xy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    image = _glow(image, rng)
    image = _move(image, rng)
    image = (
        image * _exposure_gain(image, rng) * _white_balance(rng) * _vignette(image.shape[:2], rng)
    )
    image = _noise(image, rng)
    return _tone(image, rng)


def _glow(image: Image, rng: np.random.Generator) -> Image:
    strength = rng.uniform(0.02, 0.12)
    small = cv2.resize(
        np.maximum(image - 0.8, 0), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA
    )
    halo = cv2.GaussianBlur(small, (0, 0), rng.uniform(3, 9))
    return image + strength * cv2.resize(halo, image.shape[1::-1])


def _move(image: Image, rng: np.random.Generator) -> Image:
    kind = rng.random()
    if kind < 0.18:
        length, angle = rng.uniform(2, 9), rng.normal(0, 0.4)
        kernel = np.zeros((19, 19), np.float32)
        for t in np.linspace(-length / 2, length / 2, 40):
            kernel[round(9 + t * float(np.sin(angle))), round(9 + t * float(np.cos(angle)))] += 1
        return cv2.filter2D(image, -1, kernel / kernel.sum())
    if kind < 0.4:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3))
    return image


def _exposure_gain(image: Image, rng: np.random.Generator) -> float:
    """Auto-exposure on the mean of the clipped image, with an error."""
    luma = image @ np.array([0.25, 0.6, 0.15], np.float32)
    metered = float(np.mean(np.minimum(luma, 3 * np.median(luma) + 1e-3))) + 1e-4
    error = (
        rng.normal(0, 0.3)
        if rng.random() < 0.8
        else rng.choice([rng.uniform(-1.6, -0.7), rng.uniform(0.6, 1.1)])
    )
    return float(0.19 / metered * 2**error)


def _white_balance(rng: np.random.Generator) -> Image:
    warmth, tint = rng.normal(0, 0.07), rng.normal(0, 0.015)
    return np.array([1 + warmth, 1 + tint, 1 - warmth], np.float32)


def _vignette(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return (1 - rng.uniform(0, 0.22) * (x * x + y * y))[..., None].astype(np.float32)


def _noise(image: Image, rng: np.random.Generator) -> Image:
    level = 10 ** rng.uniform(-3.2, -1.7)
    sigma = np.sqrt(np.maximum(image, 0) * level * 0.12 + (level * 0.35) ** 2)
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:
        grain = cv2.GaussianBlur(grain, (0, 0), 0.6) * 1.8
    return np.asarray(image + sigma * grain, image.dtype)


def _tone(image: Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Filmic shoulder and sRGB gamma."""
    shoulder = rng.uniform(0.5, 1.0)
    x = np.maximum(image, 0)
    soft = 1.25 * x * (1 + x / 16.0) / (1 + 0.8 * x)
    x = np.clip(shoulder * soft + (1 - shoulder) * x, 0, 1)
    x = np.where(x < 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    contrast, saturation = rng.uniform(0.9, 1.2), rng.uniform(0.7, 1.2)
    gray = x @ np.array([0.3, 0.59, 0.11], np.float32)
    x = gray[..., None] + saturation * (x - gray[..., None])
    x = (x - 0.45) * contrast + 0.45
    if rng.random() < 0.35:
        x = x + rng.uniform(0.3, 0.8) * (x - cv2.GaussianBlur(x.astype(np.float32), (0, 0), 1.2))
    if rng.random() < 0.04:
        x = np.repeat(x.mean(-1, keepdims=True), 3, axis=2)
    return np.asarray(np.clip(x * 255 + 0.5, 0, 255), np.uint8)
