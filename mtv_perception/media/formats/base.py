"""What every image format's reader tells about a file, and how it says that the file is broken."""

from __future__ import annotations

from dataclasses import dataclass

from mtv_perception.errors import ImageError, ImageSizeError

MAX_SIDE = 65_535
"""The longest side, pixels: what a JPEG can say; a longer row or column is no picture of a camera."""


@dataclass(frozen=True)
class Header:
    """What an image file says about its pixels.

    Attributes:
        kind: name of the format.
        size_hw: height and width in pixels as stored, before any EXIF turn.
        bits: of one channel.
        channels: as stored, palette indices count as one; 0 where only decoding tells.
        orientation: EXIF's 1 to 8; 1 = as stored.
    """

    kind: str
    size_hw: tuple[int, int]
    bits: int = 8
    channels: int = 0
    orientation: int = 1


def broken(kind: str, why: str, data: bytes) -> ImageError:
    """The error for a file that is not whole."""
    return ImageError(
        f"Expected a whole {kind} image, got a broken one of {len(data)} bytes: {why}."
    )


def check_size(size_hw: tuple[int, int], max_pixels: int) -> None:
    """Refuse a size before anything is allocated for it.

    Raises:
        ImageSizeError: more than `max_pixels`.
        ImageError: no pixels, or a side longer than MAX_SIDE.
    """
    height, width = size_hw
    if not (height > 0 and width > 0 and height * width <= max_pixels):
        kind = ImageSizeError if height * width > max_pixels else ImageError
        raise kind(f"Expected an image of 1 to {max_pixels} pixels, got {width}x{height}.")
    if max(size_hw) > MAX_SIDE:
        raise ImageError(f"Expected sides of at most {MAX_SIDE} pixels, got {width}x{height}.")
