"""The boxes of MP4, MOV and JPEG 2000 files, and the frames that the index of a video promises.

Source: ISO/IEC 14496-12.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
"""The boxes that a file may begin with."""
ONCE = {b"ftyp", b"moov"}
"""A second one begins another file."""
_INDEX_BYTES = 256 << 20
"""A larger index is not read. At 20 bytes a frame, one of this size covers five days."""
_MOST_SAMPLES = 10_000_000
# Flags of a track fragment's head: what lies before the default length of a sample.
_OFFSET, _DESCRIPTION, _LENGTH = 0x1, 0x2, 0x8
# Flags of a run of samples: its own fields, and those of each sample in their order.
_RUN_OFFSET, _RUN_FIRST = 0x1, 0x4
_OF_SAMPLE = (0x100, 0x200, 0x400, 0x800)
_SHIFT = 0x800

Boxes = dict[bytes, list[bytes]]


class Box(NamedTuple):
    """One box of a file.

    Attributes:
        kind: of four letters.
        at: where it begins.
        inside: where its content begins.
        after: where the next one begins; beyond the end where the file was cut short.
    """

    kind: bytes
    at: int
    inside: int
    after: int


def boxes(file: BinaryIO, size: int) -> Iterator[Box]:
    """The boxes of a file one behind the other, up to its end or to what is no box.

    Args:
        file: open for reading.
        size: of the file, bytes.
    """
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length, inside = int.from_bytes(head[:4], "big"), at + 8
        if length == 1:
            length, inside = int.from_bytes(head[8:], "big"), at + 16
        elif not length:
            length = size - at
        if length < inside - at or not all(32 <= letter < 127 for letter in head[4:8]):
            return
        yield Box(head[4:8], at, inside, at + length)
        at += length


def promised(file: BinaryIO, size: int) -> list[int]:
    """The frames that each video track shows, by the index; 0 where that is unknown.

    Frames that an edit list hides are left out.

    Raises:
        struct.error, KeyError, IndexError: the index is damaged.
    """
    movie: Boxes = {}
    fragments: list[Boxes] = []
    for box in boxes(file, size):
        if box.kind in (b"moov", b"moof") and box.after - box.inside <= _INDEX_BYTES:
            file.seek(box.inside)
            content = _inside(file.read(box.after - box.inside))
            if box.kind == b"moov":
                movie = content
            else:
                fragments += map(_inside, content.get(b"traf", ()))
    tracks = [_inside(track) for track in movie.get(b"trak", ())]
    videos = [track for track in tracks if _inside(track[b"mdia"][0])[b"hdlr"][0][8:12] == b"vide"]
    defaults = _inside(movie[b"mvex"][0]).get(b"trex", []) if b"mvex" in movie else []
    return [_shown(track, movie, _fragment_times(track, fragments, defaults)) for track in videos]


def _inside(content: bytes) -> Boxes:
    found: Boxes = {}
    for box in boxes(io.BytesIO(content), len(content)):
        found.setdefault(box.kind, []).append(content[box.inside : box.after])
    return found


def _scale(header: bytes) -> int:
    """Ticks a second of a movie or track."""
    return int(struct.unpack_from(">I", header, 20 if header[0] else 12)[0])


def _shown(track: Boxes, movie: Boxes, later: np.ndarray) -> int:
    """The frames of a track.

    Args:
        track: its boxes.
        movie: those of the movie.
        later: when each sample of its fragments is shown, in ticks of the track.
    """
    media = _inside(track[b"mdia"][0])
    table = _inside(_inside(media[b"minf"][0])[b"stbl"][0])
    sizes = (table.get(b"stsz") or table.get(b"stz2") or [bytes(12)])[0]
    count = int(struct.unpack_from(">I", sizes, 8)[0])
    edits = _edits(_inside(track[b"edts"][0])[b"elst"][0]) if b"edts" in track else []
    movie_scale, scale = _scale(movie[b"mvhd"][0]), _scale(media[b"mdhd"][0])
    if len(edits) > 1 or count > _MOST_SAMPLES or not (movie_scale and scale):
        return 0
    times = np.concatenate([_times(table)[:count] if count else later[:0], later])
    # What is shown before the first sample needs a picture that a trimmed file lacks.
    begin, end = times[:1].sum(), np.inf
    if edits:
        length, hidden = edits[0]
        begin = max(begin, hidden)
        # Less a tick of the movie: its length is rounded. In fragments it is open.
        if length and not later.size:
            end = hidden + (length - 1) * scale / movie_scale
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


def _fragment_times(track: Boxes, fragments: list[Boxes], defaults: list[bytes]) -> np.ndarray:
    """When each sample of a track's fragments is shown, in ticks of the track."""
    head = track[b"tkhd"][0]
    (own,) = struct.unpack_from(">I", head, 20 if head[0] else 12)
    lengths = {
        number: length for number, length in (struct.unpack_from(">I4xI", d, 4) for d in defaults)
    }
    parts: list[np.ndarray] = [np.zeros(0, np.int64)]
    now = 0
    for fragment in fragments:
        flags, number = struct.unpack_from(">II", fragment[b"tfhd"][0])
        if number != own:
            continue
        length = lengths.get(number, 0)
        if flags & _LENGTH:
            at = 8 + 8 * bool(flags & _OFFSET) + 4 * bool(flags & _DESCRIPTION)
            (length,) = struct.unpack_from(">I", fragment[b"tfhd"][0], at)
        if b"tfdt" in fragment:
            begin = fragment[b"tfdt"][0]
            (now,) = struct.unpack_from(">Q" if begin[0] else ">I", begin, 4)
        for run in fragment.get(b"trun", ()):
            times, now = _run_times(run, now, length)
            parts.append(times)
    return np.concatenate(parts)


def _run_times(run: bytes, now: int, length: int) -> tuple[np.ndarray, int]:
    """When each sample of a run is shown, and when the next run begins."""
    flags, count = struct.unpack_from(">II", run)
    fields = [flag for flag in _OF_SAMPLE if flags & flag]
    at = 8 + 4 * bool(flags & _RUN_OFFSET) + 4 * bool(flags & _RUN_FIRST)
    if count > _MOST_SAMPLES or len(run) < at + 4 * count * len(fields):
        raise struct.error("a run claims more samples than it holds")
    table = np.frombuffer(run, ">i4", count * len(fields), at).reshape(count, len(fields))
    columns = dict(zip(fields, table.T.astype(np.int64), strict=True))
    steps = columns.get(_OF_SAMPLE[0], np.full(count, length, np.int64))
    times = now + np.cumsum(steps) - steps + columns.get(_SHIFT, 0)
    return times, now + int(steps.sum())
