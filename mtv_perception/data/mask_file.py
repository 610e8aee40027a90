"""Mask files as the values that are stored in them.

PNG of 1 to 8 bits, grey, grey as RGB, or a palette.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mtv_perception.errors import DatasetError, ImageError
from mtv_perception.media.decode import checked
from mtv_perception.media.formats import jpeg, plain, read_head

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# PNG, third edition, table 11.1: colour types.
_GREY, _PALETTE = 0, 3
# What OpenCV multiplies grey values of few bits with, to spread them over 0..255.
_SPREAD = {1: 255, 2: 85, 4: 17}


def read_mask(path: Path) -> np.ndarray:
    """A mask file as `(H, W)` uint8 values.

    Raises:
        DatasetError: not decodable, colours without a palette, or values beyond 255.
    """
    bits, colour = _kind(path)
    if colour == _PALETTE:
        return _palette_indices(path)
    try:
        raw = checked(path.read_bytes())
        kind = read_head(raw).kind
        if kind == jpeg.KIND:
            raise DatasetError(
                f"{path}: expected a mask as PNG, got a JPEG, which changes values; store it as PNG."
            )
        if kind == plain.PNM and not plain.is_plain_mask(raw):
            raise DatasetError(
                f"{path}: expected a mask as PNG, got a PNM whose largest value is below 255, which "
                "decoders change; store it as PNG."
            )
        content = np.frombuffer(raw, np.uint8)
    except ImageError as error:
        raise DatasetError(f"{path}: expected a mask, could not decode one: {error}") from error
    mask = cv2.imdecode(content, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if mask is None:
        raise DatasetError(f"{path}: expected a mask, could not decode one.")
    if mask.ndim == 3:
        mask = _one_channel(path, mask)
    if mask.dtype != np.uint8:
        if mask.dtype != np.uint16 or mask.max(initial=0) > 255:
            raise DatasetError(f"{path}: expected mask values of at most 255, got {mask.max()}.")
        mask = mask.astype(np.uint8)
    if colour == _GREY and bits in _SPREAD:
        mask = mask // _SPREAD[bits]
    return np.asarray(mask)


def _kind(path: Path) -> tuple[int, int]:
    """Bits a value and colour type of a PNG; zeros of any other file."""
    try:
        with path.open("rb") as file:
            head = file.read(26)
    except OSError as error:
        raise DatasetError(
            f"{path}: expected a mask, could not read it: {error.strerror}"
        ) from error
    if not head.startswith(_SIGNATURE) or len(head) < 26:
        return 0, -1
    return head[24], head[25]


def _one_channel(path: Path, mask: np.ndarray) -> np.ndarray:
    """The one channel of a grey image that is stored as colours."""
    if (mask[..., 0] != mask[..., 1]).any() or (
        mask[..., 0] != mask[..., min(2, mask.shape[2] - 1)]
    ).any():
        raise DatasetError(
            f"{path}: expected an 8-bit one-channel mask, got colours; store it with a palette or "
            "as one 8-bit channel."
        )
    return np.asarray(mask[..., 0])


def _palette_indices(path: Path) -> np.ndarray:
    try:
        from PIL import Image
    except ImportError as error:
        raise DatasetError(
            f"{path}: expected Pillow to read a mask with a palette: "
            "pip install 'mtv_perception[train]'."
        ) from error
    try:
        with Image.open(path) as image:
            return np.asarray(image, np.uint8)
    except (OSError, ValueError, SyntaxError) as error:
        raise DatasetError(f"{path}: expected a mask, could not decode one: {error}") from error
