"""JPEG: from marker to marker, and decoding that hears libjpeg's warnings.

libjpeg decodes what is left of a damaged image and only warns. Here a warning refuses the image: a
picture that is half grey or shifted must not count as one.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import simplejpeg  # type: ignore[import-untyped,unused-ignore]

from mtv_perception.media.formats.base import Header, broken
from mtv_perception.media.formats.tiff import orientation_of

KIND = "JPEG"
SIGNATURES = (b"\xff\xd8\xff",)

# ITU T.81, table B.1: every start of frame (C4, C8 and CC are tables and reserved).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = 0xC0
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_FILLING = re.compile(rb"\xff+")
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_START, _END = b"\xff\xd8", b"\xff\xd9"
_DHT = 0xC4
_EOI, _SOS, _APP0, _APP1, _APP14, _APP15, _COM = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
# In coded pixels: neither a stuffed zero, nor a restart, nor a fill byte.
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
# libjpeg counts extraneous bytes short by those it has read ahead: what is left is told next time.
_ATTEMPTS = 2
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_COEFFICIENTS = 64
# Encoders write about a dozen scans; each costs a pass over all pixels. Small images may have more.
_USUAL_SCANS, _MOST_SCANS = 20, 64
_MOST_SCAN_PIXELS = 160_000_000
# ITU T.81, table K.5: code lengths of the usual table of luminance. In it zeros mean -1 for one
# coefficient after the other, so that so many are no picture; a lost block of a disk is zeros.
_USUAL_CODES = bytes((0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125))
_AC_TABLE = 0x10
_LOST = bytes(16)


@dataclass(frozen=True)
class _Segment:
    """A marker's content: `data[begin:end]`."""

    kind: int
    begin: int
    end: int


def _segments(data: bytes) -> Iterator[_Segment]:
    """As libjpeg goes from marker to marker.

    Bytes between segments and fill bytes are passed over.
    """
    at = len(_START)
    while (at := data.find(b"\xff", at)) >= 0:
        kind = data[at + 1] if at + 1 < len(data) else 0
        if kind == 0xFF:
            at = _FILLING.match(data, at).end() - 1  # type: ignore[union-attr]  # It begins with one.
        elif kind == 0 or kind in _BARE:
            at += 2
        elif kind == _EOI:
            yield _Segment(kind, at, at)
            return
        else:
            length = struct.unpack_from(">H", data, at + 2)[0]
            yield _Segment(kind, at + 4, at + 2 + length)
            at += 2 + length
            if kind == _SOS:
                following = _NEXT_MARKER.search(data, at)
                at = following.start() if following else len(data)


def read_head(data: bytes) -> Header | None:
    """Size, channels and orientation; None where there is no start of frame."""
    orientation = 1
    for segment in _segments(data):
        if segment.kind == _APP1 and data[segment.begin : segment.begin + 6] == b"Exif\0\0":
            orientation = orientation_of(data[segment.begin + 6 : segment.end])
        if segment.kind in _FRAMES:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, segment.begin)
            return Header(KIND, (height, width), bits, channels, orientation)
    return None


def _check_scans(data: bytes, head: Header) -> None:
    """Refuse too many scans, or a progressive image whose last scans are missing."""
    scans, progressive, precision = 0, False, np.full((256, _COEFFICIENTS), 255, np.uint8)
    pixels, ended = head.size_hw[0] * head.size_hw[1], False
    limit = max(_USUAL_SCANS, min(_MOST_SCANS, _MOST_SCAN_PIXELS // max(1, pixels)))
    for segment in _segments(data):
        progressive |= segment.kind in _PROGRESSIVE
        ended |= segment.kind == _EOI
        if segment.kind != _SOS:
            continue
        scans += 1
        count = data[segment.begin]
        if not progressive and count == head.channels:
            return  # One scan of everything: libjpeg sees whether it is whole.
        if scans > limit:
            raise broken(KIND, f"expected at most {limit} scans of so many pixels", data)
        components = list(data[segment.begin + 1 : segment.begin + 1 + 2 * count : 2])
        first, last, bits = data[segment.begin + 1 + 2 * count : segment.begin + 4 + 2 * count]
        precision[components, first if progressive else 0 : last + 1 if progressive else 64] = (
            bits & 0xF if progressive else 0
        )
    seen = precision[(precision < 255).any(1)]
    if not scans or (not ended and (len(seen) < head.channels or seen.any())):
        raise broken(KIND, "its last scans are missing", data)


def _refuse_lost(data: bytes) -> None:
    """Refuse zeros among coded pixels where no encoder writes them, which libjpeg may not notice.

    Known only of images in one sequential scan with the usual table; zeros behind them are allowed.
    """
    if _LOST not in data:
        return
    usual: set[int] = set()
    for segment in _segments(data):
        content = data[segment.begin : segment.end]
        if segment.kind == _DHT:
            usual |= _usual_tables(content)
        elif segment.kind in _FRAMES and segment.kind != _SEQUENTIAL:
            return
        elif segment.kind == _SOS:
            first_table = content[2] & 0xF
            coded = data[segment.end : data.rfind(_END)].rstrip(b"\0")
            if first_table in usual and content[0] != 2 and _LOST in coded:
                raise broken(KIND, f"{len(_LOST)} zero bytes among its pixels", data)
            return


def _usual_tables(content: bytes) -> set[int]:
    """The numbers of the tables of coefficients that are the usual one of luminance."""
    found, at = set(), 0
    while at + 17 <= len(content):
        codes = content[at + 1 : at + 17]
        if content[at] & _AC_TABLE and codes == _USUAL_CODES:
            found.add(content[at] & 0xF)
        at += 17 + sum(codes)
    return found


def lacks_end(data: bytes) -> bool:
    """Whether a file has no end marker where one is expected.

    Then only decoding tells if it is whole.
    """
    return not data.rstrip(b"\0\r\n").endswith(_END)


def check(data: bytes, head: Header) -> bytes:
    """The bytes to decode: with an end marker, which alone may be missing."""
    _check_scans(data, head)
    _refuse_lost(data)
    if data.endswith(_END):
        return data
    return data + (_END[1:] if data.endswith(b"\xff") else _END)


def decode(data: bytes, head: Header, grey: bool = False) -> np.ndarray:
    """The pixels of what `check` returned.

    Args:
        data: coded.
        head: of it.
        grey: one channel as stored, in place of RGB.

    Returns:
        `(H, W, 3)` uint8 RGB, or `(H, W)` uint8.

    Raises:
        ValueError: libjpeg refused it or warned about its pixels.
    """
    space = "GRAY" if grey else "CMYK" if head.channels == 4 else "RGB"
    image: Any = _decoded(data, space)
    if space == "CMYK":  # libjpeg does not convert it.
        image = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        )
    return np.asarray(image[..., 0] if grey else image)


def _decoded(data: bytes, space: str) -> np.ndarray:
    """The pixels in a colour space; the last attempt's warning is raised."""
    for _ in range(_ATTEMPTS):
        try:
            return np.asarray(simplejpeg.decode_jpeg(data, space))
        except ValueError as error:
            data = _without_oddities(data, str(error))
    return np.asarray(simplejpeg.decode_jpeg(data, space))


def _without_oddities(data: bytes, warning: str) -> bytes:
    """The same image without what libjpeg warns of although all pixels are there.

    These are zeros before the end marker, bytes between the segments of the head, unknown versions
    of application data, and scan parameters that mean nothing in a sequential image.
    """
    if extraneous := _EXTRANEOUS.search(warning):
        # Codes of a flat image may end in zeros, too: no more than libjpeg did not need.
        body = data[: data.rfind(_END)]
        zeros = len(body) - len(body.rstrip(b"\0"))
        body = body[: len(body) - min(zeros, int(extraneous[1]))]
        return body + (b"\0" if body.endswith(b"\xff") else b"") + _END
    parts, sequential = [_START], True
    for segment in _segments(data):
        sequential &= segment.kind not in _PROGRESSIVE
        about = _APP0 <= segment.kind <= _APP15 or segment.kind == _COM
        if about and (segment.kind != _APP14 or data[segment.end - 1] not in (0, 1, 2)):
            continue
        start, content = data[segment.begin - 4 : segment.begin], data[segment.begin : segment.end]
        if segment.kind == _SOS:
            all_coefficients = b"\0\x3f\0" if sequential else content[-3:]
            parts += [start, content[:-3], all_coefficients, data[segment.end :]]
            break
        parts += [start, content]
    return b"".join(parts)
