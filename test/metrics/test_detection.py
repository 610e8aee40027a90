"""Curves and recall at a false-alarm rate, on cases worked out by hand."""

import numpy as np
import pytest

from mtv_perception.metrics.detection import precision_recall, recall_at_false_alarms
from mtv_perception.metrics.matching import ImageBoxes, match_class

TALL, SHORT, NOWHERE = [0, 0, 20, 40], [100, 0, 110, 20], [300, 300, 320, 340]


def image(truth, detected, scores):
    return ImageBoxes(
        np.array(truth, float).reshape(-1, 4),
        np.array(detected, float).reshape(-1, 4),
        np.array(scores, float),
    )


def test_a_curve_by_hand():
    images = [image([TALL, SHORT], [TALL, NOWHERE, SHORT], [0.9, 0.8, 0.7]), image([], [], [])]
    curve = precision_recall(match_class(images, np.array([0.5])))
    np.testing.assert_allclose(curve.scores, [0.9, 0.8, 0.7])
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(curve.recall, [1 / 2, 1 / 2, 1])
    np.testing.assert_allclose(curve.false_alarms, [0, 1 / 2, 1 / 2])
    np.testing.assert_allclose(curve.f1, [2 / 3, 1 / 2, 4 / 5])


def test_equal_scores_are_one_point():
    curve = precision_recall(
        match_class([image([TALL], [TALL, NOWHERE], [0.5, 0.5])], np.array([0.5]))
    )
    np.testing.assert_allclose(curve.scores, [0.5])
    np.testing.assert_allclose(curve.precision, [0.5])


def test_nothing_gives_an_empty_curve():
    curve = precision_recall(match_class([], np.array([0.5])))
    assert len(curve.scores) == len(curve.f1) == 0


def test_low_objects_need_not_be_found_and_are_no_false_alarms():
    assert recall_at_false_alarms([image([TALL, SHORT], [TALL, SHORT], [0.5, 0.9])]) == 1
    assert np.isnan(recall_at_false_alarms([image([SHORT], [SHORT], [0.9])]))


@pytest.mark.parametrize("empty_images, expected", [(8, 0.0), (9, 1.0)])
def test_one_false_alarm_in_ten_images_is_allowed(empty_images, expected):
    first = image([TALL], [NOWHERE, TALL], [0.9, 0.5])
    assert recall_at_false_alarms([first] + [image([], [], [])] * empty_images) == expected


def test_nothing_detected_recalls_nothing():
    assert recall_at_false_alarms([image([TALL], [], [])]) == 0
