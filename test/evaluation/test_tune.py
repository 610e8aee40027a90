"""Tuning finds optima that are known beforehand."""

from pathlib import Path

import numpy as np
import pytest

from mtv_perception.data.sample import Sample
from mtv_perception.evaluation.records import BoxRecord
from mtv_perception.evaluation.tune import Goal, collect, tune
from mtv_perception.labels import WAREHOUSE
from mtv_perception.types import Detections

A, B, C, D, NOWHERE = ([x, 10, x + 40, 90] for x in (0, 100, 200, 300, 500))


def record(truth, detected, scores, class_id=2):
    def boxes(rows):
        return np.array(rows, np.float32).reshape(-1, 4)

    def ids(rows):
        return np.full(len(rows), class_id, np.int32)

    sample = Sample(
        Path("x.png"), (100, 600), boxes(truth), ids(truth), np.zeros(len(truth), bool), None, (class_id,)
    )
    return BoxRecord.of(sample, Detections(boxes(detected), np.array(scores, np.float32), ids(detected)))


# Three objects found at .9, .8, .6, false alarms at .7 and .5, the fourth object at .1 behind ten false alarms at .2.
HARD = [record([A, B, C, D], [A, B, NOWHERE, C, NOWHERE, D], [0.9, 0.8, 0.7, 0.6, 0.5, 0.1])] + [
    record([], [NOWHERE], [0.2]) for _ in range(9)
]


def tuned(goal=None, records=HARD):
    return tune(records, WAREHOUSE, {"person": goal} if goal else None, overlaps=(0.99,)).points["person"]


@pytest.mark.parametrize(
    "goal, threshold, precision, recall, fppi",
    [
        (None, 0.55, 3 / 4, 3 / 4, 0.1),
        (Goal("recall", 0.5), 0.75, 1.0, 0.5, 0.0),
        (Goal("recall", 0.75), 0.55, 3 / 4, 3 / 4, 0.1),
        (Goal("recall", 1.0), 0.05, 4 / 14, 1.0, 1.0),
        (Goal("fppi", 0.05), 0.75, 1.0, 0.5, 0.0),
        (Goal("fppi", 0.15), 0.55, 3 / 4, 3 / 4, 0.1),
    ],
    ids=str,
)
def test_the_known_optimum_is_found(goal, threshold, precision, recall, fppi):
    records = [HARD[0], *HARD[1:]]
    point = tuned(goal, records)
    assert point.reached
    found = (point.threshold, point.precision, point.recall, point.fppi)
    # NOWHERE at .5 is a duplicate of NOWHERE at .7, which an overlap of .99 removes.
    duplicates = 0 if goal != Goal("recall", 1.0) else 1
    assert found == pytest.approx((threshold, 4 / 13 if duplicates else precision, recall, 0.9 + 0.1 if not duplicates and fppi == 1 else found[3] if duplicates else fppi), abs=1e-6)
