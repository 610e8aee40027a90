"""Whether the container of a video is whole inside. FFmpeg skips what a damaged one lost, without an error.

Sources: the RIFF specification (AVI), RFC 9559 (Matroska, WebM), ISO/IEC 13818-1 (MPEG programme and transport
streams), Adobe's FLV specification 10.1, Microsoft's ASF specification 01.20.06, RFC 3533 (Ogg).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mtv_perception.media import mp4, riff, transport
from mtv_perception.media.ebml import CLUSTER, EBML, FURTHEST, SEGMENT, element, skip

_CRC = 0xBF
_CLUSTER_BYTES = 64 << 20
"""The checksum of a larger cluster is not verified; those of FFmpeg have 5 MB."""
_FLV_TAGS = (8, 9, 18)
"""Audio, video and script data."""
_PADDING_BYTES = 32 << 10
"""More zeros at the end are a loss. Writers fill the last block; that of a DVD has 16 sectors."""
_PES_FIRST = 0xBB
_PACK, _PS_END = 0xBA, 0xB9
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_DATA_HEAD = 50
_ONCE = (b"FLV", _ASF_HEADER)
"""What stands at the beginning of a file alone."""
_ASF_HEADER_BYTES = 1 << 20

Walk = Callable[[BinaryIO, int], "int | None"]
"""Takes an open file and its size; where its structure breaks, None where it is whole or unknown."""


def broken_inside(path: Path) -> str:
    """Says where a video's container is damaged; empty where it is whole, or can't be told."""
    size = path.stat().st_size
    with path.open("rb") as file:
        walk = _walk_of(file.read(transport.HEAD_BYTES))
        file.seek(0)
        at = walk(file, size) if walk else None
        if at is None:
            return ""
        at = min(at, size)
        head = _at(file, at, len(_ASF_HEADER))
        if head[4:8] in mp4.ONCE or head.startswith(_ONCE):
            return f"another file begins at byte {at} of {size}: give each by itself"
    return f"the container is damaged at byte {at} of {size}"


def _walk_of(head: bytes) -> Walk | None:
    for magic, walk in _WALKS.items():
        if head.startswith(magic):
            return walk
    if head[4:8] in mp4.FIRST:
        return _mp4
    layout = transport.layout_of(head)
    return partial(_transport, layout=layout) if layout else None


def _at(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(min(at, FURTHEST))
    return file.read(count)


def _mp4(file: BinaryIO, size: int) -> int | None:
    """The boxes of one file. What is no box is damage in a file of fragments; others have their index elsewhere."""
    end, kinds = 0, set[bytes]()
    for box in mp4.boxes(file, size):
        if box.kind in kinds & mp4.ONCE:
            return box.at
        kinds.add(box.kind)
        end = box.after
    return _unless_padding(file, end, size) if b"moof" in kinds and end < size else None


def _unless_padding(file: BinaryIO, at: int, size: int) -> int | None:
    """Where something else follows the last packet; None for a few zeros up to the end of the file."""
    is_padding = size - at <= _PADDING_BYTES and not any(_at(file, at, _PADDING_BYTES))
    return None if is_padding else at


def _riff(file: BinaryIO, size: int) -> int | None:
    after = end = 0
    for chunk in riff.chunks(file, size):
        if chunk.name == riff.RIFF and not chunk.length:  # Its writer never finished it.
            return None
        if chunk.at >= end:
            if chunk.name != riff.RIFF:  # What a tool left behind the last one.
                return None
            end = chunk.at + 8 + chunk.length
        if not all(32 <= byte < 127 for byte in chunk.name):
            return chunk.at
        after = chunk.after
    return None if after >= min(end, size) else after


def _matroska(file: BinaryIO, size: int) -> int | None:
    """The elements of the segment, and of each cluster in it."""
    head = element(file)
    if head is None or head[1] is None:
        return None
    skip(file, head[1])
    head = element(file)
    if head is None or head[0] != SEGMENT:
        return None
    at = file.tell()
    end = size if head[1] is None else min(size, at + head[1])
    cluster_end: int | None = None
    while at < end:
        file.seek(at)
        head = element(file)
        if cluster_end is not None and at >= cluster_end:
            if at > cluster_end:
                return cluster_end
            cluster_end = None
        if head is None:
            return at
        name, length = head
        inside = file.tell()
        if name == CLUSTER:
            cluster_end, at = None if length is None else inside + length, inside
        elif name in (EBML, SEGMENT):  # Another file behind this one.
            return None
        elif length is None or (name == _CRC and not _fits(file, length, cluster_end)):
            return at
        else:
            at = inside + length
    return None if at == end else end


def _fits(file: BinaryIO, length: int, end: int | None) -> bool:
    """Whether a checksum fits what follows it in its cluster."""
    if end is None or length != 4:
        return True
    wanted = int.from_bytes(file.read(4), "little")
    rest = end - file.tell()
    return not 0 < rest <= _CLUSTER_BYTES or zlib.crc32(file.read(rest)) == wanted


def _flash(file: BinaryIO, size: int) -> int | None:
    at = int.from_bytes(_at(file, 5, 4), "big") + 4
    while at < size:
        head = _at(file, at, 11)
        if len(head) < 11 or head[0] & 0x1F not in _FLV_TAGS or any(head[8:11]):
            return _unless_padding(file, at, size)
        at += 15 + int.from_bytes(head[1:4], "big")
    return None if at == size else size


def _programme(file: BinaryIO, size: int) -> int | None:
    at = 0
    while at < size:
        head = _at(file, at, 14)
        if head[:3] != b"\0\0\1" or len(head) < 4:
            return _unless_padding(file, at, size)
        code = head[3]
        if code == _PS_END:
            at += 4
        elif code == _PACK and len(head) == 14:
            at += 14 + (head[13] & 7) if head[4] >> 6 == 1 else 12
        elif code >= _PES_FIRST and len(head) > 6 and (head[4] or head[5]):
            at += 6 + int.from_bytes(head[4:6], "big")
        else:
            return at
    return None if at == size else size


def _transport(file: BinaryIO, size: int, layout: transport.Layout) -> int | None:
    at = transport.first_break(file, size, layout)
    is_tail = at is not None and size - at <= _PADDING_BYTES
    return at if at is None or not is_tail else _unless_padding(file, at, size)


def _asf(file: BinaryIO, size: int) -> int | None:
    """Data packets of one size, each of which begins alike."""
    data = int.from_bytes(_at(file, 16, 8), "little")
    head = _at(file, 0, min(data, _ASF_HEADER_BYTES))
    found = head.find(_ASF_PROPERTIES)
    if found < 0 or len(head) < found + 100 or _at(file, data, 16) != _ASF_DATA:
        return None
    smallest, largest = struct.unpack_from("<II", head, found + 92)
    length = int.from_bytes(_at(file, data + 16, 8), "little")
    first = _at(file, data + _ASF_DATA_HEAD, 1)
    if smallest != largest or not largest or length <= _ASF_DATA_HEAD or not first:
        return None
    for at in range(data + _ASF_DATA_HEAD, data + length, largest):
        if _at(file, at, 1) != first or at + largest > size:
            return at
    return _asf_end(file, data + length, size)


def _asf_end(file: BinaryIO, at: int, size: int) -> int | None:
    """Where another file begins behind the objects of an index."""
    while at + 24 <= size:
        head = _at(file, at, 24)
        length = int.from_bytes(head[16:], "little")
        if head[:16] == _ASF_HEADER or length < 24:
            return at if head[:16] == _ASF_HEADER else None
        at += length
    return None


def _ogg(file: BinaryIO, size: int) -> int | None:
    """Pages of one stream are numbered."""
    at, last = 0, dict[bytes, int]()
    while at < size:
        head = _at(file, at, 27)
        if len(head) < 27 or head[:4] != b"OggS":
            return _unless_padding(file, at, size)
        stream, page = head[14:18], int.from_bytes(head[18:22], "little")
        if page != last.get(stream, page - 1) + 1:
            return at
        last[stream] = page
        at += 27 + head[26] + sum(file.read(head[26]))
    return None if at == size else size


_WALKS: dict[bytes, Walk] = {
    b"RIFF": _riff,
    EBML.to_bytes(4, "big"): _matroska,
    b"FLV": _flash,
    b"\0\0\1\xba": _programme,
    _ASF_HEADER: _asf,
    b"OggS": _ogg,
}
