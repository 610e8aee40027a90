"""Whether two pictures show nearly the same: a hash of 64 bits that likeness keeps."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

NEAR_BITS = 4
"""Of 64: another frame of the same scene. Other scenes differ in 20 and more."""


def difference_hash(image_rgb: np.ndarray) -> np.uint64:
    """64 bits of a picture: whether each of 8x8 cells is darker than its right neighbour.

    Args:
        image_rgb: `(H, W, 3)` uint8.
    """
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return np.uint64(np.packbits(small[:, 1:] > small[:, :-1]).view(np.uint64)[0])


def bits_apart(hashes: Sequence[np.uint64], others: Sequence[np.uint64]) -> np.ndarray:
    """`(N, M)` float32: in how many bits each of N hashes differs from each of M."""
    bits, other_bits = _unpacked(hashes), _unpacked(others)
    # Bits that one has and the other lacks, and the other way round.
    return np.asarray(bits @ (1 - other_bits).T + (1 - bits) @ other_bits.T)


def near_duplicates(hashes: Sequence[np.uint64]) -> np.ndarray:
    """`(P, 2)` pairs of positions, first < second, whose hashes nearly agree."""
    return np.argwhere(np.triu(bits_apart(hashes, hashes) <= NEAR_BITS, 1))


def _unpacked(hashes: Sequence[np.uint64]) -> np.ndarray:
    values = np.array(hashes, np.uint64).reshape(-1, 1)
    return np.unpackbits(values.view(np.uint8), axis=1).astype(np.float32)
