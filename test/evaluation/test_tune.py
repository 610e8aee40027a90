"""Tuning finds optima that are known beforehand."""

from pathlib import Path

import numpy as np
import pytest

from mtv_perception.data.sample import Sample
from mtv_perception.errors import DatasetError
from mtv_perception.evaluation.records import BoxRecord
from mtv_perception.evaluation.tune import Goal, collect, suppressed, tune
from mtv_perception.geometry.nms import vote
from mtv_perception.labels import WAREHOUSE
from mtv_perception.types import Detections

A, B, C, D, NOWHERE, ELSEWHERE = ([x, 10, x + 40, 90] for x in range(0, 600, 100))


def record(truth, detected, scores, class_id=2):
    def boxes(rows):
        return np.array(rows, np.float32).reshape(-1, 4)

    def ids(rows):
        return np.full(len(rows), class_id, np.int32)

    sample = Sample(
        Path("x.png"),
        (100, 600),
        boxes(truth),
        ids(truth),
        np.zeros(len(truth), bool),
        None,
        (class_id,),
    )
    return BoxRecord.of(
        sample, Detections(boxes(detected), np.array(scores, np.float32), ids(detected))
    )


# Ten images; by falling score: hit, hit, miss, hit, miss, nine misses in the other images, hit.
HARD = [
    record([A, B, C, D], [A, B, NOWHERE, C, ELSEWHERE, D], [0.9, 0.8, 0.7, 0.6, 0.5, 0.1]),
    *(record([], [NOWHERE], [0.2]) for _ in range(9)),
]


@pytest.mark.parametrize(
    "goal, threshold, precision, recall, fppi",
    [
        (Goal(), 0.55, 3 / 4, 3 / 4, 0.1),
        (Goal("recall", 0.5), 0.75, 1.0, 0.5, 0.0),
        (Goal("recall", 0.75), 0.55, 3 / 4, 3 / 4, 0.1),
        (Goal("recall", 1.0), 0.05, 4 / 15, 1.0, 1.1),
        (Goal("fppi", 0.05), 0.75, 1.0, 0.5, 0.0),
        (Goal("fppi", 0.15), 0.55, 3 / 4, 3 / 4, 0.1),
    ],
    ids=str,
)
def test_the_known_optimum_is_found(goal, threshold, precision, recall, fppi):
    tuning = tune(HARD, WAREHOUSE, {"person": goal})
    point = tuning.points["person"]
    found = (point.threshold, point.precision, point.recall, point.fppi)
    assert point.reached and tuning.images == 10
    assert found == pytest.approx((threshold, precision, recall, fppi), abs=1e-6)
    assert tuning.thresholds == {"person": point.threshold}


@pytest.mark.parametrize(
    "goal, threshold",
    [(Goal("recall", 0.5), 0.1), (Goal("fppi", 0.4), 0.45)],
    ids=["recall", "fppi"],
)
def test_a_goal_out_of_reach_is_said_to_be(goal, threshold):
    truth, score = ([A, B, C], 0.2) if goal.kind == "recall" else ([], 0.9)
    records = [record(truth, [NOWHERE], [score]), record([A] if not truth else [], [], [])]
    point = tune(records, WAREHOUSE, {"person": goal}).points["person"]
    assert not point.reached and point.threshold == pytest.approx(threshold)


def test_the_overlap_keeps_neighbours_and_drops_duplicates():
    one, neighbour, duplicate = (
        [20, 0, 60, 90],
        [33, 0, 73, 90],
        [12, 0, 52, 90],
    )  # IoU with the first: .51, .67
    weak = record(
        [one], [one], [0.6]
    )  # the threshold must let it through, so it can't shut out the duplicate
    crowded = record([one, neighbour], [one, neighbour, duplicate], [0.9, 0.8, 0.7])
    tuning = tune([crowded, weak], WAREHOUSE)
    assert tuning.iou_threshold == 0.55
    assert [o for o, f1 in tuning.mean_f1.items() if f1 == 1] == [0.55, 0.6, 0.65, 0.7], "it fades"


def test_dropped_boxes_vote_as_in_the_node():
    same_object = np.array([[20, 0, 60, 90], [20, 0, 60, 94]], np.float32)
    found = record([[20, 0, 60, 92]], same_object.tolist(), [0.8, 0.8])

    (kept,) = suppressed([found], 0.5)

    scores, class_ids = found.detections.scores, found.detections.class_ids
    expected = vote(same_object, scores, class_ids, np.array([0]))
    np.testing.assert_array_equal(kept.detections.boxes_xyxy, expected)
    assert 91 < expected[0, 3] < 92


def test_classes_without_objects_or_detections_get_no_threshold():
    nothing = [record([], [A], [0.9], class_id=1), record([A], [], [], class_id=3)]
    tuning = tune([*HARD, *nothing], WAREHOUSE)
    assert set(tuning.thresholds) == {"person"} and tuning.unseen == ("forklift",)
    with pytest.raises(DatasetError, match="to tune on, got none"):
        tune(nothing, WAREHOUSE)


def test_a_class_of_which_no_detection_is_right_gets_no_best_threshold():
    wrong = record([A], [[100, 100, 120, 140]], [0.02], class_id=3)
    assert tune([*HARD, wrong], WAREHOUSE).unseen == ("forklift",)
    few = tune([*HARD, wrong], WAREHOUSE, {"forklift": Goal("fppi", 0.1)})
    assert not few.points["forklift"].reached


def test_an_overlap_that_does_not_matter_stays_the_usual():
    assert tune(HARD, WAREHOUSE).iou_threshold == 0.5


def test_one_pass_collects_what_is_tuned_on(oracle, dataset):
    calls = []

    def counting(image):
        calls.append(1)
        return oracle(image)

    tuning = tune(collect(counting, dataset, quiet=True), dataset.labels)
    assert len(calls) == len(dataset) + 1  # the first image once more, to warm up
    assert {name: point.f1 for name, point in tuning.points.items()} == {
        "rail": 1,
        "person": 1,
        "forklift": 1,
    }


@pytest.mark.parametrize(
    "kind, value", [("best", 0), ("recall", 0), ("recall", 1.5), ("fppi", float("nan"))]
)
def test_a_goal_must_make_sense(kind, value):
    with pytest.raises(ValueError, match="Expected a"):
        Goal(kind, value)


def test_a_goal_for_an_unknown_class_is_refused():
    with pytest.raises(ValueError, match="rail, person, forklift, got 'cat'"):
        tune(HARD, WAREHOUSE, {"cat": Goal()})
