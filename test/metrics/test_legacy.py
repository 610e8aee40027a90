"""The legacy scores have exactly the faults they are kept for."""

import numpy as np
import pytest

from mtv_perception.metrics.legacy import (
    legacy_average_precision,
    legacy_image_accuracy,
    legacy_image_jaccard,
)
from mtv_perception.metrics.matching import ImageBoxes
from mtv_perception.metrics.segmentation import confusion_matrix

BOX = np.array([[0.0, 0, 10, 10]])


def test_an_absent_class_scores_zero_in_a_perfect_mask():
    mask = np.array([[0, 1]], np.uint8)
    np.testing.assert_array_equal(legacy_image_jaccard(confusion_matrix(mask, mask, 3)), [1, 1, 0])


@pytest.mark.parametrize("guess, expected", [(0, 1.0), (1, 0.5), (255, 0.75)])
def test_true_negatives_count_in_the_accuracy(guess, expected):
    truth = np.zeros((2, 2), np.uint8)
    assert (
        legacy_image_accuracy(confusion_matrix(truth, np.full((2, 2), guess, np.uint8), 4))
        == expected
    )


def test_no_labelled_pixel_has_no_accuracy():
    unknown = np.full((2, 2), 255, np.uint8)
    assert np.isnan(legacy_image_accuracy(confusion_matrix(unknown, unknown, 4)))


def test_duplicates_are_hits_and_weak_detections_do_not_exist():
    two_objects = np.concatenate([BOX, BOX + 50])
    doubled = ImageBoxes(two_objects, np.repeat(BOX, 2, 0), np.array([0.9, 0.8]))
    assert legacy_average_precision([doubled]) == 1
    assert legacy_average_precision([ImageBoxes(BOX, BOX, np.array([0.7]))]) == 0


def test_without_objects_there_is_no_ap():
    assert np.isnan(legacy_average_precision([ImageBoxes(BOX[:0], BOX, np.ones(1))]))
