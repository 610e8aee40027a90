"""How many frames a video's index or blocks promise. Without them, frames that FFmpeg can't decode look like the end.

Sources: ISO/IEC 14496-12 (MP4, MOV), the RIFF specification (AVI), RFC 9559 (Matroska, WebM), RFC 6386 (VP8),
ISO/IEC 13818-1 (MPEG streams). Other containers have no such index.
"""

from __future__ import annotations

import io
import re
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mtv_perception.media import ebml, mp4, riff, transport

_PROGRAMME, _PICTURES = b"\0\0\1\xba", re.compile(rb"\x00\x00\x01([\xe0-\xef])")
_PROGRAMME_BYTES = 4 << 20
_CHUNK_OF_VIDEO = (b"dc", b"db")
_TRACKS, _TRACK = 0x1654AE6B, 0xAE
_OF_TRACK = _NUMBER, _TYPE, _CODEC = 0xD7, 0x83, 0x86
_TIME, _GROUP, _BLOCKS = 0xE7, 0xA0, (0xA3, 0xA1)
_ENTERED = (ebml.SEGMENT, _TRACKS, _TRACK, ebml.CLUSTER, _GROUP)
_OF_PICTURES = 1
_LACED = 0x06
_VP8, _VP8_SHOWN = b"V_VP8", 0x10
_FIELD_BYTES, _BLOCK_HEAD = 64, 12
"""The longest field that is read, and the head of a block with the first byte of its content."""


class _Block(NamedTuple):
    """One block of a Matroska file: its time in ticks, its flags, its first byte of content."""

    time: int
    flags: int
    content: int


def promised_frames(path: Path) -> tuple[int, ...]:
    """The frames that each video stream of a whole file shows; 0 where that is unknown.

    Empty where the streams are unknown. Frames that a trimmed video holds and does not show are
    left out.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        count = _counter_of(file.read(transport.HEAD_BYTES))
        try:
            return tuple(count(file, size)) if count else ()
        except (struct.error, KeyError, IndexError):  # A damaged index promises nothing.
            return ()


def _counter_of(head: bytes) -> Callable[[BinaryIO, int], list[int]] | None:
    if head[:4] == riff.RIFF:
        return _chunks
    if int.from_bytes(head[:4], "big") == ebml.EBML:
        return _blocks
    if head[4:8] in mp4.FIRST:
        return mp4.promised
    if head.startswith(_PROGRAMME):
        return _programme
    layout = transport.layout_of(head)
    return (lambda file, _: [0] * transport.pictures(file, layout)) if layout else None


def _programme(file: BinaryIO, size: int) -> list[int]:
    """The streams of pictures in the beginning of a programme stream; no content has such a code."""
    file.seek(0)
    return [0] * len(set(_PICTURES.findall(file.read(_PROGRAMME_BYTES))))


def _chunks(file: BinaryIO, size: int) -> list[int]:
    """The chunks of an AVI with pictures; an empty one repeats the frame before it."""
    counts = Counter(
        chunk.name[:2]
        for chunk in riff.chunks(file, size)
        if chunk.name[2:] in _CHUNK_OF_VIDEO and chunk.length
    )
    return [counts[stream] for stream in sorted(counts)]


def _blocks(file: BinaryIO, size: int) -> list[int]:
    """The frames of each video track of a Matroska file."""
    tracks: list[dict[int, bytes]] = []  # Those of a file behind another stand behind its own.
    blocks: dict[int, list[_Block]] = {}
    begin = 0
    for name, inside, length in ebml.elements(file, size, _ENTERED):
        file.seek(inside)
        if name == _TRACK:
            tracks.append({})
        elif name in _OF_TRACK and tracks:
            tracks[-1][name] = file.read(min(length, _FIELD_BYTES))
        elif name == _TIME:
            begin = int.from_bytes(file.read(min(length, _FIELD_BYTES)), "big")
        elif name in _BLOCKS:
            head = io.BytesIO(file.read(min(length, _BLOCK_HEAD)))
            stream = ebml.number(head) or 0
            offset, flags, content = struct.unpack(">hBB", head.read(4).ljust(4, b"\0"))
            blocks.setdefault(stream, []).append(_Block(begin + offset, flags, content))
    videos = {
        _whole(track, _NUMBER): track for track in tracks if _whole(track, _TYPE) == _OF_PICTURES
    }
    return [
        _shown(blocks.get(number, []), track.get(_CODEC, b"")) for number, track in videos.items()
    ]


def _whole(track: dict[int, bytes], field: int) -> int:
    return int.from_bytes(track.get(field, b""), "big")


def _shown(blocks: list[_Block], codec: bytes) -> int:
    """The frames in some blocks; those before the first in time need a picture that is not there."""
    if any(block.flags & _LACED for block in blocks):
        return 0
    return sum(
        block.time >= blocks[0].time and (codec != _VP8 or bool(block.content & _VP8_SHOWN))
        for block in blocks
    )
