"""Which pixels of an image are an object's own."""

from __future__ import annotations

import cv2
import numpy as np

# The outermost pixels are left out only where this share of the others remains.
_KEPT_SHARE = 0.3
# Without a mask the middle of the box stands for the object: share of its width and height.
_INNER_WIDTH, _INNER_HEIGHT = 0.4, 0.6
_EDGE = np.ones((3, 3), np.uint8)


def own_pixels(
    mask: np.ndarray | None,
    class_id: int,
    boxes_xyxy: np.ndarray,
    index: int,
    size_hw: tuple[int, int],
) -> tuple[np.ndarray, tuple[int, int]]:
    """The pixels of one of several objects of a class.

    Pixels inside of a nearer object's box (one whose lower edge is lower) count as the nearer
    one's, and the outermost pixels, where depth mixes with the background, are left out where
    enough others remain.

    Args:
        mask: `(H, W)` uint8 class ids, in the source image's size or scaled; None where there is no
            mask.
        class_id: of the object.
        boxes_xyxy: `(N, 4)` boxes of this class, source pixels.
        index: which of them.
        size_hw: of the source image.

    Returns:
        A bool image `(h, w)` in source pixels, and the row and column of its upper left corner.
    """
    x0, y0, x1, y1 = _clipped(boxes_xyxy[index], size_hw)
    if x1 <= x0 or y1 <= y0:
        return np.zeros((0, 0), bool), (y0, x0)
    if mask is None:
        return _inner(x1 - x0, y1 - y0), (y0, x0)
    own = _cut(mask, (x0, y0, x1, y1), size_hw) == class_id
    own &= ~_nearer(boxes_xyxy, index, size_hw)
    inner = cv2.erode(own.astype(np.uint8), _EDGE, borderValue=1).astype(bool)
    return (inner if np.count_nonzero(inner) > _KEPT_SHARE * np.count_nonzero(own) else own), (
        y0,
        x0,
    )


def _clipped(box: np.ndarray, size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    height, width = size_hw
    x0, y0 = np.floor(box[:2]).astype(int).tolist()
    x1, y1 = np.ceil(box[2:]).astype(int).tolist()
    return max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)


def _cut(mask: np.ndarray, box: tuple[int, int, int, int], size_hw: tuple[int, int]) -> np.ndarray:
    """The mask inside a box of source pixels, nearest neighbour where it is scaled."""
    x0, y0, x1, y1 = box
    if mask.shape == size_hw:
        return mask[y0:y1, x0:x1]
    rows = ((np.arange(y0, y1) + 0.5) * mask.shape[0] / size_hw[0]).astype(int)
    columns = ((np.arange(x0, x1) + 0.5) * mask.shape[1] / size_hw[1]).astype(int)
    return mask[np.ix_(rows, columns)]


def _nearer(boxes_xyxy: np.ndarray, index: int, size_hw: tuple[int, int]) -> np.ndarray:
    """Pixels of a box that lie in boxes with a lower lower edge, relative to the box."""
    x0, y0, x1, y1 = _clipped(boxes_xyxy[index], size_hw)
    covered = np.zeros((y1 - y0, x1 - x0), bool)
    for other, box in enumerate(boxes_xyxy):
        if other != index and box[3] > boxes_xyxy[index, 3]:
            a0, b0, a1, b1 = _clipped(box, size_hw)
            covered[max(b0 - y0, 0) : max(b1 - y0, 0), max(a0 - x0, 0) : max(a1 - x0, 0)] = True
    return covered


def _inner(width: int, height: int) -> np.ndarray:
    hit = np.zeros((height, width), bool)
    left, top = int(width * (1 - _INNER_WIDTH) / 2), int(height * (1 - _INNER_HEIGHT) / 2)
    hit[top : height - top, left : width - left] = True
    return hit
