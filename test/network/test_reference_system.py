import numpy as np
import pytest

pytest.importorskip("tensorflow")

from mtv_perception.network.reference_system import DecodeBoxes, ReferenceSystem, Suppress


def test_offsets_of_nothing_are_the_default_boxes():
    boxes = DecodeBoxes(np.array([[50.0, 40.0, 20.0, 10.0]]))(np.zeros((1, 1, 4), np.float32))

    assert np.asarray(boxes[0]).tolist() == [[35.0, 40.0, 45.0, 60.0]]


def test_duplicates_and_classes_that_the_mask_lacks_are_suppressed():
    boxes = np.array([[[0, 0, 10, 10], [0, 0, 10, 11], [50, 50, 60, 60]]], np.float32)
    class_logits = np.array([[[0, 9, 0], [0, 8, 0], [0, 0, 9]]], np.float32)
    pixels = np.zeros((1, 4, 4, 3), np.float32)
    pixels[0, 0, 0, 1] = 5.0

    _, scores, classes = Suppress()(boxes, class_logits, pixels)

    kept = np.asarray(scores[0]) > 0
    assert np.asarray(classes[0])[kept].tolist() == [0.0]


@pytest.mark.slow
def test_one_frame():
    boxes, scores, classes, mask = ReferenceSystem()(np.zeros((480, 640, 3), np.uint8))

    assert boxes.shape == (1, 12, 4)
    assert scores.shape == classes.shape == (1, 12)
    assert mask.shape == (1, 480, 640, 4)
