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
from mtv_perception.resources import LFS_POINTER, LFS_START

__all__ = [
    "FORMATS",
    "MAX_SIDE",
    "Header",
    "broken",
    "check",
    "check_size",
    "is_image",
    "read_head",
]


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
_CERTAIN_BYTES = 4
"""Shorter signatures, of BMP and PNM, also begin texts."""
_BY_KIND = {item.kind: item for item in _FORMATS}
FORMATS = tuple(_BY_KIND)
"""Names of the formats that can be read."""


# Brands of ISO/IEC 23008-12 (HEIF) and of AVIF.
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
_STREAM = (
    "a piece of an H.264 or H.265 stream; have the driver publish JPEG or raw images, or decode it to "
    "those (as by ffmpeg_image_transport)"
)
# How other files begin, in lower case, and what to say about them.
_FOREIGN = (
    (b"<!doctype html", "a web page; the download failed"),
    (b"<html", "a web page; the download failed"),
    (LFS_START, LFS_POINTER),
    (b"<svg", "an SVG drawing; convert it to PNG"),
    (b"<?xml", "an XML file"),
    (b"%pdf", "a PDF; convert its pages to PNG"),
    (b"8bps", "a Photoshop file; convert it to PNG"),
    (b"\xff\x0a", "JPEG XL; convert it to JPEG or PNG"),
    (b"\0\0\0\x0cjxl ", "JPEG XL; convert it to JPEG or PNG"),
    *((start, "a BigTIFF; convert it to PNG") for start in (b"ii+\0", b"mm\0+")),
    (b"v/1\x01", "OpenEXR; convert it to PNG"),
    (b"\0\0\x01\0", "an icon; convert it to PNG"),
    *((start, _STREAM) for start in (b"\0\0\0\x01", b"\0\0\x01")),
    (b"p7\n", "a PAM image; convert it to PNG"),
    (b"#?radiance", "Radiance HDR; convert it to PNG"),
    (b"#?rgbe", "Radiance HDR; convert it to PNG"),
    (b"pf\n", "a PFM image; convert it to PNG"),
    (b"y\xa6j\x95", "a Sun raster image; convert it to PNG"),
    (b"pk\x03\x04", "a ZIP archive; unpack it"),
)


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
            if head is None and foreign_kind(data):
                break
            if head is None:
                raise broken(item.kind, "its header is cut off or damaged", data)
            return head
    found = foreign_kind(data)
    raise ImageError(
        f"Expected an image ({', '.join(FORMATS[:-1])} or {FORMATS[-1]}), got {len(data)} bytes that "
        f"begin with {data[:8]!r}{found and f': {found}'}."
    )


def is_image(data: bytes) -> bool:
    """Whether bytes begin as an image does, whatever their file is called; not told of BMP and PNM."""
    if data[:4] == b"RIFF":
        return data[8:12] == b"WEBP"
    return any(
        data.startswith(signature)
        for item in _FORMATS
        for signature in item.signatures
        if len(signature) >= _CERTAIN_BYTES - (item.kind == jpeg.KIND)
    )


def foreign_kind(data: bytes) -> str:
    """What a file is that is no image of `FORMATS`, and what to do; empty where unknown."""
    if data[4:8] == b"ftyp":
        picture = _BRANDS.get(data[8:12])
        if picture is None:
            return f"a media file ({data[8:12]!r}); name a video .mp4, convert a picture to JPEG or PNG"
        return f"{picture}; convert it to JPEG or PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "a video; name it .avi"
    text = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((kind for start, kind in _FOREIGN if text.startswith(start)), "")


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
