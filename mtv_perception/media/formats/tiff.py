"""TIFF: the directory of fields, which EXIF data uses too."""

from __future__ import annotations

import struct
from dataclasses import replace

from mtv_perception.media.formats.base import Header, broken

KIND = "TIFF"
SIGNATURES = (b"II*\0", b"MM\0*")

_WIDTH, _HEIGHT, _BITS, _ORIENTATION, _SAMPLES = 256, 257, 258, 274, 277
_EXTRA = 338
"""Whether colours are stored multiplied by the transparency: 1 is yes, and the decoder does no more."""
_SUBFILE, _FORMAT, _TILE_WIDTH, _TILE_HEIGHT = 254, 339, 322, 323
# Offsets and byte counts of strips and of tiles.
_PIECES = ((273, 279), (324, 325))
# TIFF 6.0, section 2: the types of whole numbers.
_NUMBERS = {1: "B", 3: "H", 4: "I"}
_UNSIGNED = 1
_SHORT = 3
_REDUCED_OR_MASK = 0b101
_MOST_PAGES = 64

Fields = dict[int, tuple[int, ...]]


def read_fields(data: bytes, at: int, order: str) -> tuple[Fields, int]:
    """The whole-number fields of the directory at a place, and where the next one is (0: none).

    Raises:
        struct.error: the directory or a field's values lie beyond the end.
    """
    fields: Fields = {}
    count = struct.unpack_from(f"{order}H", data, at)[0]
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, entry)
        if kind not in _NUMBERS:
            continue
        form = f"{order}{number}{_NUMBERS[kind]}"
        place = entry + 8
        if number * struct.calcsize(_NUMBERS[kind]) > 4:
            place = struct.unpack_from(f"{order}I", data, place)[0]
            if place + number > len(data):  # Before a format of a billion numbers is made.
                raise struct.error("a field's values lie beyond the end")
        fields[tag] = struct.unpack_from(form, data, place)
    after = at + 2 + 12 * count
    return fields, struct.unpack_from(f"{order}I", data, after)[0] if len(data) >= after + 4 else 0


def _first(data: bytes) -> tuple[Fields, int, str]:
    order = "<" if data[:1] == b"I" else ">"
    fields, following = read_fields(data, struct.unpack_from(f"{order}I", data, 4)[0], order)
    return fields, following, order


def orientation_of(data: bytes) -> int:
    """The orientation in EXIF data (a TIFF file of its own); 1 where it says none."""
    try:
        value = _first(data)[0].get(_ORIENTATION, (1,))[0]
    except (struct.error, IndexError):
        return 1
    return value if 1 <= value <= 8 else 1


def read_head(data: bytes) -> Header | None:
    """Of the first page; tiles larger than the image count, because one is decoded whole."""
    fields, _, _ = _first(data)
    sizes = [
        max((fields.get(tag) or (0,))[0] for tag in pair)
        for pair in ((_HEIGHT, _TILE_HEIGHT), (_WIDTH, _TILE_WIDTH))
    ]
    if _WIDTH not in fields or _HEIGHT not in fields:
        return None
    head = Header(KIND, (sizes[0], sizes[1]), channels=(fields.get(_SAMPLES) or (1,))[0])
    return replace(head, bits=max(fields.get(_BITS) or (1,)), orientation=orientation_of(data))


def check(data: bytes, head: Header) -> bytes:
    """Refuse what is cut short, has several pages, or stores other numbers than 1 to 16 bits.

    The bytes that are returned ask for no turn, and for no multiplication by their transparency.
    """
    fields, following, order = _first(data)
    if head.bits > 16 or set(fields.get(_FORMAT, (_UNSIGNED,))) != {_UNSIGNED} or head.channels > 5:
        raise broken(KIND, "expected at most 5 channels of unsigned 1- to 16-bit numbers", data)
    pieces = [
        offset + count
        for offsets, counts in _PIECES
        for offset, count in zip(fields.get(offsets, ()), fields.get(counts, ()), strict=False)
    ]
    if not pieces or max(pieces) > len(data):
        raise broken(KIND, "pixels lie beyond its end", data)
    _refuse_pages(data, following, order)
    return _as_stored(data, order) if head.orientation != 1 or _EXTRA in fields else data


def _as_stored(data: bytes, order: str) -> bytes:
    """The file without its turn and its kind of transparency, which OpenCV applies, whatever its flags say."""
    changed = bytearray(data)
    at = struct.unpack_from(f"{order}I", data, 4)[0]
    count = struct.unpack_from(f"{order}H", data, at)[0]
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, _, number = struct.unpack_from(f"{order}HHI", data, entry)
        if tag == _ORIENTATION or (tag == _EXTRA and number == 1):
            struct.pack_into(f"{order}HIHH", changed, entry + 2, _SHORT, 1, 1, 0)
    return bytes(changed)


def _refuse_pages(data: bytes, following: int, order: str) -> None:
    for _ in range(_MOST_PAGES):
        if not following:
            return
        fields, following = read_fields(data, following, order)
        if not (fields.get(_SUBFILE) or (0,))[0] & _REDUCED_OR_MASK:
            raise broken(KIND, "it has several pages; store each as a file of its own", data)
    raise broken(KIND, f"it has more than {_MOST_PAGES} pages", data)
