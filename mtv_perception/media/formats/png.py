"""PNG: from chunk to chunk. Only chunks that hold pixels are handed to the decoder."""

from __future__ import annotations

import struct
import zlib

from mtv_perception.media.formats.base import Header, broken
from mtv_perception.media.formats.tiff import orientation_of

KIND = "PNG"
SIGNATURES = (b"\x89PNG\r\n\x1a\n",)

_FIRST = len(SIGNATURES[0])
_FRAME = 12
"""Bytes of a chunk beside its content: length, name, checksum."""
# PNG, table 11.1: channels of each colour type.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
_EMPTY_END = b"\0\0\0\0IEND\xaeB`\x82"


def read_head(data: bytes) -> Header | None:
    """By the first chunk; the orientation by an EXIF chunk."""
    if data[12:16] != b"IHDR":
        return None
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    at = data.find(b"eXIf", _FIRST)
    orientation = orientation_of(data[at + 4 : at + 4 + (1 << 16)]) if at >= 0 else 1
    return Header(KIND, (height, width), bits, _CHANNELS.get(colour, 0), orientation)


def check(data: bytes, head: Header) -> bytes:
    """The chunks with pixels, each whole and with a right checksum.

    Text, colour profiles and the further frames of an animation never reach the decoder.
    """
    parts, at = [SIGNATURES[0]], _FIRST
    while True:
        if at + _FRAME > len(data):
            raise broken(KIND, "its end is missing", data)
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + _FRAME + length
        if name == b"IEND":
            return b"".join([*parts, _EMPTY_END])
        if end > len(data):
            raise broken(KIND, f"chunk {name!r} claims {length} bytes", data)
        if name == b"acTL" and struct.unpack_from(">I", data, at + 8)[0] > 1:
            raise broken(KIND, "it is an animation; store each frame as a file of its own", data)
        if name in _PIXELS:
            if zlib.crc32(data[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
                raise broken(KIND, f"the checksum of chunk {name!r} is wrong", data)
            parts.append(data[at:end])
        at = end
