"""Whether a video file is shorter than its container says.

Sources: ISO/IEC 14496-12 section 4.2 (boxes of MP4 and MOV), RFC 8794 (EBML, of Matroska and WebM), and the RIFF
specification (AVI).
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from mtv_perception.media.ebml import EBML, SEGMENT, number

_MP4_FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


def cut_short(path: Path) -> str:
    """Says that a video's container reaches beyond the end of its file; empty where it does not, or can't be told.

    A video that was trimmed is complete: its container ends with its file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head[:4] == b"RIFF":
            end = _riff_end(file, size)
        elif int.from_bytes(head[:4], "big") == EBML:
            end = _matroska_end(file)
        elif head[4:8] in _MP4_FIRST:
            end = _mp4_end(file, size)
        else:
            return ""
    return (
        f"the file ends {end - size} bytes before its container: it was cut short"
        if end > size
        else ""
    )


def _mp4_end(file: BinaryIO, size: int) -> int:
    """Where the last box ends, which the file begins."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        # 0 means up to the end of the file; what is no box is what a tool left after the last one.
        if length < 8 or not head[4:8].isascii() or not head[4:8].decode().isprintable():
            return size
        at += length
    return at


def _riff_end(file: BinaryIO, size: int) -> int:
    """Where the last of the chunks ends; a large AVI has several."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or not length:  # 0: its writer never finished it.
            return size
        at += 8 + length
    return at


def _matroska_end(file: BinaryIO) -> int:
    """Where the segment ends; 0 where its length is unknown, as of a live stream."""
    for wanted in (EBML, SEGMENT):
        if number(file, keep_mark=True) != wanted:
            return 0
        length = number(file)
        if length is None:
            return 0
        if wanted == SEGMENT:
            return file.tell() + length
        file.seek(length, 1)
    return 0
