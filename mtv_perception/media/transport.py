"""The packets of MPEG transport streams: which are missing, and which streams hold pictures.

Source: ISO/IEC 13818-1.
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

import numpy as np

_SYNC, _BYTES, _NULL = 0x47, 188, 0x1FFF
_BLOCK = 8192
"""Packets that are judged at once: 1.5 MB."""
HEAD_BYTES = 2 * _BYTES + 16
"""As much of a file as tells its layout."""
_BEGINS, _ADAPTED, _HAS_CONTENT, _MARKED = 0x40, 0x20, 0x10, 0x80
_TABLE_STARTS = (b"\0\0", b"\0\2")
_PICTURES = range(0xE0, 0xF0)


class Layout(NamedTuple):
    """Where a packet begins in each piece of a file, and how long a piece is; some have a time before it."""

    begin: int
    length: int


def layout_of(head: bytes) -> Layout | None:
    """The layout of a file by its first HEAD_BYTES; None where it is no transport stream."""
    for layout in (Layout(0, _BYTES), Layout(4, _BYTES + 4)):
        begin, length = layout
        if len(head) > begin + length and head[begin] == head[begin + length] == _SYNC:
            return layout
    return None


def first_break(file: BinaryIO, size: int, layout: Layout) -> int | None:
    """Where packets are missing or something else follows; None in a whole file.

    Files of the same streams, one behind the other, are whole.
    """
    start: int | None = 0
    while start is not None:
        at, is_gap = _break_after(file, size, start, layout)
        if at is None or not is_gap:
            return at
        start = _joined_at(file, start, at, layout)
    return at


def _break_after(file: BinaryIO, size: int, start: int, layout: Layout) -> tuple[int | None, bool]:
    """The first break from a packet on, and whether packets are missing there."""
    length, last = layout.length, dict[int, int]()
    for at in range(start, size - length + 1, _BLOCK * length):
        packets = _packets(file, at, layout)
        wrong = np.flatnonzero(packets[:, 0] != _SYNC)
        gap = _first_gap(packets[: wrong[0]] if wrong.size else packets, last)
        if gap is not None:
            return at + gap * length, True
        if wrong.size:
            return at + int(wrong[0]) * length, False
    rest = size % length
    return (size - rest if rest else None), False


def _joined_at(file: BinaryIO, start: int, gap: int, layout: Layout) -> int | None:
    """Where another file was appended before a gap: there each stream begins as in the file before.

    None where packets are missing.
    """
    length = layout.length
    window = max(start + length, gap - _BLOCK // 2 * length)
    packets, before = _packets(file, window, layout), (gap - window) // length
    firsts = _heads(_packets(file, start, layout))
    first = next(iter(firsts.values()))
    join = next((at for at in range(before, -1, -1) if _head(packets[at]) == first), None)
    if join is None:
        return None
    later = _heads(packets[join:])
    fits = all(later[stream] == firsts[stream] for stream in later.keys() & firsts.keys())
    return window + join * length if fits else None


def _packets(file: BinaryIO, at: int, layout: Layout) -> np.ndarray:
    """A block of packets `(N, 188)`."""
    begin, length = layout
    file.seek(at)
    block = np.frombuffer(file.read(_BLOCK * length), np.uint8)
    return block[: block.size // length * length].reshape(-1, length)[:, begin:]


def _heads(packets: np.ndarray) -> dict[int, bytes]:
    """How each stream begins, by its id, in the order of the file."""
    streams = _streams(packets)
    _, rows = np.unique(streams, return_index=True)
    return {int(streams[row]): _head(packets[row]) for row in sorted(rows)}


def _head(packet: np.ndarray) -> bytes:
    """Whether a unit begins, of which stream, and the packet's number; all of a table of streams."""
    is_table = packet[1] & _BEGINS and bytes(packet[4:6]) in _TABLE_STARTS
    return bytes(packet[1:] if is_table else [packet[1], packet[2], packet[3] & 15])


def _streams(packets: np.ndarray) -> np.ndarray:
    return (packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]


def pictures(file: BinaryIO, layout: Layout) -> int:
    """How many streams with pictures begin in the first block."""
    packets = _packets(file, 0, layout)
    found = set()
    for packet, stream in zip(packets, _streams(packets), strict=True):
        at = 5 + int(packet[4]) if packet[3] & _ADAPTED else 4
        start = bytes(packet[at : at + 4])
        if packet[1] & _BEGINS and start[:3] == b"\0\0\1" and start[3:] and start[3] in _PICTURES:
            found.add(int(stream))
    return len(found)


def _first_gap(packets: np.ndarray, last: dict[int, int]) -> int | None:
    """The first packet `(N, 188)` before which others of its stream are missing."""
    streams = _streams(packets)
    has_payload = packets[:, 3] & _HAS_CONTENT > 0
    is_adapted = (packets[:, 3] & _ADAPTED > 0) & (packets[:, 4] > 0)
    is_marked = is_adapted & (packets[:, 5] & _MARKED > 0)
    gaps = []
    for stream in set(np.unique(streams).tolist()) - {_NULL}:
        rows = np.flatnonzero((streams == stream) & has_payload)
        if not rows.size:
            continue
        counts = packets[rows, 3].astype(int) & 15
        before = np.concatenate([[last.get(stream, counts[0])], counts[:-1]])
        last[stream] = int(counts[-1])
        bad = rows[((counts - before) % 16 > 1) & ~is_marked[rows]]
        gaps += bad[:1].tolist()
    return min(gaps, default=None)
