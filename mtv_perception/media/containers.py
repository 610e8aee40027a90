"""Whether a video file is shorter than its container says.

Sources: ISO/IEC 14496-12 section 4.2 (boxes of MP4 and MOV), RFC 8794 (EBML, of Matroska and WebM), and the RIFF
specification (AVI).
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from mtv_perception.media.ebml import EBML, SEGMENT, number, skip
from mtv_perception.media.mp4 import FIRST, boxes


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
        elif head[4:8] in FIRST:
            end = max((box.after for box in boxes(file, size)), default=0)
        else:
            return ""
    return (
        f"the file ends {end - size} bytes before its container: it was cut short"
        if end > size
        else ""
    )


def lacks_index(path: Path) -> str:
    """Says that an MP4 holds pictures without the index that it needs; empty where it does not."""
    size = path.stat().st_size
    with path.open("rb") as file:
        kinds = {box.kind for box in boxes(file, size)}
    if b"mdat" not in kinds or b"moov" in kinds:
        return ""
    return (
        "its index (moov) is missing, for its recorder was killed; untrunc writes one after a whole "
        "video of the same camera"
    )


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
        skip(file, length)
    return 0
