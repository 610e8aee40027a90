"""D-ECE against a loop over the bins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtv_perception.metrics.calibration import counted_detections, reliability
from mtv_perception.metrics.matching import Matches


def error_by_hand(scores, hits, bins, min_score):
    kept = [(s, h) for s, h in zip(scores, hits, strict=True) if s >= min_score]
    if not kept:
        return np.nan
    total = 0.0
    for index in range(bins):
        low, high = index / bins, (index + 1) / bins
        inside = [(s, h) for s, h in kept if low <= s < high or (index == bins - 1 and s == 1)]
        if inside:
            total += len(inside) * abs(
                np.mean([h for _, h in inside]) - np.mean([s for s, _ in inside])
            )
    return total / len(kept)


# Away from the edges of the bins, where rounding decides on the side.
scores_and_hits = st.lists(
    st.tuples(st.floats(0, 1).filter(lambda s: abs(s * 60 - round(s * 60)) > 1e-6), st.booleans())
)


@given(scores_and_hits, st.sampled_from([1, 10, 20]), st.sampled_from([0.0, 0.31]))
def test_equals_brute_force(pairs, bins, min_score):
    scores = np.array([s for s, _ in pairs], float)
    hits = np.array([h for _, h in pairs], bool)
    measured = reliability(scores, hits, bins, min_score).error
    np.testing.assert_allclose(measured, error_by_hand(scores, hits, bins, min_score), atol=1e-12)


def test_a_calibrated_detector_has_no_error():
    result = reliability(np.full(25, 0.72), np.arange(25) < 18)
    assert result.error == pytest.approx(0)
    assert result.count.sum() == result.count[14] == 25 and result.precision[14] == pytest.approx(
        0.72
    )


def test_the_highest_score_falls_into_the_last_bin():
    assert reliability(np.ones(3), np.ones(3, bool)).count[-1] == 3


def test_ignored_detections_are_left_out():
    matches = Matches(
        np.array([0.9, 0.8]), np.array([[True, False]]), np.array([[False, True]]), 1, 1
    )
    scores, hits = counted_detections(matches)
    np.testing.assert_array_equal(scores, [0.9])
    np.testing.assert_array_equal(hits, [True])


def test_a_hit_for_each_score_is_asked_for():
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        reliability(np.zeros(2), np.zeros(3, bool))
