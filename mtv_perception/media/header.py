"""Height and width of an image from its first bytes, as OpenCV would decode it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import cv2

from mtv_perception.errors import DatasetError

_PNG, _JPEG = b"\x89PN", b"\xff\xd8\xff"
# PNG: the last chunk, whose checksum is always the same. JPEG: ITU T.81, table B.1.
_ENDS = {_PNG: b"IEND\xaeB`\x82", _JPEG: b"\xff\xd9"}
_TAIL_BYTES = 64
_HEAD_BYTES = 65536
_MIN_SEGMENT_BYTES = 2
# ITU T.81, table B.1: every start of frame; C4, C8 and CC are tables and reserved.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_APP1 = 0xE1


def image_size(path: Path) -> tuple[int, int]:
    """Height and width in pixels.

    PNG and JPEG are read from their headers. Everything else, and what carries EXIF data (which may
    turn the image), is decoded.

    Raises:
        DatasetError: no such file, or not an image.
    """
    size = None
    try:
        with path.open("rb") as file:
            start = file.read(3)
            if start in _READERS:
                file.seek(0)
                size = _READERS[start](file)
    except OSError as error:
        raise DatasetError(
            f"{path}: expected an image file, could not read it: {error.strerror}"
        ) from error
    if size is None or min(size) < 1:
        size = _decoded_size(path)
    return size


def is_whole(path: Path) -> bool:
    """Whether a PNG or JPEG file has its end marker, which a truncated one lacks; other formats are not looked at.

    A file is read whole only where something follows the marker, as some cameras write it.
    """
    with path.open("rb") as file:
        start = file.read(3)
        if start not in _ENDS:
            return True
        file.seek(-min(_TAIL_BYTES, path.stat().st_size), os.SEEK_END)
        if file.read().rstrip(b"\0\r\n").endswith(_ENDS[start]):
            return True
    content = path.read_bytes()
    # A thumbnail in the JPEG's head has an end marker of its own; coded pixels can't hold one.
    return content.find(_ENDS[start], _jpeg_scan(content) if start == _JPEG else 0) >= 0


def _jpeg_scan(content: bytes) -> int:
    """Where the coded pixels begin."""
    position = 2
    while (
        content[position : position + 1] == b"\xff"
        and content[position + 1 : position + 2] != b"\xda"
    ):
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return position


def _png_size(file: BinaryIO) -> tuple[int, int] | None:
    head = file.read(_HEAD_BYTES)
    if head[12:16] != b"IHDR" or b"eXIf" in head:
        return None
    return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    file.seek(2)
    while len(segment := file.read(4)) == 4 and segment[0] == 0xFF:
        kind, length = segment[1], int.from_bytes(segment[2:], "big")
        if kind in _JPEG_FRAMES:
            frame = file.read(5)
            return int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
        if length < _MIN_SEGMENT_BYTES or (kind == _JPEG_APP1 and file.read(6) == b"Exif\0\0"):
            return None
        file.seek(length - 2 - (6 if kind == _JPEG_APP1 else 0), 1)
    return None


_READERS: dict[bytes, Callable[[BinaryIO], tuple[int, int] | None]] = {
    _PNG: _png_size,
    _JPEG: _jpeg_size,
}


def _decoded_size(path: Path) -> tuple[int, int]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError(f"{path}: expected an image file, could not decode one.")
    return int(image.shape[0]), int(image.shape[1])
