"""How many frames a video's index promises. Without it, frames that FFmpeg can't decode look like the end.

Sources: ISO/IEC 14496-12 (MP4, MOV), the RIFF specification (AVI). Other containers have no such index.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mtv_perception.media import riff

_INDEX_BYTES = 256 << 20
"""A larger index is not read. At 20 bytes a frame, one of this size covers five days."""
_MOST_SAMPLES = 10_000_000
_CHUNK_OF_VIDEO = (b"dc", b"db")

Boxes = dict[bytes, list[bytes]]


def promised_frames(path: Path) -> int:
    """The frames that a whole video shows, by its index; 0 where that is unknown.

    Frames that a trimmed video holds and does not show are left out.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        try:
            if head[:4] == riff.RIFF:
                return _chunks(file, size)
            return _samples(file, size) if head[4:8] == b"ftyp" else 0
        except (struct.error, KeyError, IndexError):  # A damaged index promises nothing.
            return 0


def _chunks(file: BinaryIO, size: int) -> int:
    """The chunks of an AVI with pictures; an empty one repeats the frame before it."""
    counts = Counter(
        chunk.name[:2]
        for chunk in riff.chunks(file, size)
        if chunk.name[2:] in _CHUNK_OF_VIDEO and chunk.length
    )
    return next(iter(counts.values())) if len(counts) == 1 else 0


def _samples(file: BinaryIO, size: int) -> int:
    """The samples of the only video track of an MP4, less those that its edit list hides."""
    at, moov = 0, b""
    while at + 8 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if kind == b"moof" or length < 8:  # In fragments, or up to the end of the file.
            return 0
        if kind == b"moov" and length <= _INDEX_BYTES:
            moov = file.read(length - 8)
        at += length
    movie = _inside(moov)
    tracks = [_inside(track) for track in movie.get(b"trak", ())]
    videos = [track for track in tracks if _inside(track[b"mdia"][0])[b"hdlr"][0][8:12] == b"vide"]
    return _shown(videos[0], _scale(movie[b"mvhd"][0])) if len(videos) == 1 else 0


def _inside(content: bytes) -> Boxes:
    found: Boxes = {}
    for kind, inside in _boxes(content):
        found.setdefault(kind, []).append(inside)
    return found


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if length < 8:
            return
        yield kind, content[at + 8 : at + length]
        at += length


def _scale(header: bytes) -> int:
    """Ticks a second of a movie or track."""
    return int(struct.unpack_from(">I", header, 20 if header[0] else 12)[0])


def _shown(track: Boxes, movie_scale: int) -> int:
    media = _inside(track[b"mdia"][0])
    table = _inside(_inside(media[b"minf"][0])[b"stbl"][0])
    count = int(struct.unpack_from(">I", (table.get(b"stsz") or table[b"stz2"])[0], 8)[0])
    edits = _edits(_inside(track[b"edts"][0])[b"elst"][0]) if b"edts" in track else []
    if not edits or not count:
        return count
    if len(edits) > 1 or count > _MOST_SAMPLES or not movie_scale:
        return 0
    scale = _scale(media[b"mdhd"][0])
    length, begin = edits[0]
    times = _times(table)[:count]
    # Less a tick of the movie: its length is rounded.
    end = begin + (length - 1) * scale / movie_scale if length else np.inf
    return int(np.count_nonzero((times >= begin) & (times < end)))


def _edits(content: bytes) -> list[tuple[int, int]]:
    """Length in ticks of the movie, and begin in ticks of the track, of each part that is shown."""
    (number,) = struct.unpack_from(">I", content, 4)
    form = ">Qq4x" if content[0] else ">Ii4x"
    step = struct.calcsize(form)
    parts = [
        struct.unpack_from(form, content, at)
        for at in range(8, min(len(content) - step + 1, 8 + number * step), step)
    ]
    return [(length, begin) for length, begin in parts if begin >= 0]


def _times(table: Boxes) -> np.ndarray:
    """When each sample is shown, in ticks of the track."""
    counts, steps = _runs(table[b"stts"][0])
    times = np.cumsum(np.concatenate([[0], np.repeat(steps, counts)]))[:-1]
    if b"ctts" in table:
        shifts = np.repeat(*_runs(table[b"ctts"][0])[::-1])
        times[: shifts.size] += shifts[: times.size]
    return times


def _runs(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """A table of counts and values."""
    rows = np.frombuffer(content[8 : 8 + (len(content) - 8) // 8 * 8], ">i4").reshape(-1, 2)
    counts = np.cumsum(np.maximum(rows[:, 0].astype(np.int64), 0)).clip(max=_MOST_SAMPLES)
    return np.diff(counts, prepend=0), rows[:, 1].astype(np.int64)
