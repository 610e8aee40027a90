"""IoU against a loop over pixels and against the set formula of the Jaccard index."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtv_perception.metrics.segmentation import class_iou, confusion_matrix, mean_iou, merge_table

COUNT = 4
ids = st.sampled_from([0, 1, 2, 3, 255])
pairs = st.integers(0, 6).flatmap(
    lambda side: st.tuples(
        arrays(np.uint8, (side, 5), elements=ids), arrays(np.uint8, (side, 5), elements=ids)
    )
)


@given(pairs)
def test_confusion_equals_counting(pair):
    expected = np.zeros((COUNT, COUNT + 1), int)
    for true, guess in zip(*(mask.ravel() for mask in pair), strict=True):
        if true != 255:
            expected[true, COUNT if guess == 255 else guess] += 1
    np.testing.assert_array_equal(confusion_matrix(*pair, COUNT), expected)


@given(pairs)
def test_iou_equals_intersection_over_union_of_sets(pair):
    truth, guess = (mask[pair[0] != 255] for mask in pair)
    iou = class_iou(confusion_matrix(*pair, COUNT))
    for class_id in range(COUNT):
        a, b = truth == class_id, guess == class_id
        expected = (a & b).sum() / (a | b).sum() if a.any() else np.nan
        np.testing.assert_allclose(iou[class_id], expected)


def test_iou_is_of_the_data_set_not_of_its_images():
    truth = [np.array([[1, 1, 1, 1]], np.uint8), np.array([[0, 0, 0, 1]], np.uint8)]
    guess = [np.array([[1, 1, 1, 1]], np.uint8), np.array([[0, 0, 0, 0]], np.uint8)]
    total = sum(confusion_matrix(t, g, 2) for t, g in zip(truth, guess, strict=True))
    np.testing.assert_allclose(class_iou(total), [3 / 4, 4 / 5])


def test_absent_classes_do_not_count_in_the_mean():
    iou = np.array([1.0, 0.5, np.nan, 0.3])
    assert mean_iou(iou) == pytest.approx(0.6)
    assert mean_iou(iou, foreground_only=True) == pytest.approx(0.4)
    assert np.isnan(mean_iou(np.full(3, np.nan)))


def test_classes_that_a_mask_does_not_tell_apart_become_background():
    np.testing.assert_array_equal(merge_table((2,))[[0, 1, 2, 3, 255]], [0, 0, 2, 0, 255])


@pytest.mark.parametrize(
    "truth, guess, message",
    [
        (
            np.zeros((2, 2), np.uint8),
            np.zeros((2, 3), np.uint8),
            r"one shape, got \(2, 2\) and \(2, 3\)",
        ),
        (
            np.full((1, 1), 4, np.uint8),
            np.zeros((1, 1), np.uint8),
            "class ids below 4, got 4 and 0",
        ),
        (
            np.zeros((1, 1), np.uint8),
            np.full((1, 1), 9, np.uint8),
            "class ids below 4, got 0 and 9",
        ),
    ],
)
def test_impossible_masks_are_refused(truth, guess, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(truth, guess, COUNT)
