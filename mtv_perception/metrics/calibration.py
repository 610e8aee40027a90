"""Whether a detection's score is the chance that it is right.

Source: Küppers et al. 2020, "Multivariate Confidence Calibration for Object Detection", section 3
(D-ECE); binned by confidence alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtv_perception.metrics.matching import Matches

BINS = 20
# Weaker detections are so many, and so surely wrong, that they would hide how far off the others
# are.
MIN_SCORE = 0.3


@dataclass(frozen=True)
class Reliability:
    """Detections binned by score, `(B,)` each.

    Attributes:
        edges: `(B + 1,)` 0..1; a bin holds its lower edge.
        count: detections in each bin.
        confidence: their mean score; NaN in an empty bin.
        precision: the share that is right; NaN in an empty bin.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    precision: np.ndarray

    @property
    def error(self) -> float:
        """The D-ECE: mean distance of precision from confidence, weighted by count.

        NaN if there is none.
        """
        if not self.count.sum():
            return float("nan")
        return float(
            np.nansum(self.count * np.abs(self.precision - self.confidence)) / self.count.sum()
        )


def reliability(
    scores: np.ndarray, hits: np.ndarray, bins: int = BINS, min_score: float = MIN_SCORE
) -> Reliability:
    """Bin detections by score.

    Args:
        scores: `(N,)` 0..1.
        hits: `(N,)` bool: the detection found an object.
        bins: number of equal bins over 0..1.
        min_score: weaker detections are left out.
    """
    if scores.shape != hits.shape:
        raise ValueError(
            f"Expected a hit for each score, got shapes {scores.shape} and {hits.shape}."
        )
    kept = scores >= min_score
    scores, hits = scores[kept].astype(np.float64), hits[kept]
    edges = np.linspace(0.0, 1.0, bins + 1)
    index = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    sums = np.bincount(index, scores, bins), np.bincount(index, hits.astype(float), bins)
    confidence, precision = (
        np.divide(s, count, out=np.full(bins, np.nan), where=count > 0) for s in sums
    )
    return Reliability(edges, count, confidence, precision)


def counted_detections(matches: Matches, threshold_index: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores and hits of the detections that are not ignored, `(N,)` each."""
    counted = ~matches.ignored[threshold_index]
    return matches.scores[counted], matches.hits[threshold_index][counted]
