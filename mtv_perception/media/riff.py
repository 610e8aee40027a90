"""The chunks of RIFF, of which AVI files are made. Source: the RIFF specification."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

RIFF = b"RIFF"
_NEXT = re.compile(rb"\d\d[a-z]{2}|ix\d\d|idx1|JUNK|LIST|RIFF")
"""How the next chunk of a movie begins. Chunks are padded to even lengths, but not by every writer."""


class Chunk(NamedTuple):
    """The head of one chunk.

    Attributes:
        at: where it begins, bytes from the start of the file.
        name: of four bytes.
        length: of its content, bytes.
        after: where the next chunk begins; inside it if it is a list.
    """

    at: int
    name: bytes
    length: int
    after: int


def chunks(file: BinaryIO, size: int) -> Iterator[Chunk]:
    """The chunks of a file in their order; lists are entered.

    Args:
        file: open for reading.
        size: of the file, bytes.
    """
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        name, length = head[:4], int.from_bytes(head[4:], "little")
        step = 12 if name in (RIFF, b"LIST") else 8 + length
        after = at + step
        if step % 2:
            file.seek(after)
            after += not _NEXT.match(file.read(4))
        yield Chunk(at, name, length, after)
        at = after
