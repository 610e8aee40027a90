"""Which frames to label: worth labelling, unlike each other, unlike what is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtv_perception.media.likeness import NEAR_BITS, bits_apart
from mtv_perception.mining.features import distances
from mtv_perception.mining.signals import FAR, Signal

_LEAST_WORTH = 0.05  # of a frame without any signal, so that unlike frames still count
_START = 2.0  # the largest distance: of every frame while nothing is chosen


@dataclass(frozen=True)
class Known:
    """The labelled images that chosen frames should be unlike.

    Attributes:
        features: `(K, C)` unit vectors.
        hashes: 64 bits of each.
    """

    features: np.ndarray
    hashes: Sequence[np.uint64] = ()

    def __len__(self) -> int:
        return len(self.hashes)

    def far(self, features: np.ndarray) -> list[list[Signal]]:
        """The signal of each frame `(N, C)` that is farther off than labelled images are.

        The usual distance is the median of that from a labelled image to its nearest other.
        """
        if len(self) < 2:
            return [[] for _ in features]
        among = distances(self.features, self.features)
        np.fill_diagonal(among, np.inf)
        usual = max(float(np.median(among.min(1))), 1e-6)
        nearest = distances(features, self.features).min(1)
        return [_far(float(distance) / usual) for distance in nearest]


def _far(ratio: float) -> list[Signal]:
    if ratio <= 1:
        return []
    text = f"{ratio:.1f} times as far from labelled images as these are from each other"
    return [Signal(FAR, 1 - 1 / ratio, text)]


@dataclass(frozen=True)
class MinedFrames:
    """What was chosen.

    Attributes:
        chosen: positions of frames, the most wanted first.
        near_duplicates: frames left out as near-duplicates of a chosen or a labelled one.
    """

    chosen: tuple[int, ...]
    near_duplicates: int


def choose(
    worths: np.ndarray,
    features: np.ndarray,
    hashes: Sequence[np.uint64],
    count: int,
    known_hashes: Sequence[np.uint64] = (),
) -> MinedFrames:
    """Greedily the frame whose worth times its distance from those chosen before is largest.

    Source: farthest-first traversal, Gonzalez, "Clustering to minimize the maximum intercluster
    distance" (1985), with weights. Equal frames: the first in order.

    Args:
        worths: `(N,)` in 0..1.
        features: `(N, C)` unit vectors.
        hashes: of the pictures; near-duplicates of a chosen or known one are never chosen.
        count: how many to choose at most.
        known_hashes: of labelled images.
    """
    free = np.ones(len(worths), bool)
    if len(known_hashes) and len(worths):
        free = bits_apart(hashes, known_hashes).min(1) > NEAR_BITS
    nearest = np.full(len(worths), _START)
    chosen: list[int] = []
    duplicates = int((~free).sum())
    weights = np.maximum(worths, _LEAST_WORTH)
    while len(chosen) < count and free.any():
        position = int(np.argmax(np.where(free, weights * nearest, -1)))
        chosen.append(position)
        alike = free & (bits_apart(hashes, [hashes[position]])[:, 0] <= NEAR_BITS)
        duplicates += int(alike.sum()) - 1
        free &= ~alike
        nearest = np.minimum(nearest, distances(features, features[position : position + 1])[:, 0])
    return MinedFrames(tuple(chosen), duplicates)
