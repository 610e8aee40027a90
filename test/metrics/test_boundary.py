"""Boundary F-score against distances measured pair by pair."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtv_perception.metrics.boundary import boundary, boundary_f, tolerance_of


def outline_by_hand(mask, class_id, truth):
    """Pixels (row, column) of the class with a neighbour outside it, away from unlabelled ones."""
    height, width = mask.shape
    points = []
    for y, x in np.argwhere(mask == class_id):
        near = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
        near = [p for p in near if 0 <= p[0] < height and 0 <= p[1] < width]
        unknown = any(truth[p] == 255 for p in [*near, (y, x)])
        if any(mask[p] != class_id for p in near) and not unknown:
            points.append((y, x))
    return points


def share_by_hand(points, others, tolerance):
    return np.mean([any(math.dist(p, q) <= tolerance for q in others) for p in points])


def f_by_hand(truth, guess, class_id, tolerance):
    true_points, points = (outline_by_hand(mask, class_id, truth) for mask in (truth, guess))
    if not true_points and not points:
        return np.nan
    if not true_points or not points:
        return 0.0
    precision, recall = (
        share_by_hand(points, true_points, tolerance),
        share_by_hand(true_points, points, tolerance),
    )
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def blobs(rng, size=14):
    mask = np.zeros((size, size), np.uint8)
    for class_id in rng.integers(0, 3, 4):
        y, x = rng.integers(0, size, 2)
        mask[y : y + rng.integers(1, 9), x : x + rng.integers(1, 9)] = class_id
    return mask


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), tolerance=st.sampled_from([0, 1, 1.5, 2, 5]))
def test_equals_brute_force(seed, tolerance):
    rng = np.random.default_rng(seed)
    truth, guess = blobs(rng), blobs(rng)
    truth[rng.random(truth.shape) < rng.choice([0, 0.05])] = 255
    for class_id in (1, 2):
        measured = boundary_f(truth, guess, class_id, tolerance)
        np.testing.assert_allclose(
            measured, f_by_hand(truth, guess, class_id, tolerance), rtol=1e-12
        )


def square(offset):
    mask = np.zeros((40, 40), np.uint8)
    mask[10 + offset : 30 + offset, 10:30] = 1
    return mask


@pytest.mark.parametrize(
    "offset, tolerance, expected", [(0, 0, 1.0), (2, 2, 1.0), (3, 2, None), (2, 1.9, None)]
)
def test_a_shift_within_the_tolerance_is_forgiven(offset, tolerance, expected):
    measured = boundary_f(square(0), square(offset), 1, tolerance)
    assert measured == expected if expected else 0 < measured < 1


def test_a_class_in_neither_mask_has_no_score_and_in_one_of_them_scores_zero():
    empty = np.zeros((40, 40), np.uint8)
    assert math.isnan(boundary_f(empty, empty, 1, 2))
    assert boundary_f(square(0), empty, 1, 2) == boundary_f(empty, square(0), 1, 2) == 0


def test_the_edge_of_the_image_is_no_boundary():
    assert not boundary(np.ones((5, 5), bool)).any()


def test_tolerance_grows_with_the_diagonal():
    assert tolerance_of((480, 640)) == pytest.approx(6.0)
