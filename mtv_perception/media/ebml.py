"""The elements of EBML, of which Matroska and WebM are made (RFC 8794)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import BinaryIO

EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675

FURTHEST = 1 << 42
"""Lengths may claim more than a file system has places for: seeking there is an error."""
_ID_BYTES = 4


def elements(file: BinaryIO, size: int, entered: Collection[int]) -> Iterator[tuple[int, int, int]]:
    """The id of each element, where its content begins, and its length; up to the end or to damage.

    Args:
        file: open for reading.
        size: of the file, bytes.
        entered: ids of elements whose own elements follow; their length is 0 where it is unknown.
    """
    at = 0
    while at < size:
        file.seek(at)
        head = element(file)
        if head is None or (head[1] is None and head[0] not in entered):
            return
        name, length = head
        inside = file.tell()
        yield name, inside, length or 0
        at = inside if name in entered else inside + (length or 0)


def skip(file: BinaryIO, length: int) -> None:
    """Go on behind the content of an element."""
    file.seek(min(file.tell() + length, FURTHEST))


def element(file: BinaryIO) -> tuple[int, int | None] | None:
    """The id of the next element and its length, None for an unknown one.

    None where there is no element: at the end of the file, or in damage.
    """
    name = number(file, keep_mark=True)
    if name is None or name >= 1 << 8 * _ID_BYTES:
        return None
    first = file.read(1)
    if not first or not first[0]:
        return None
    file.seek(-1, 1)
    return name, number(file)


def number(file: BinaryIO, keep_mark: bool = False) -> int | None:
    """A number of variable length; None for an unknown length or at the end of the file."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    count = 9 - first[0].bit_length()
    content = first + file.read(count - 1)
    value = int.from_bytes(content, "big")
    if keep_mark:
        return value
    bits = 7 * count
    value &= (1 << bits) - 1
    return None if value == (1 << bits) - 1 else value
