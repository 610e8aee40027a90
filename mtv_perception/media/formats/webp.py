"""WebP: the chunks of its RIFF container."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from mtv_perception.media.formats.base import Header, broken
from mtv_perception.media.formats.tiff import orientation_of

KIND = "WebP"
SIGNATURES = (b"RIFF",)

_FIRST = 12
_PIXELS = (b"VP8 ", b"VP8L")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and claimed end of each chunk."""
    at = _FIRST
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        yield name, at + 8, at + 8 + length
        at += 8 + length + length % 2


def read_head(data: bytes) -> Header | None:
    """By the first chunk; the orientation by an EXIF chunk."""
    if data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        sides = (data[27:30], data[24:27])
        if len(sides[0]) < 3:
            return None
        height, width = (int.from_bytes(side, "little") + 1 for side in sides)
    elif kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        height, width = (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        return None
    head = Header(KIND, (height, width))
    for name, begin, end in _chunks(data):
        if name == b"EXIF":
            exif = data[begin:end].removeprefix(b"Exif\0\0")
            return replace(head, orientation=orientation_of(exif))
    return head


def check(data: bytes, head: Header) -> bytes:
    """Refuse what is cut short or an animation."""
    claimed = struct.unpack_from("<I", data, 4)[0] + 8
    if claimed > len(data):
        raise broken(KIND, f"it claims {claimed} bytes", data)
    names = []
    for name, begin, end in _chunks(data[:claimed]):
        if end > claimed:
            raise broken(KIND, f"chunk {name!r} claims {end - begin} bytes", data)
        names.append(name)
        if name in _PIXELS and data[12:16] == b"VP8X":
            _check_frame(data, begin, name, head)
    if names.count(b"ANMF") > 1:
        raise broken(KIND, "it is an animation; store each frame as a file of its own", data)
    if not {*_PIXELS, b"ANMF"} & set(names):
        raise broken(KIND, "it holds no pixels", data)
    return data[:claimed]


def _check_frame(data: bytes, begin: int, name: bytes, head: Header) -> None:
    """A frame larger than the canvas would be decoded as large as it is."""
    frame = read_head(b"RIFF\0\0\0\0WEBP" + name + bytes(4) + data[begin : begin + 10])
    if frame is None or frame.size_hw != head.size_hw:
        raise broken(KIND, "its frame has another size than its canvas", data)
