"""People made unrecognisable in a picture, before it is written or shown."""

from __future__ import annotations

import cv2
import numpy as np

# Along the longer side of a person. A head is about an eighth of a standing person, so that it is
# less than a block; a face that fills the picture is 4x4 blocks.
BLOCKS = 4
# Pixels; less would leave a small person nearly as it was.
_SMALLEST_BLOCK = 8
# A comment (COM, ITU-T T.81 B.2.4.5) directly after the start of the image.
_START, _COMMENT = b"\xff\xd8", b"\xff\xfe"
_TEXT = b"mtv_perception: people pixelated"
_MARK = _START + _COMMENT + (len(_TEXT) + 2).to_bytes(2, "big") + _TEXT


def anonymised(image_rgb: np.ndarray, people: np.ndarray | None) -> np.ndarray:
    """An image whose people are blocks of one colour.

    Cells that touch each other are pixelated together, with blocks of a quarter of their longer
    side, at least 8 pixels. Every block is the mean of what was there: nothing finer remains.

    Args:
        image_rgb: `(H, W, 3)` uint8; not changed.
        people: `Result.people`, `(h, w)` bool over the whole image; None where nothing is known of
            the image, which pixelates all of it.

    Returns:
        `(H, W, 3)` uint8 RGB, a copy.

    Raises:
        ValueError: an image or cells of another shape.
    """
    cells = np.ones((1, 1), bool) if people is None else people
    if image_rgb.ndim != 3 or cells.ndim != 2 or not cells.size:
        raise ValueError(
            f"Expected an image (H, W, 3) and cells (h, w), got {image_rgb.shape} and {cells.shape}."
        )
    count, numbers, areas, _ = cv2.connectedComponentsWithStats(cells.astype(np.uint8))
    hidden = image_rgb.copy()
    if count == 1:
        return hidden
    of_pixel = numbers[np.ix_(*_cells_of_pixels(cells.shape, image_rgb.shape))]
    for number in range(1, count):
        left, top, columns, rows = areas[number, :4].tolist()
        place = (
            _pixels(top, rows, cells.shape[0], image_rgb.shape[0]),
            _pixels(left, columns, cells.shape[1], image_rgb.shape[1]),
        )
        inside = of_pixel[place] == number
        if inside.any():
            hidden[place][inside] = _blocks(image_rgb[place])[inside]
    return hidden


def _cells_of_pixels(
    cells_hw: tuple[int, ...], image_hw: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The row of cells of each row of pixels, and the column of each column."""
    rows, columns = (
        np.arange(pixels) * count // pixels
        for count, pixels in zip(cells_hw[:2], image_hw[:2], strict=True)
    )
    return rows, columns


def _pixels(first: int, count: int, cells: int, pixels: int) -> slice:
    """The pixels of some cells, and perhaps one more at the end."""
    return slice(first * pixels // cells, min(pixels, -(-(first + count) * pixels // cells)))


def _blocks(image_rgb: np.ndarray) -> np.ndarray:
    """The same part of an image in blocks of one colour."""
    height, width = image_rgb.shape[:2]
    side = max(_SMALLEST_BLOCK, max(height, width) / BLOCKS)
    columns, rows = max(1, round(width / side)), max(1, round(height / side))
    means = cv2.resize(image_rgb, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(means, (width, height), interpolation=cv2.INTER_NEAREST))


def with_mark(jpeg: bytes) -> bytes:
    """A JPEG with a comment that says that its people are pixelated."""
    if not jpeg.startswith(_START):
        raise ValueError(f"Expected a JPEG, got data that begins with {jpeg[:4]!r}.")
    return _MARK + jpeg[len(_START) :]


def has_mark(jpeg: bytes) -> bool:
    """Whether a JPEG has that comment. It guards against mistakes, not against forgery."""
    return jpeg.startswith(_MARK)
