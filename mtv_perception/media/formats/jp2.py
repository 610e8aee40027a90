"""JPEG 2000: boxes around a codestream, and the lengths of its tile-parts."""

from __future__ import annotations

import io
import struct

from mtv_perception.media.formats.base import Header, broken
from mtv_perception.media.mp4 import boxes

KIND = "JPEG 2000"
CODESTREAM = b"\xff\x4f\xff\x51"
SIGNATURES = (b"\0\0\0\x0cjP  \r\n\x87\n", CODESTREAM)

_SOT, _SOD, _EOC = b"\xff\x90", b"\xff\x93", b"\xff\xd9"
_MOST_TILES = 4096
_MOST_CHANNELS = 4
# Decoding takes about half a second a megapixel, eight times as long as JPEG.
_MOST_PIXELS = 2_000_000


def _codestream(data: bytes) -> int:
    """Where the codestream begins; -1 where there is none."""
    if data.startswith(CODESTREAM):
        return 0
    found = (box.inside for box in boxes(io.BytesIO(data), len(data)) if box.kind == b"jp2c")
    return next(found, -1)


def read_head(data: bytes) -> Header | None:
    """By the SIZ segment of the codestream (ITU T.800, A.5.1)."""
    at = _codestream(data)
    if at < 0 or data[at : at + 4] != CODESTREAM:
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    channels, depth = struct.unpack_from(">HB", data, at + 40)
    return Header(KIND, (bottom - top, right - left), (depth & 0x7F) + 1, channels)


def check(data: bytes, head: Header) -> bytes:
    """Refuse what is cut short: tile-parts beyond the end, or coded pixels that are missing."""
    at = _codestream(data)
    right, bottom = struct.unpack_from(">II", data, at + 8)
    width, height, left, top = struct.unpack_from(">IIII", data, at + 24)
    tiles = -(-(right - left) // width) * -(-(bottom - top) // height) if width and height else 0
    if not 1 <= tiles <= _MOST_TILES:
        raise broken(KIND, f"expected 1 to {_MOST_TILES} tiles", data)
    if head.channels > _MOST_CHANNELS or head.bits > 16:
        raise broken(KIND, f"expected at most {_MOST_CHANNELS} channels of 1 to 16 bits", data)
    if head.size_hw[0] * head.size_hw[1] > _MOST_PIXELS:
        raise broken(KIND, f"expected at most {_MOST_PIXELS} pixels, for decoding is slow", data)
    at = data.find(_SOT, at)
    found = set()
    while at >= 0 and data[at : at + 2] == _SOT:
        number, length = struct.unpack_from(">HI", data, at + 4)
        found.add(number)
        if not length:  # The last one: up to the end of the codestream.
            break
        at += length
        if length < 14 or at > len(data):
            raise broken(KIND, f"a tile-part claims {length} bytes", data)
    if len(found) < tiles:
        raise broken(KIND, f"{tiles - len(found)} of its {tiles} tiles are missing", data)
    if at < 0 or (data[at : at + 2] != _EOC and not data.rstrip(b"\0").endswith(_EOC)):
        if at != len(data):  # Only the end marker is missing.
            raise broken(KIND, "the end of its pixels is missing", data)
        return data + _EOC
    return data
