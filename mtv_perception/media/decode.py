"""The one decoder: live topics, bags, files and data sets get their pixels here, by the same rules.

An image is whole or it is refused. Its head and structure are checked before a decoder allocates
anything; libjpeg's warnings count as errors.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.errors import ImageError
from mtv_perception.media.encodings import (
    ENCODINGS,
    MAX_PIXELS,
    demosaic,
    is_depth_by_name,
    to_8_bits,
)
from mtv_perception.media.formats import Header, broken, check, check_size, jpeg, plain, read_head
from mtv_perception.resources import STREAM, is_stream

MAX_FILE_PIXELS = 50_000_000
"""Most pixels of a file that a user names: photographs of today's telephones fit."""

_HEAD_BYTES, _TAIL_BYTES = 1 << 16, 64
_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
_GREY_FLAGS = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
# EXIF 2.3, 4.6.4: what turns the stored pixels upright: transpose first, then flip (OpenCV's code).
_UPRIGHT: dict[int, tuple[bool, int | None]] = {
    2: (False, 1),
    3: (False, -1),
    4: (False, 0),
    5: (True, None),
    6: (True, 1),
    7: (True, -1),
    8: (True, 0),
}


def decode_compressed(data: Any, *, max_pixels: int = MAX_PIXELS, form: str = "") -> np.ndarray:
    """The pixels of a compressed image message.

    Pixels stay as they are stored, whatever an EXIF tag says, as other ROS nodes do it.

    Args:
        data: a buffer of coded bytes, of one of `formats.FORMATS`.
        max_pixels: larger images are refused before anything is allocated.
        form: the message's `format`. A mosaic in it ("bayer_rggb8; jpeg compressed") is turned into
            colours if the image has one channel.

    Returns:
        `(H, W, 3)` uint8 RGB. Channels of 16 bits are scaled as `to_8_bits` does.

    Raises:
        ImageError: of another format, damaged, cut short, an animation, or too large.
    """
    raw = np.frombuffer(data, np.uint8).tobytes()
    if not raw:
        raise ImageError("Expected a compressed image, got 0 bytes.")
    head = read_head(raw)
    check_size(head.size_hw, max_pixels)
    return _pixels(raw, head, form.partition(";")[0].strip().lower())


def coded_depth_bits(data: Any, original: str, topic: str) -> int:
    """Bits of a grey, deep image on a topic named depth, whose format states no other encoding.

    Many write a format such as "png" alone. 0 where it is no depth; ImageError where it is no image.

    Args:
        data: a buffer of coded bytes.
        original: what the message's `format` says of the encoding before.
        topic: name of the topic.
    """
    if original in ENCODINGS or not is_depth_by_name("mono16", topic):
        return 0
    head = read_head(np.frombuffer(data, np.uint8).tobytes())
    return head.bits if head.bits > 8 and head.channels == 1 else 0


def checked(raw: bytes, max_pixels: int = MAX_FILE_PIXELS) -> bytes:
    """An image file's bytes for a caller that decodes them by itself, as masks need it.

    Raises:
        ImageError: of an unknown format, too large, or not whole.
    """
    head = read_head(raw)
    check_size(head.size_hw, max_pixels)
    return check(raw, head)


def _pixels(raw: bytes, head: Header, original: str) -> np.ndarray:
    data = check(raw, head)
    is_mosaic = original.startswith("bayer_") and head.channels == 1
    try:
        decode = partial(jpeg.decode, head=head) if head.kind == jpeg.KIND else _by_opencv
        image = decode(data, grey=is_mosaic)
    except (ValueError, cv2.error) as error:
        raise broken(head.kind, getattr(error, "err", str(error)), raw) from error
    if image is None or image.shape[:2] != head.size_hw:
        found = "nothing" if image is None else f"{image.shape[1]}x{image.shape[0]}"
        raise ImageError(
            f"Expected a {head.kind} image of {head.size_hw[1]}x{head.size_hw[0]} pixels, "
            f"could decode {found} of its {len(raw)} bytes."
        )
    if head.kind == plain.PNM:
        image = plain.spread_pnm(image, data)
    if image.dtype != np.uint8:
        image = to_8_bits(image)
    return demosaic(image, original) if is_mosaic else image


def _by_opencv(data: bytes, grey: bool) -> np.ndarray | None:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), _GREY_FLAGS if grey else _FLAGS)
    if image is None or grey or image.dtype not in (np.uint8, np.uint16):
        return image if image is None or grey else None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def read_image(path: Path, max_pixels: int = MAX_FILE_PIXELS, upright: bool = True) -> np.ndarray:
    """The pixels of an image file, turned upright as its EXIF data says.

    Args:
        path: the file.
        max_pixels: most pixels to decode.
        upright: False leaves the pixels as they are stored.

    Returns:
        `(H, W, 3)` uint8 RGB.

    Raises:
        ImageError: no such file, or what `decode_compressed` raises, with the file's name.
    """
    raw = _content(path)
    try:
        head = read_head(raw)
        check_size(head.size_hw, max_pixels)
        image = _pixels(raw, head, "")
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from error
    return _turned(image, head.orientation) if upright else image


def _content(path: Path, limit: int = -1) -> bytes:
    try:
        if is_stream(path):
            raise ImageError(f"{path}: expected an image file, got {STREAM}.")
        with path.open("rb") as file:
            raw = file.read(limit)
    except OSError as error:
        raise ImageError(
            f"{path}: expected an image file, could not read it: {error.strerror}"
        ) from error
    if not raw:
        raise ImageError(f"{path}: expected an image file, got 0 bytes.")
    return raw


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    transpose, flip = _UPRIGHT.get(orientation, (False, None))
    if transpose:
        image = cv2.transpose(image)
    return image if flip is None else cv2.flip(image, flip)


def image_header(path: Path) -> Header:
    """What an image file says about its pixels; nothing is decoded.

    Raises:
        ImageError: no such file, or no image.
    """
    start = _content(path, _HEAD_BYTES)
    try:
        if start.startswith(jpeg.SIGNATURES):
            try:
                return read_head(start)
            except ImageError:  # A long colour profile or a large thumbnail lies before the size.
                pass
        return read_head(_content(path))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image file in pixels, upright as `read_image` gives it.

    Raises:
        ImageError: no such file, or no image.
    """
    head = image_header(path)
    turned, _ = _UPRIGHT.get(head.orientation, (False, None))
    return (head.size_hw[1], head.size_hw[0]) if turned else head.size_hw


def is_whole(path: Path) -> bool:
    """Whether an image file is complete; damage inside of a complete one is found by decoding it.

    Only a JPEG without its end marker is decoded here, which tells whether all its pixels are
    there.
    """
    with path.open("rb") as file:
        start = file.read(_HEAD_BYTES)
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        if start.startswith(jpeg.SIGNATURES) and not jpeg.lacks_end(file.read()):
            return True
    raw = path.read_bytes()
    try:
        head = read_head(raw)
        check(raw, head)
        if head.kind == jpeg.KIND:
            _pixels(raw, head, "")
    except ImageError:
        return False
    return True
