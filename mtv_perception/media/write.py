"""Writing images, and names of files for libraries that take UTF-8 alone."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.errors import ImageError
from mtv_perception.resources import write_whole

JPEG_QUALITY = 95
_JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")


def write_image(path: Path, pixels: np.ndarray, jpeg_quality: int = JPEG_QUALITY) -> None:
    """Write an image of the kind that the suffix names.

    OpenCV's own writer ends the process where a name is not UTF-8, and tells by its result alone
    that a disk is full.

    Args:
        path: to write; its folder exists.
        pixels: `(H, W, 3)` uint8 RGB, or `(H, W)` uint8.
        jpeg_quality: 0..100, of a JPEG file.

    Raises:
        OSError: the file can't be written.
        ImageError: a suffix that is no kind of image, or a size that it can't hold.
    """
    try:
        content = encoded(pixels, path.suffix, jpeg_quality)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    write_whole(path, content)


def encoded(pixels: np.ndarray, suffix: str, jpeg_quality: int = JPEG_QUALITY) -> bytes:
    """An image file's content.

    Args:
        pixels: `(H, W, 3)` uint8 RGB, or `(H, W)` uint8.
        suffix: of the file, with its dot.
        jpeg_quality: 0..100, of a JPEG file.

    Raises:
        ImageError: a suffix that is no kind of image, or a size that it can't hold.
    """
    is_jpeg = suffix.lower() in _JPEG_SUFFIXES
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if is_jpeg else []
    try:
        image = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        good, coded = cv2.imencode(".jpg" if is_jpeg else suffix, image, options)
    except cv2.error as error:
        raise ImageError(f"Expected an image and its suffix, {error.err}.") from error
    if not good:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise ImageError(f"Expected a size that {suffix} can hold, got {size}.")
    return bytes(coded.tobytes())


def utf8(name: str) -> str:
    """A file's name with U+FFFD for each byte that is not UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def is_utf8(path: Path) -> bool:
    """Whether a path is UTF-8. OpenCV's video functions end the process otherwise."""
    return utf8(str(path)) == str(path)
