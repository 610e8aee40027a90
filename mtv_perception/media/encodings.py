"""Image messages' pixels as RGB arrays, for every usual ROS encoding, without cv_bridge.

Works on plain fields, so a live subscription and a bag reader share it. Rows may be padded
(`step`), numbers may be of either byte order, sizes may be odd. Where the layout is RGB already the
result is a view, not a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from mtv_perception.errors import ImageError
from mtv_perception.media.claimed_size import claimed_size

MAX_PIXELS = 64_000_000
"""Images that claim more are refused before anything is allocated for them."""

_Convert = Callable[[np.ndarray], np.ndarray]


def _colour(code: int) -> _Convert:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _same(pixels: np.ndarray) -> np.ndarray:
    return pixels


def _packed_422(code: int) -> _Convert:
    """Packed 4:2:2 `(H, W, 2)`; a last odd column borrows the chroma of its neighbour pair."""

    def convert(pixels: np.ndarray) -> np.ndarray:
        width = pixels.shape[1]
        if width % 2:
            other = pixels[:, -2:-1] if width > 1 else pixels[:, -1:]
            pixels = np.concatenate([pixels, other], 1)
        return cv2.cvtColor(np.ascontiguousarray(pixels), code)[:, :width]

    return convert


def _bayer(code: int) -> _Convert:
    """Colour-filter mosaic; a border mirrored in step with the pattern lets tiny and odd images through."""

    def convert(pixels: np.ndarray) -> np.ndarray:
        padded = cv2.copyMakeBorder(pixels, 2, 2, 2, 2, cv2.BORDER_REFLECT_101)
        return cv2.cvtColor(padded, code)[2:-2, 2:-2]

    return convert


_BAYER = {
    "rggb": cv2.COLOR_BayerRGGB2RGB,
    "bggr": cv2.COLOR_BayerBGGR2RGB,
    "gbrg": cv2.COLOR_BayerGBRG2RGB,
    "grbg": cv2.COLOR_BayerGRBG2RGB,
}

# Encoding: channels, bytes a channel, conversion of uint8 pixels. 16-bit pixels are scaled to 8
# bits first.
_ENCODINGS: dict[str, tuple[int, int, _Convert]] = {
    "rgb8": (3, 1, _same),
    "bgr8": (3, 1, _colour(cv2.COLOR_BGR2RGB)),
    "rgba8": (4, 1, _colour(cv2.COLOR_RGBA2RGB)),
    "bgra8": (4, 1, _colour(cv2.COLOR_BGRA2RGB)),
    "mono8": (1, 1, _colour(cv2.COLOR_GRAY2RGB)),
    "yuv422": (2, 1, _packed_422(cv2.COLOR_YUV2RGB_UYVY)),
    "yuv422_yuy2": (2, 1, _packed_422(cv2.COLOR_YUV2RGB_YUY2)),
    **{f"bayer_{pattern}8": (1, 1, _bayer(code)) for pattern, code in _BAYER.items()},
}
_ENCODINGS |= {
    f"{name[:-1]}16": (channels, 2, convert)
    for name, (channels, _, convert) in _ENCODINGS.items()
    if name.endswith("8")
}
_ENCODINGS |= {
    "uyvy": _ENCODINGS["yuv422"],
    "yuyv": _ENCODINGS["yuv422_yuy2"],
    "8UC1": _ENCODINGS["mono8"],
    "8UC3": _ENCODINGS["bgr8"],
    "8UC4": _ENCODINGS["bgra8"],
    "16UC1": _ENCODINGS["mono16"],
    "16UC3": _ENCODINGS["bgr16"],
}

ENCODINGS = tuple(_ENCODINGS)
"""The encodings that can be read."""


def decode_raw(
    data: Any, height: int, width: int, step: int, encoding: str, is_bigendian: bool
) -> np.ndarray:
    """The pixels of a raw image message as RGB.

    Args:
        data: a buffer of bytes.
        height: rows.
        width: columns.
        step: bytes from row to row; 0 stands for rows without padding.
        encoding: one of ENCODINGS.
        is_bigendian: byte order of 16-bit channels.

    Returns:
        `(height, width, 3)` uint8; a view of `data` where that is possible.

    Raises:
        ImageError: unknown encoding, impossible size, rows longer than `step`, or too few bytes.
    """
    if encoding not in _ENCODINGS:
        raise ImageError(f"Expected an encoding of {', '.join(ENCODINGS)}, got {encoding!r}.")
    channels, size, convert = _ENCODINGS[encoding]
    _check_size(height, width)
    row_bytes = width * channels * size
    step = step or row_bytes
    if step < row_bytes:
        raise ImageError(
            f"Expected a step of at least {row_bytes} for {width} pixels of {encoding}, got {step}."
        )
    buffer = np.frombuffer(data, np.uint8)
    needed = step * (height - 1) + row_bytes
    if buffer.size < needed:
        raise ImageError(
            f"Expected at least {needed} bytes for {width}x{height} {encoding}, got {buffer.size}."
        )
    rows = np.lib.stride_tricks.as_strided(buffer, (height, row_bytes), (step, 1), writeable=False)
    if size == 2:
        # An unaligned or padded row is copied before it is read as 16-bit numbers.
        words = np.ascontiguousarray(rows).view(">u2" if is_bigendian else "<u2")
        rows = cv2.convertScaleAbs(words.astype(np.uint16, copy=False), alpha=1 / 257)
    pixels = rows if channels == 1 else rows.reshape(height, width, channels)
    return convert(pixels)


def decode_compressed(data: Any) -> np.ndarray:
    """The pixels of a compressed image message (JPEG, PNG, TIFF, WebP or BMP) as `(H, W, 3)` uint8 RGB.

    Raises:
        ImageError: of another format, not decodable, truncated, or of an impossible size, which is
            found out from the
            header: a few bytes can claim gigabytes.
    """
    buffer = np.frombuffer(data, np.uint8)
    if not buffer.size:
        raise ImageError("Expected a compressed image, got 0 bytes.")
    _check_size(*claimed_size(buffer.data))
    try:
        # As other ROS nodes do, pixels stay as they are stored, whatever an EXIF tag says about
        # turning them.
        image = cv2.imdecode(buffer, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError(
            f"Expected a compressed image, could not decode {buffer.size} bytes: {error.err}"
        ) from error
    if image is None:
        raise ImageError(f"Expected a compressed image, could not decode {buffer.size} bytes.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _check_size(height: int, width: int) -> None:
    if not (height > 0 and width > 0 and height * width <= MAX_PIXELS):
        raise ImageError(f"Expected an image of 1 to {MAX_PIXELS} pixels, got {width}x{height}.")
