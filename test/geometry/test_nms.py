import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtv_perception.geometry.boxes import pairwise_iou
from mtv_perception.geometry.nms import fade, nms, nms_per_class, soft_nms, vote

EMPTY = np.empty((0, 4), np.float32)


def reference(boxes, scores, threshold, limit=None):
    """Every box against every better box that was kept."""
    iou = pairwise_iou(boxes, boxes)
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(iou[i, j] <= threshold for j in kept):
            kept.append(i)
    return kept[:limit]


@st.composite
def scenes(draw):
    """Boxes on whole pixels in float64 (so that overlaps are exact), scores with ties, class
    ids.
    """
    count = draw(st.integers(0, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low = rng.integers(0, 30, (count, 2))
    boxes = np.concatenate([low, low + rng.integers(0, 25, (count, 2))], 1).astype(np.float64)
    return boxes, rng.integers(0, 12, count) / 16, rng.integers(1, 4, count)


thresholds = st.sampled_from([0.0, 0.1, 0.3, 0.45, 0.7, 0.95, 1.0])
limits = st.one_of(st.none(), st.integers(0, 8))


@given(scenes(), thresholds, limits)
def test_it_keeps_what_the_quadratic_reference_keeps(scene, threshold, limit):
    boxes, scores, _ = scene

    assert nms(boxes, scores, threshold, limit).tolist() == reference(
        boxes, scores, threshold, limit
    )


@given(scenes(), thresholds)
def test_the_best_stays_and_no_two_kept_overlap_more_than_the_threshold(scene, threshold):
    boxes, scores, _ = scene

    kept = nms(boxes, scores, threshold)

    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(scores[kept]) <= 0).all()
    if len(scores):
        assert kept[0] == np.argmax(scores)
    overlaps = pairwise_iou(boxes[kept], boxes[kept])
    assert (overlaps[~np.eye(len(kept), dtype=bool)] <= threshold).all()


@given(scenes(), thresholds)
def test_every_dropped_box_overlaps_a_better_kept_one(scene, threshold):
    boxes, scores, _ = scene

    kept = nms(boxes, scores, threshold)

    for dropped in set(range(len(scores))) - set(kept.tolist()):
        better = kept[scores[kept] >= scores[dropped]]
        # An overlap that equals the threshold may be dropped by rounding.
        assert (pairwise_iou(boxes[[dropped]], boxes[better]) > threshold - 1e-9).any()


@given(scenes(), thresholds, limits, limits)
def test_classes_do_not_suppress_each_other(scene, threshold, limit_per_class, limit):
    boxes, scores, class_ids = scene
    expected = []
    for class_id in sorted(set(class_ids.tolist())):
        index = np.flatnonzero(class_ids == class_id)
        expected += index[
            reference(boxes[index], scores[index], threshold, limit_per_class)
        ].tolist()
    expected.sort(key=lambda i: -scores[i])

    kept = nms_per_class(boxes, scores, class_ids, threshold, limit_per_class, limit)

    assert kept.tolist() == expected[:limit]


def test_the_same_box_in_two_classes_stays_twice():
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 9]], np.float32)
    scores = np.array([0.5, 0.9, 0.7], np.float32)

    assert nms(boxes, scores, 0.5).tolist() == [1]
    assert nms_per_class(boxes, scores, np.array([1, 2, 1]), 0.5).tolist() == [1, 2]


def test_equal_scores_keep_input_order():
    boxes = np.array([[20 * i, 0, 20 * i + 9, 9] for i in range(5)], np.float32)

    assert nms(boxes, np.full(5, 0.5, np.float32), 0.5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("threshold", "kept"), [(0.49, [0]), (0.5, [0, 1])])
def test_an_overlap_of_exactly_the_threshold_is_allowed(threshold, kept):
    boxes = np.array([[0, 0, 4, 4], [0, 0, 4, 2]], np.float32)

    assert nms(boxes, np.array([0.9, 0.8], np.float32), threshold).tolist() == kept


def test_threshold_1_keeps_identical_boxes():
    boxes = np.array([[0.1, 0.2, 9.7, 9.3]] * 3, np.float32)

    assert nms(boxes, np.array([3, 2, 1], np.float32), 1.0).tolist() == [0, 1, 2]


def test_empty_boxes_do_not_divide_by_zero():
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5]], np.float32)

    assert nms(boxes, np.array([0.9, 0.8], np.float32), 0.0).tolist() == [0, 1]


def test_nothing_in_nothing_out():
    scores, class_ids = np.empty(0, np.float32), np.empty(0, np.int32)

    assert nms(EMPTY, scores, 0.5).tolist() == []
    assert nms(EMPTY, scores, 0.5).dtype == np.int64
    assert nms_per_class(EMPTY, scores, class_ids, 0.5).tolist() == []
    assert nms_per_class(EMPTY, scores, class_ids, 0.5, 3, 3).dtype == np.int64


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        nms(np.zeros((2, 3)), np.zeros(2), 0.5)


def votes_one_by_one(boxes, scores, class_ids, kept):
    """The mean of every kept box and the dropped ones, vote by vote."""
    iou = pairwise_iou(boxes, boxes)
    means = []
    for k in kept:
        total, sum_of_weights = scores[k] * boxes[k], scores[k]
        for i in range(len(boxes)):
            if class_ids[i] == class_ids[k] and i not in kept:
                weight = scores[i] * np.exp(-((1 - iou[k, i]) ** 2) / 0.025)
                total, sum_of_weights = total + weight * boxes[i], sum_of_weights + weight
        means.append(total / sum_of_weights)
    return np.array(means).reshape(-1, 4)


@given(scenes(), thresholds)
def test_votes_are_those_counted_one_by_one(scene, threshold):
    boxes, scores, class_ids = scene
    scores = scores + 0.01
    kept = nms_per_class(boxes, scores, class_ids, threshold)

    moved = vote(boxes, scores, class_ids, kept)

    np.testing.assert_allclose(moved, votes_one_by_one(boxes, scores, class_ids, kept), atol=1e-9)


@given(scenes(), thresholds)
def test_a_voted_box_stays_between_those_of_its_class(scene, threshold):
    boxes, scores, class_ids = scene
    kept = nms_per_class(boxes, scores + 0.01, class_ids, threshold)

    for k, moved in zip(kept, vote(boxes, scores + 0.01, class_ids, kept), strict=True):
        own = boxes[class_ids == class_ids[k]]
        assert (own.min(0) - 1e-9 <= moved).all() and (moved <= own.max(0) + 1e-9).all()


def test_a_box_moves_to_those_that_agree_and_not_to_neighbours_or_other_classes():
    box, agreeing, neighbour = [10, 10, 50, 110], [10, 10, 50, 114], [45, 10, 85, 110]
    boxes = np.array([box, agreeing, neighbour, agreeing], np.float32)
    scores = np.array([0.8, 0.8, 0.8, 0.8], np.float32)

    (alone,) = vote(boxes[[0, 2]], scores[[0, 2]], np.array([2, 2]), np.array([0]))
    (other_class,) = vote(boxes[[0, 3]], scores[[0, 3]], np.array([2, 3]), np.array([0]))
    (moved,) = vote(boxes, scores, np.array([2, 2, 2, 3]), np.array([0]))

    np.testing.assert_allclose(alone, box, atol=1e-4)
    np.testing.assert_array_equal(other_class, box)
    assert moved[:3] == pytest.approx(box[:3]) and 111.9 < moved[3] < 112
    assert moved.dtype == np.float32


def test_kept_boxes_do_not_move_one_another():
    boxes = np.array([[10, 10, 50, 110], [10, 10, 50, 114]], np.float32)

    moved = vote(boxes, np.array([0.8, 0.7]), np.array([2, 2]), np.arange(2))

    np.testing.assert_allclose(moved, boxes, atol=1e-4)


def test_empty_boxes_stay_where_they_are():
    boxes = np.array([[5, 5, 5, 5], [0, 0, 40, 40], [3, 7, 2, 6]], np.float32)

    moved = vote(boxes, np.ones(3), np.ones(3, int), np.arange(3))

    np.testing.assert_allclose(moved, boxes, atol=1e-4)


def test_nothing_kept_gives_no_boxes():
    nothing = np.empty(0, np.int64)

    assert vote(EMPTY, np.empty(0), nothing, nothing).shape == (0, 4)


def faded_one_by_one(boxes, scores, class_ids):
    """Soft suppression as Bodla et al. write it: take the best, lower the rest."""
    left, taken = dict(enumerate(scores)), []
    while left:
        best = max(left, key=lambda i: (left[i], -i))
        taken.append((best, left.pop(best)))
        for i in left:
            overlap = pairwise_iou(boxes[[best]], boxes[[i]])[0, 0]
            if class_ids[i] == class_ids[best] and overlap > 0.4:
                left[i] *= np.exp(-((overlap - 0.4) ** 2) / 0.1)
    return taken


@given(scenes())
def test_scores_fade_as_one_by_one(scene):
    boxes, scores, class_ids = scene
    scores = scores + 0.01

    order, faded = fade(boxes, scores, class_ids)

    expected = sorted(faded_one_by_one(boxes, scores, class_ids))
    found = sorted(zip(order.tolist(), faded.tolist(), strict=True))
    np.testing.assert_allclose(np.reshape(found, (-1, 2)), np.reshape(expected, (-1, 2)))
    assert (np.diff(faded) <= 0).all() and (faded <= scores[order]).all()


@given(scenes(), st.sampled_from([0.0, 0.2, 0.4]), limits, limits)
def test_up_to_an_overlap_of_two_fifths_nothing_fades(scene, threshold, per_class, limit):
    boxes, scores, class_ids = scene
    scores = scores + 0.01

    kept, moved, faded = soft_nms(boxes, scores, class_ids, threshold, 0.0, per_class, limit)

    expected = nms_per_class(boxes, scores, class_ids, threshold, per_class, limit)
    assert kept.tolist() == expected.tolist() and faded.tolist() == scores[kept].tolist()
    np.testing.assert_array_equal(moved, vote(boxes, scores, class_ids, kept))


def test_the_second_of_two_people_stays_and_the_second_box_of_one_does_not():
    person, behind, again = [10, 10, 50, 110], [26, 10, 66, 110], [14, 10, 54, 110]
    boxes = np.array([person, behind, again], np.float32)  # IoU with the first: .43, .82
    scores, class_ids = np.array([0.9, 0.8, 0.7], np.float32), np.array([2, 2, 2])

    kept, moved, faded = soft_nms(boxes, scores, class_ids, 0.85, 0.4)
    one, *_ = soft_nms(boxes, scores, class_ids, 0.4, 0.4)
    all_, _, lowered = soft_nms(boxes, scores, class_ids, 0.85, np.array([0.4, 0.4, 0.05]))

    assert kept.tolist() == [0, 1] and one.tolist() == [0] and all_.tolist() == [0, 1, 2]
    assert faded[0] == np.float32(0.9) and 0.79 < faded[1] < 0.8 and lowered[2] < 0.15
    assert 10 < moved[0, 0] < 12, "the box that fades away votes"
    assert (moved.dtype, faded.dtype) == (np.float32, np.float32)


def test_a_score_that_does_not_fade_stays_also_below_the_lowest():
    kept, _, _ = soft_nms(np.array([[0.0, 0, 9, 9]]), np.array([0.3]), np.array([1]), 0.5, 0.4)

    assert kept.tolist() == [0]


@given(scenes())
def test_an_overlap_of_one_suppresses_nothing(scene):
    boxes, scores, class_ids = scene

    kept, _, faded = soft_nms(boxes, scores + 0.01, class_ids, 1.0, 0.5)

    assert sorted(kept.tolist()) == list(range(len(scores)))
    assert faded.tolist() == (scores + 0.01)[kept].tolist()


def test_soft_suppression_of_nothing():
    nothing = np.empty(0, np.int64)

    kept, moved, faded = soft_nms(EMPTY, np.empty(0, np.float32), nothing, 0.5, 0.1, 3, 3)

    assert (kept.shape, moved.shape, faded.shape) == ((0,), (0, 4), (0,))
