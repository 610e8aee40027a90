"""Drawn shapes as a box and an outline, for the formats that store shapes."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from mtv_perception.errors import ImageError
from mtv_perception.geometry.boxes import clip_boxes
from mtv_perception.media.decode import MAX_FILE_PIXELS, checked

# Corners of a polygon in place of a circle or an ellipse; its area is 0.3% too small.
_CIRCLE_CORNERS = 48
_LARGEST_BITMAP = 64 * 1024 * 1024


class ShapeError(ValueError):
    """A shape that is none: too few points, points that are no numbers, a broken bitmap."""


def as_points(points: Any, at_least: int) -> np.ndarray:
    """Points `(N, 2)` float64, x and y; ShapeError where they are not, or fewer."""
    try:
        found = np.asarray(points, np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"expected points [x, y], got {str(points)[:60]}") from error
    if len(found) < at_least or not np.isfinite(found).all():
        raise ShapeError(f"expected at least {at_least} points, got {str(points)[:60]}")
    return found


def box_around(points: np.ndarray) -> np.ndarray:
    """The box `(4,)` around points `(N, 2)`."""
    return np.concatenate([points.min(0), points.max(0)])


def box_inside(points: np.ndarray, size_hw: tuple[int, int] | None) -> np.ndarray:
    """The box around the part of a convex shape that lies in the image, `(4,)` xyxy in pixels.

    Labelling tools let turned and round shapes reach out of the image.

    Args:
        points: `(N, 2)`, the corners in order, pixels.
        size_hw: of the image; None if it is not known.

    Returns:
        The box around the whole shape if the size is not known, or if no part lies in the image.
        The reader then reports the latter as an error of the labels.
    """
    box = box_around(points)
    if size_hw is None or (box == clip_boxes(box, size_hw)).all():
        return box
    image = corners(0, 0, size_hw[1], size_hw[0])
    area, part = cv2.intersectConvexConvex(points.astype(np.float32), image.astype(np.float32))
    return box_around(part.reshape(-1, 2).astype(np.float64)) if area > 0 else box


def polygon(points: np.ndarray) -> list[float]:
    """A COCO polygon of points `(N, 2)`."""
    return [float(value) for value in points.ravel()]


def circle(centre: Sequence[float], radii: Sequence[float]) -> np.ndarray:
    """Corners `(N, 2)` of a polygon in place of an ellipse with its axes along the image's sides."""
    angle = np.arange(_CIRCLE_CORNERS) * (2 * math.pi / _CIRCLE_CORNERS)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * np.asarray(radii) + np.asarray(centre)


def rotated(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points turned clockwise about the middle of their box."""
    box = box_around(points)
    middle, angle = (box[:2] + box[2:]) / 2, math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return np.asarray((points - middle) @ turn + middle)


def corners(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """The four corners `(4, 2)` of a box."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)


def check_area(height: int, width: int) -> None:
    """Raise ShapeError for a bitmap of more pixels than an image may have, before it is made."""
    if min(height, width) < 1 or height * width > MAX_FILE_PIXELS:
        raise ShapeError(
            f"expected a bitmap of 1 to {MAX_FILE_PIXELS} pixels, the annotation states "
            f"{width}x{height}"
        )


def runs_of(
    mask: np.ndarray, origin_xy: tuple[int, int], size_hw: tuple[int, int]
) -> dict[str, Any]:
    """COCO's run lengths of a small mask that lies in an image.

    Args:
        mask: `(h, w)`, True on the object.
        origin_xy: where its first pixel lies in the image.
        size_hw: of the image, pixels.
    """
    check_area(*size_hw)
    whole = np.zeros(size_hw, bool)
    x, y = origin_xy
    height, width = mask.shape
    if x < 0 or y < 0 or x + width > size_hw[1] or y + height > size_hw[0]:
        raise ShapeError(f"expected a mask inside the image of {size_hw[1]}x{size_hw[0]} pixels")
    whole[y : y + height, x : x + width] = mask
    flat = whole.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = [0, *changes.tolist(), flat.size]
    counts = np.diff(edges).tolist()
    return {"size": list(size_hw), "counts": [0, *counts] if flat[0] else counts}


def box_of_mask(mask: np.ndarray, origin_xy: tuple[int, int]) -> np.ndarray:
    """The box `(4,)` around the True pixels of a mask; ShapeError where there are none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise ShapeError("expected a mask with pixels, got an empty one")
    x, y = origin_xy
    return np.array(
        [columns[0] + x, rows[0] + y, columns[-1] + 1 + x, rows[-1] + 1 + y], np.float64
    )


def decode_bitmap(text: Any) -> np.ndarray:
    """A bitmap `(h, w)` bool from base64 text of a PNG, which may be compressed once more."""
    try:
        content = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ShapeError("expected a bitmap in base64") from error
    if not content.startswith(b"\x89PNG"):
        try:
            content = zlib.decompressobj().decompress(content, _LARGEST_BITMAP)
        except zlib.error as error:
            raise ShapeError("expected a bitmap, could not decompress it") from error
    try:
        content = checked(content)
    except ImageError as error:
        raise ShapeError("expected a bitmap, could not decode it") from error
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ShapeError("expected a bitmap, could not decode it")
    return np.asarray((image if image.ndim == 2 else image[..., -1]) > 0)
