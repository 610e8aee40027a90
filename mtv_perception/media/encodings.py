"""Image messages' pixels as RGB arrays, for every usual ROS encoding, without cv_bridge.

Works on plain fields, so a live subscription and a bag reader share it. Rows may be padded
(`step`), numbers may be of either byte order, sizes may be odd. Where the layout is RGB already the
result is a view, not a copy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from mtv_perception.errors import ImageError
from mtv_perception.media.formats.base import check_size

MAX_PIXELS = 8_388_608
"""Most pixels of an image from a topic, live or in a bag: 8 megapixels, which 3840x2160 fits into."""

_DEPTHS = (10, 12, 14, 16)

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
    "16UC4": _ENCODINGS["bgra16"],
}

# What sensor_msgs/image_encodings.hpp and drivers name beside these, and what to do.
_PLANAR = "planes of brightness and colour are not read: let the driver publish bgr8 or yuv422_yuy2"
_NUMBERS = "signed and floating-point numbers are measurements, not a picture"
_UNREAD: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)nv\d\d|[iy]4[24][0-9]|yv12|yu12|yuv4[0-4][0-4]p?"), _PLANAR),
    (re.compile(r"(?i)(8|16|32)SC\d?|(32|64)FC\d?|32UC\d?"), _NUMBERS),
    (re.compile(r"(?i)m?jpe?g|png|h26[45]|hevc"), "publish it as sensor_msgs/CompressedImage"),
)

# REP 118: depth in millimetres and in metres. The others hold measurements or labels of 32 bits.
DEPTH_ENCODINGS = ("16UC1", "16SC1", "32FC1", "32SC1", "64FC1")

ENCODINGS = tuple(_ENCODINGS)
"""The encodings that can be read."""


def decode_raw(
    data: Any,
    height: int,
    width: int,
    step: int,
    encoding: str,
    is_bigendian: bool,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """The pixels of a raw image message as RGB.

    Args:
        data: a buffer of bytes.
        height: rows.
        width: columns.
        step: bytes from row to row; 0 stands for rows without padding.
        encoding: one of ENCODINGS.
        is_bigendian: byte order of 16-bit channels.
        max_pixels: larger images are refused.

    Returns:
        `(height, width, 3)` uint8; a view of `data` where that is possible.

    Raises:
        ImageError: unknown encoding, impossible size, rows longer than `step`, or too few bytes.
    """
    channels, size, convert = _known(encoding)
    check_size((height, width), max_pixels)
    row_bytes = width * channels * size
    step = step or row_bytes
    if step < row_bytes:
        raise ImageError(
            f"Expected a step of at least {row_bytes} for {width} pixels of {encoding}, got {step}."
        )
    buffer = np.frombuffer(data, np.uint8)
    _refuse_coded(buffer, encoding)
    needed = step * (height - 1) + row_bytes
    if buffer.size < needed:
        raise ImageError(
            f"Expected at least {needed} bytes for {width}x{height} {encoding}, got {buffer.size}."
        )
    rows = np.lib.stride_tricks.as_strided(buffer, (height, row_bytes), (step, 1), writeable=False)
    if size == 2:
        # An unaligned or padded row is copied before it is read as 16-bit numbers.
        words = np.ascontiguousarray(rows).view(">u2" if is_bigendian else "<u2")
        rows = to_8_bits(words.astype(np.uint16, copy=False))
    pixels = rows if channels == 1 else rows.reshape(height, width, channels)
    return convert(pixels)


def is_depth_by_name(encoding: str, topic: str) -> bool:
    """Whether an image of 16 bits or more is depth, as the name of its topic says."""
    return encoding in ("mono16", *DEPTH_ENCODINGS) and "depth" in topic.lower()


def _known(encoding: str) -> tuple[int, int, _Convert]:
    """Channels, bytes and conversion; ImageError names what is read, and what to do."""
    if encoding in _ENCODINGS:
        return _ENCODINGS[encoding]
    same = next((name for name in ENCODINGS if name.lower() == encoding.strip().lower()), "")
    why = f"write {same}" if same else ""
    why = why or next((text for form, text in _UNREAD if form.fullmatch(encoding)), "")
    raise ImageError(
        f"Expected an encoding of {', '.join(ENCODINGS)}, got {encoding!r}{why and f' ({why})'}."
    )


def _refuse_coded(buffer: np.ndarray, encoding: str) -> None:
    """A driver's mistake that would pass as a noisy picture: the bytes of a file as raw pixels."""
    start = buffer[:11].tobytes()
    if start.startswith(b"\x89PNG\r\n\x1a\n") or (
        start.startswith(b"\xff\xd8\xff") and start[6:10] in (b"JFIF", b"Exif")
    ):
        raise ImageError(
            f"Expected pixels of {encoding}, got the bytes of a compressed image; publish them as "
            "sensor_msgs/CompressedImage."
        )


def to_8_bits(words: np.ndarray) -> np.ndarray:
    """16-bit channels as 8-bit ones.

    Many cameras fill only the lower 10, 12 or 14 bits. The fewest of 10, 12, 14 and 16 bits that
    hold the image's largest number become white; otherwise such an image would be nearly black.

    Args:
        words: `(...)` uint16.

    Returns:
        The same shape, uint8.
    """
    top = int(words.max(initial=0))
    bits = next(bits for bits in _DEPTHS if top < 1 << bits)
    return cv2.convertScaleAbs(words, alpha=255 / ((1 << bits) - 1)).reshape(words.shape)


def demosaic(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """The colours of a mosaic `(H, W)` uint8 as `(H, W, 3)` uint8 RGB.

    ImageError for an unknown pattern.
    """
    return _known(encoding)[2](pixels)
