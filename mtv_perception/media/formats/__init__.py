"""The image formats: what a file says about its pixels, and whether it is whole.

Before anything is decoded.

`read_head` looks at the head alone. `check` walks the whole file and returns what may be decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from mtv_perception.errors import ImageError
from mtv_perception.media.formats import jp2, jpeg, plain, png, tiff, webp
from mtv_perception.media.formats.base import MAX_SIDE, Header, broken, check_size

__all__ = ["FORMATS", "MAX_SIDE", "Header", "broken", "check", "check_size", "read_head"]


class _Format(NamedTuple):
    kind: str
    signatures: tuple[bytes, ...]
    read_head: Callable[[bytes], Header | None]
    check: Callable[[bytes, Header], bytes]


_FORMATS = (
    *(
        _Format(module.KIND, module.SIGNATURES, module.read_head, module.check)
        for module in (jpeg, png, tiff, webp, jp2)
    ),
    _Format(plain.BMP, (b"BM",), plain.read_bmp, plain.check_bmp),
    _Format(plain.GIF, (b"GIF87a", b"GIF89a"), plain.read_gif, plain.check_gif),
    _Format(
        plain.PNM, tuple(b"P%d" % number for number in range(1, 7)), plain.read_pnm, plain.check_pnm
    ),
)
_BY_KIND = {item.kind: item for item in _FORMATS}
FORMATS = tuple(_BY_KIND)
"""Names of the formats that can be read."""


def read_head(data: bytes) -> Header:
    """What a file says about its pixels; nothing is decoded, and a file cut short may still tell.

    Raises:
        ImageError: of no known format, or the head is cut off.
    """
    for item in _FORMATS:
        if data.startswith(item.signatures):
            try:
                head = item.read_head(data)
            except (struct.error, IndexError):
                head = None
            if head is None:
                raise broken(item.kind, "its header is cut off or damaged", data)
            return head
    raise ImageError(
        f"Expected an image ({', '.join(FORMATS[:-1])} or {FORMATS[-1]}), got {len(data)} bytes that "
        f"begin with {data[:8]!r}."
    )


def check(data: bytes, head: Header) -> bytes:
    """The bytes that may be decoded: the same, or without what a decoder had better not see.

    Raises:
        ImageError: cut short, lengths beyond the end, an animation, or more passes than a camera
            makes.
    """
    try:
        return _BY_KIND[head.kind].check(data, head)
    except (struct.error, IndexError, ValueError) as error:
        raise broken(head.kind, "a length or offset lies beyond its end", data) from error
