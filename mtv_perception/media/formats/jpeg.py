"""JPEG: from marker to marker, and decoding that hears libjpeg's warnings.

libjpeg decodes what is left of a damaged image and only warns. Here a warning refuses the image: a
picture that is half grey or shifted must not count as one.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg  # type: ignore[import-untyped,unused-ignore]

from mtv_perception.media.formats.base import Header, broken
from mtv_perception.media.formats.tiff import orientation_of

KIND = "JPEG"
SIGNATURES = (b"\xff\xd8\xff",)

# ITU T.81, table B.1: every start of frame (C4, C8 and CC are tables and reserved).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_START, _END = b"\xff\xd8", b"\xff\xd9"
_EOI, _SOS, _APP0, _APP1, _APP14, _APP15, _COM = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
# In coded pixels: neither a stuffed zero, nor a restart, nor a fill byte.
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_COEFFICIENTS = 64
# Encoders write about a dozen scans; each costs a pass over all pixels. Small images may have more.
_USUAL_SCANS, _MOST_SCANS = 20, 64
_MOST_SCAN_PIXELS = 160_000_000


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
            at += 1
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


def lacks_end(data: bytes) -> bool:
    """Whether a file has no end marker where one is expected.

    Then only decoding tells if it is whole.
    """
    return not data.rstrip(b"\0\r\n").endswith(_END)


def check(data: bytes, head: Header) -> bytes:
    """The bytes to decode: with an end marker, which alone may be missing."""
    _check_scans(data, head)
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
    try:
        image = simplejpeg.decode_jpeg(data, space)
    except ValueError as error:
        image = simplejpeg.decode_jpeg(_without_oddities(data, str(error)), space)
    if space == "CMYK":  # libjpeg does not convert it.
        image = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        )
    return np.asarray(image[..., 0] if grey else image)


def _without_oddities(data: bytes, warning: str) -> bytes:
    """The same image without what libjpeg warns of although all pixels are there.

    These are zeros before the end marker, bytes between the segments of the head, unknown versions
    of application data, and scan parameters that mean nothing in a sequential image.
    """
    if "extraneous bytes before marker 0xd9" in warning:
        body = data[: data.rfind(_END)].rstrip(b"\0")
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
