import numpy as np
import pytest

from mtv_perception.types import Detections, Result, Segmentation, Timing

BOXES = np.array([[0, 0, 4, 4], [1, 1, 5, 5], [2, 2, 6, 6]], np.float32)
SCORES = np.array([0.9, 0.8, 0.7], np.float32)
CLASS_IDS = np.array([2, 1, 2], np.int32)


def test_no_detections_are_empty_arrays_of_the_right_kind():
    none = Detections()

    assert len(none) == 0
    assert (none.boxes_xyxy.shape, none.boxes_xyxy.dtype) == ((0, 4), np.float32)
    assert (none.scores.shape, none.scores.dtype) == ((0,), np.float32)
    assert (none.class_ids.shape, none.class_ids.dtype) == ((0,), np.int32)


def test_empty_detections_share_no_memory():
    assert Detections().boxes_xyxy is not Detections().boxes_xyxy


@pytest.mark.parametrize(
    ("boxes", "scores", "class_ids"),
    [
        (BOXES[:2], SCORES, CLASS_IDS),
        (BOXES, SCORES[:2], CLASS_IDS),
        (BOXES, SCORES, CLASS_IDS[:2]),
        (BOXES[:, :3], SCORES, CLASS_IDS),
        (BOXES.ravel(), SCORES, CLASS_IDS),
        (BOXES, SCORES, CLASS_IDS[:, None]),
    ],
)
def test_detections_that_do_not_belong_together_are_refused(boxes, scores, class_ids):
    with pytest.raises(
        ValueError, match=r"Expected boxes \(N, 4\), scores \(N,\), class_ids \(N,\), got"
    ):
        Detections(boxes, scores, class_ids)


@pytest.mark.parametrize(
    ("index", "kept"),
    [
        (np.array([2, 0]), [2, 0]),
        (np.array([True, False, True]), [0, 2]),
        (np.empty(0, np.int64), []),
        (np.zeros(3, bool), []),
    ],
)
def test_selected_detections(index, kept):
    selected = Detections(BOXES, SCORES, CLASS_IDS).select(index)

    assert np.array_equal(selected.boxes_xyxy, BOXES[kept].reshape(-1, 4))
    assert np.array_equal(selected.scores, SCORES[kept])
    assert np.array_equal(selected.class_ids, CLASS_IDS[kept])


def test_times_add_up():
    assert Timing(1.5, 2.0, 0.25).total_ms == 3.75
    assert Timing().total_ms == 0


def test_a_result_can_not_be_changed():
    mask = np.zeros((2, 3), np.uint8)
    result = Result(Detections(), Segmentation(mask, mask), (2, 3))

    with pytest.raises(AttributeError):
        result.size_hw = (3, 2)
    assert result.timing == Timing()
