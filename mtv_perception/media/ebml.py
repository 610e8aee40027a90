"""The elements of EBML, of which Matroska and WebM are made (RFC 8794)."""

from __future__ import annotations

from typing import BinaryIO

EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675

_ID_BYTES = 4


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
