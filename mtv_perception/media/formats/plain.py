"""BMP, GIF and the Netpbm formats: small heads before the pixels."""

from __future__ import annotations

import re
import struct

import cv2
import numpy as np

from mtv_perception.media.formats.base import Header, broken

BMP, GIF, PNM = "BMP", "GIF", "PNM"

_CORE_HEADER_BYTES = 12
_BMP_FILE_HEAD = 14
_UNCOMPRESSED = (0, 3, 6)
_RUN_LENGTHS = (1, 2)
_BMP_BITS = (1, 4, 8, 16, 24, 32)
_RUNS_END = b"\0\1"

_GIF_HEAD = 13
_GIF_IMAGE, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B

_PNM_NUMBER = rb"(?:\s|#[^\n]*\n)+(\d{1,7})"
_PNM_BITMAP = re.compile(rb"P([14])" + _PNM_NUMBER * 2 + rb"\s")
_PNM_LEVELS = re.compile(rb"P([2356])" + _PNM_NUMBER * 3 + rb"\s")
_PNM_HEAD_BYTES = 4096
_PNM_TEXT = (2, 3)
_PNM_COMMENT = re.compile(rb"#[^\n]*")
_NO_BIT = re.compile(rb"[^01\s]")
# Cameras with fewer bits also state 65535, so that only the pixels tell which are used.
_USUAL_TOPS = (255, 65_535)


def read_bmp(data: bytes) -> Header | None:
    """Size and bits; a negative height means rows from the top."""
    is_core = struct.unpack_from("<I", data, 14)[0] == _CORE_HEADER_BYTES
    width, height = struct.unpack_from("<HH" if is_core else "<ii", data, 18)
    bits = struct.unpack_from("<H", data, 24 if is_core else 28)[0]
    return Header(BMP, (abs(height), abs(width)), 8, 1 if bits <= 8 else 3)


def check_bmp(data: bytes, head: Header) -> bytes:
    """Refuse unknown kinds of pixels, and fewer bytes than the size needs."""
    is_core = struct.unpack_from("<I", data, 14)[0] == _CORE_HEADER_BYTES
    bits = struct.unpack_from("<H", data, 24 if is_core else 28)[0]
    coding = 0 if is_core else struct.unpack_from("<I", data, 30)[0]
    if bits not in _BMP_BITS or coding not in _UNCOMPRESSED + _RUN_LENGTHS:
        raise broken(BMP, f"{bits} bits a pixel in coding {coding} are not supported", data)
    height, width = head.size_hw
    header_bytes, offset = (
        struct.unpack_from("<I", data, 14)[0],
        struct.unpack_from("<I", data, 10)[0],
    )
    if offset < _BMP_FILE_HEAD + header_bytes:
        raise broken(BMP, f"its pixels begin at byte {offset}, inside its header", data)
    needed = offset + (width * bits + 31) // 32 * 4 * height
    if coding in _UNCOMPRESSED and needed > len(data):
        raise broken(BMP, f"its pixels need {needed} bytes", data)
    if coding in _UNCOMPRESSED and bits == 8:
        stated = 0 if is_core else struct.unpack_from("<I", data, 46)[0]
        stored = (offset - _BMP_FILE_HEAD - header_bytes) // (3 if is_core else 4)
        colours = min(stated or 1 << bits, stored)
        rows = np.frombuffer(data, np.uint8, needed - offset, offset).reshape(height, -1)
        largest = int(rows[:, :width].max(initial=0))
        if largest >= colours:
            raise broken(BMP, f"it has {colours} colours, a pixel has number {largest}", data)
    if coding in _RUN_LENGTHS and not data.rstrip(b"\0").endswith(_RUNS_END[1:]):
        raise broken(BMP, "the end of its pixels is missing", data)
    return data


def read_gif(data: bytes) -> Header | None:
    """The canvas."""
    width, height = struct.unpack_from("<HH", data, 6)
    return Header(GIF, (height, width), 8, 1)


def _blocks_end(data: bytes, at: int) -> int:
    """Where a chain of sub-blocks ends."""
    while length := data[at]:
        at += 1 + length
    return at + 1


def check_gif(data: bytes, head: Header) -> bytes:
    """Refuse animations, frames beyond the canvas, and what is cut short.

    The trailer may be missing.
    """
    at = _GIF_HEAD + _palette_bytes(data[10])
    frames = 0
    try:
        while at < len(data) and data[at] != _GIF_END:
            if data[at] == _GIF_EXTENSION:
                at = _blocks_end(data, at + 2)
            elif data[at] == _GIF_IMAGE:
                frames += 1
                left, top, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
                if left + width > head.size_hw[1] or top + height > head.size_hw[0]:
                    raise broken(GIF, "a frame lies beyond its canvas", data)
                at = _blocks_end(data, at + 10 + _palette_bytes(flags) + 1)
            else:
                raise broken(GIF, f"block {data[at]:#x} is unknown", data)
    except IndexError as error:
        raise broken(GIF, "its pixels are cut short", data) from error
    if frames != 1:
        raise broken(GIF, f"it has {frames} frames; store each as a file of its own", data)
    return data[:at] + bytes([_GIF_END])


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def read_pnm(data: bytes) -> Header | None:
    """PBM, PGM or PPM, as text or as bytes."""
    match = _pnm(data)
    if match is None:
        return None
    kind, width, height, *top = (int(number) for number in match.groups())
    bits = 16 if top and top[0] > 255 else 8
    return Header(PNM, (height, width), bits, 3 if kind in (3, 6) else 1)


def _pnm(data: bytes) -> re.Match[bytes] | None:
    head = data[:_PNM_HEAD_BYTES]
    return (_PNM_BITMAP if head[1:2] in b"14" else _PNM_LEVELS).match(head)


def check_pnm(data: bytes, head: Header) -> bytes:
    """Refuse fewer numbers than the size needs."""
    match = _pnm(data)
    if match is None:
        raise broken(PNM, "its head can't be read", data)
    height, width = head.size_hw
    kind = int(match.group(1))
    if kind in _PNM_TEXT:
        needed, found = height * width * head.channels, len(data[match.end() :].split())
    elif kind == 1:
        body = _PNM_COMMENT.sub(b"", data[match.end() :])
        if wrong := _NO_BIT.search(body):
            raise broken(PNM, f"a bitmap holds 0 and 1, it has {wrong.group()!r}", data)
        needed, found = height * width, sum(body.count(bit) for bit in (b"0", b"1"))
    else:
        row = (width + 7) // 8 if kind == 4 else width * head.channels * head.bits // 8
        needed, found = row * height, len(data) - match.end()
    if found < needed:
        raise broken(PNM, f"its pixels need {needed} numbers, it has {found}", data)
    if kind not in (1, 4):
        top, largest = _stated_top(match), _largest(data, match, needed)
        if largest > top:
            raise broken(PNM, f"its head states {top} as the largest value, it has {largest}", data)
    # OpenCV reads one character behind the last number.
    return data + b"\n" if kind in (1, *_PNM_TEXT) else data


def _stated_top(match: re.Match[bytes]) -> int:
    """What the head states as the largest value, white; 1 of a bitmap."""
    return int(match.group(4)) if match.re is _PNM_LEVELS else 1


def _largest(data: bytes, match: re.Match[bytes], needed: int) -> int:
    """The largest value of the first `needed` numbers or bytes after the head."""
    if int(match.group(1)) in _PNM_TEXT:
        words = data[match.end() :].split()[:needed]
        return max((int(word) for word in words if word.isdigit()), default=0)
    form = ">u2" if _stated_top(match) > 255 else np.uint8
    size = np.dtype(form).itemsize
    values = np.frombuffer(data, form, needed // size, match.end())
    return int(values.max(initial=0))


def is_plain_mask(data: bytes) -> bool:
    """Whether the values of a PNM file are decoded as they are stored."""
    match = _pnm(data)
    return match is not None and _stated_top(match) >= 255


def spread_pnm(image: np.ndarray, data: bytes) -> np.ndarray:
    """Pixels with the largest value that the head states as white, 255.

    OpenCV does so only for text of up to 8 bits.

    Args:
        image: `(H, W)` or `(H, W, 3)` uint8 or uint16, as OpenCV decodes it.
        data: the file.

    Returns:
        The same shape in uint8; unchanged where the largest value is 255 or 65535.
    """
    match = _pnm(data)
    top = _USUAL_TOPS[0] if match is None else _stated_top(match)
    if top in _USUAL_TOPS or (top < 255 and not data.startswith((b"P5", b"P6"))):
        return image
    return cv2.convertScaleAbs(image, alpha=255 / top).reshape(image.shape)
