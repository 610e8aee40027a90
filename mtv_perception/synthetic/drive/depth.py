"""Depth as cameras deliver it: exact, or with the errors of a stereo camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mtv_perception.geometry.camera import Intrinsics

# A common stereo camera. Source: Intel, "RealSense D400 Series Datasheet": baseline of the D435 50
# mm, of the D455 95 mm; subpixel error 0.08 px as in its white paper "Projection, texture and
# depth"; 10 m largest range.
BASELINE_M = 0.075
DISPARITY_SIGMA_PX = 0.08
NEAREST_M, FARTHEST_M = 0.3, 10.0
# Errors of neighbouring pixels are alike, because matching looks at windows of pixels.
_WINDOW_PX = 7
# Edges are found wrong within so many pixels, and some pixels find no match.
_EDGE_PX = 3
_HOLES = 0.04
_DEPTH_STEP = 0.05


def stereo_depth(
    depth: NDArray[np.float32], intrinsics: Intrinsics, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Depth as a stereo camera would measure it.

    Args:
        depth: `(H, W)` m, exact; 0 where nothing is.
        intrinsics: of the image it is registered with.
        rng: of this frame.

    Returns:
        `(H, W)` float32 m; 0 beyond the range, in holes and where one camera cannot see.
    """
    constant = intrinsics.focal_xy[0] * BASELINE_M
    shifted = _wrong_edges(depth, rng)
    with np.errstate(divide="ignore"):
        disparity = np.where(shifted > 0, constant / shifted, 0.0)
    noise = rng.standard_normal(depth.shape, dtype=np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), _WINDOW_PX / 3)
    disparity += DISPARITY_SIGMA_PX * smooth / float(smooth.std())
    with np.errstate(divide="ignore"):
        measured = np.where(disparity > 0, constant / disparity, 0.0)
    seen = (measured >= NEAREST_M) & (measured <= FARTHEST_M) & ~_holes(depth, rng)
    return np.where(seen, measured, 0.0).astype(np.float32)


def _wrong_edges(depth: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Objects grow or shrink by some pixels at their edges."""
    height, width = depth.shape
    shift = cv2.GaussianBlur(rng.standard_normal((height, width), dtype=np.float32), (0, 0), 4.0)
    shift *= _EDGE_PX / 2 / float(shift.std())
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.asarray(
        cv2.remap(depth, x + shift, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    )


def _holes(depth: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Pixels without a match: patches anywhere, and the shadow left of near edges."""
    patches = cv2.GaussianBlur(rng.standard_normal(depth.shape, dtype=np.float32), (0, 0), 3.0)
    ragged = patches > np.quantile(patches[::4, ::4], 1 - _HOLES)
    jump = np.zeros(depth.shape, bool)
    jump[:, :-1] = (depth[:, :-1] - depth[:, 1:]) > _DEPTH_STEP * np.maximum(depth[:, 1:], 1.0)
    shadow = cv2.dilate(jump.astype(np.uint8), np.ones((1, 2 * _EDGE_PX + 1), np.uint8))
    return np.asarray(ragged | shadow.astype(bool))
