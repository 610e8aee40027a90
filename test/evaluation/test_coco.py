"""COCO's figures, read from pycocotools, against our own AP of the same detections."""

from pathlib import Path

import numpy as np
import pytest

from mtv_perception.data.sample import Sample
from mtv_perception.evaluation.coco import coco_scores
from mtv_perception.evaluation.records import BoxRecord, class_images
from mtv_perception.metrics.detection import interpolated_precision
from mtv_perception.metrics.matching import AREA_RANGES, match_class
from mtv_perception.types import Detections

CLASSES = (1, 2, 3)


def random_record(rng):
    count = rng.integers(0, 8)
    corner = rng.integers(0, 150, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(4, 150, (count, 2))], 1).astype(
        np.float32
    )
    class_ids = rng.choice([1, 2], count).astype(np.int32)
    found = rng.random(count) < 0.8
    guesses = (boxes[found] + rng.normal(0, 4, (found.sum(), 4))).astype(np.float32)
    guesses[:, 2:] = np.maximum(guesses[:, 2:], guesses[:, :2] + 1)
    detections = Detections(guesses, rng.random(len(guesses)).astype(np.float32), class_ids[found])
    known = CLASSES if rng.random() < 0.7 else (1, 3)
    return BoxRecord.of(
        Sample(Path("x.png"), (300, 300), boxes, class_ids, rng.random(count) < 0.2, None, known),
        detections,
    )


def average_precision(matches):
    return interpolated_precision(matches).mean(1)


def final_recall(matches):
    if not matches.objects:
        return np.full(len(matches.hits), np.nan)
    return matches.hits.sum(1) / matches.objects


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_our_own(seed):
    rng = np.random.default_rng(seed)
    records = [random_record(rng) for _ in range(12)]
    scores = coco_scores(records)

    def mean(values):
        return float(np.nanmean(values))

    by_class = {c: match_class(class_images(records, c)) for c in CLASSES}
    precision = np.array([average_precision(matches) for matches in by_class.values()])
    expected = {"AP": precision, "AP50": precision[:, 0], "AP75": precision[:, 5]}
    for area in ("small", "medium", "large"):
        matches = [
            match_class(class_images(records, c), area_range=AREA_RANGES[area]) for c in CLASSES
        ]
        expected[f"AP{area}"] = np.array([average_precision(m) for m in matches])
        expected[f"AR{area}"] = np.array([final_recall(m) for m in matches])
    for limit in (1, 10, 100):
        matches = [match_class(class_images(records, c), max_detections=limit) for c in CLASSES]
        expected[f"AR{limit}"] = np.array([final_recall(m) for m in matches])
    assert set(expected) == set(scores.figures)
    for name, values in expected.items():
        if np.isnan(values).all():
            assert scores.figures[name] is None
        else:
            assert scores.figures[name] == pytest.approx(mean(values), abs=1e-12), name
    assert scores.ap70 == pytest.approx(mean(precision[:, 4]), abs=1e-12)
    assert scores.per_class[1].ap == pytest.approx(mean(precision[0]), abs=1e-12)
    assert scores.per_class[3].ap is None


def test_nothing_boxed_gives_nothing():
    scores = coco_scores([])
    assert set(scores.figures.values()) == {None} and scores.per_class == {}


def test_pycocotools_is_kept_quiet(capsys):
    coco_scores([random_record(np.random.default_rng(0))])
    assert capsys.readouterr().out == ""
