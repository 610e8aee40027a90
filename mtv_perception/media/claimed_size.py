"""The size that a compressed image claims in its header: what decoding it would allocate."""

from __future__ import annotations

import struct
from collections.abc import Callable

from mtv_perception.errors import ImageError

# The start of frame stands behind EXIF data, thumbnails and colour profiles.
_JPEG_HEAD_BYTES = 1 << 20
# ITU T.81, table B.1: every start of frame (C4, C8 and CC are tables and reserved), and markers
# without a length.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_BMP_CORE_HEADER_BYTES = 12
# TIFF 6.0, section 8: ImageWidth and TileWidth, ImageLength and TileLength; and the types of a
# number.
_TIFF_WIDTHS, _TIFF_HEIGHTS = (256, 322), (257, 323)
_TIFF_NUMBERS = {1: "B", 3: "H", 4: "I"}

_Size = tuple[int, int]


def _png(data: memoryview) -> _Size | None:
    if bytes(data[12:16]) != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _jpeg(data: memoryview) -> _Size | None:
    """As libjpeg goes from marker to marker: bytes between segments and fill bytes are passed over."""
    head, at = bytes(data[:_JPEG_HEAD_BYTES]), 2
    while (at := head.find(b"\xff", at)) >= 0:
        kind = head[at + 1]
        if kind in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return height, width
        if kind == 0xFF:
            at += 1
        elif kind == 0 or kind in _JPEG_BARE:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", head, at + 2)[0]
    return None


def _bmp(data: memoryview) -> _Size | None:
    is_core = struct.unpack_from("<I", data, 14)[0] == _BMP_CORE_HEADER_BYTES
    width, height = struct.unpack_from("<HH" if is_core else "<ii", data, 18)
    return abs(height), abs(width)


def _webp(data: memoryview) -> _Size | None:
    if bytes(data[8:12]) != b"WEBP":
        return None
    kind = bytes(data[12:16])
    if kind == b"VP8X":
        return int.from_bytes(data[27:30], "little") + 1, int.from_bytes(data[24:27], "little") + 1
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return (height & 0x3FFF, width & 0x3FFF) if kind == b"VP8 " else None


def _tiff(data: memoryview) -> _Size | None:
    """Of the first page; tiles larger than the image count, because one is decoded whole."""
    order = "<" if bytes(data[:1]) == b"I" else ">"
    at = struct.unpack_from(f"{order}I", data, 4)[0]
    width = height = 0
    for entry in range(struct.unpack_from(f"{order}H", data, at)[0]):
        tag, kind = struct.unpack_from(f"{order}HH", data, at + 2 + 12 * entry)
        if tag in _TIFF_WIDTHS + _TIFF_HEIGHTS:
            if kind not in _TIFF_NUMBERS:
                return None  # A decoder may read what can't be judged here.
            value = struct.unpack_from(order + _TIFF_NUMBERS[kind], data, at + 10 + 12 * entry)[0]
            width, height = (
                (max(width, value), height) if tag in _TIFF_WIDTHS else (width, max(height, value))
            )
    return height, width


_READERS: dict[bytes, Callable[[memoryview], _Size | None]] = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"BM": _bmp,
    b"RIFF": _webp,
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
}


def claimed_size(data: memoryview) -> tuple[int, int]:
    """Height and width in pixels by the header alone; nothing is decoded.

    Raises:
        ImageError: not JPEG, PNG, TIFF, WebP or BMP, or the header is cut off.
    """
    for signature, read in _READERS.items():
        if bytes(data[: len(signature)]) == signature:
            try:
                size = read(data)
            except (struct.error, IndexError):
                size = None
            if size is None:
                raise ImageError(
                    f"Expected a compressed image, its header is cut off or broken: {data.nbytes} bytes."
                )
            return size
    raise ImageError(
        f"Expected a compressed image (JPEG, PNG, TIFF, WebP or BMP), got {data.nbytes} bytes that begin with "
        f"{bytes(data[:8])!r}."
    )
