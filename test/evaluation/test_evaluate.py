"""A perceiver that knows the truth scores 1, a blind one 0, and what the labels can't tell is
null.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from mtv_perception.data.sample import Dataset
from mtv_perception.errors import DatasetError
from mtv_perception.evaluation.evaluate import evaluate


def scores_of(perceive, dataset):
    scores = evaluate(perceive, dataset, quiet=True).to_json()
    return json.loads(json.dumps(scores, allow_nan=False))


def test_the_truth_scores_one(oracle, dataset):
    scores = scores_of(oracle, dataset)
    assert scores["images"] == 6 and scores["dataset"] == "rectangles"
    means = [scores[key] for key in ("map", "map50", "map75", "ap70")]
    assert means == pytest.approx([1] * 4)
    for name in ("rail", "person", "forklift"):
        assert scores["per_class"][name] == pytest.approx({"ap": 1, "ap50": 1, "ap70": 1})
    assert scores["miou"] == scores["miou_foreground"] == 1
    assert scores["iou"] == dict.fromkeys(["background", "rail", "person", "forklift"], 1)
    assert scores["boundary_f"] == dict.fromkeys(["rail", "person", "forklift"], 1)
    assert scores["person_recall_at_0.1fppi"] == 1
    assert scores["d_ece"] == 0
    assert scores["latency_ms"] == {"p50": 4, "p95": 4, "p99": 4}
    confusion = np.array(scores["confusion"])
    assert confusion.shape == (4, 4) and (confusion == np.diag(np.diag(confusion))).all()
    assert confusion.sum() == 6 * 120 * 159


def test_coco_figures_have_their_names(oracle, dataset):
    figures = scores_of(oracle, dataset)["coco"]
    assert list(figures) == (
        [
            "AP",
            "AP50",
            "AP75",
            "APsmall",
            "APmedium",
            "APlarge",
            "AR1",
            "AR10",
            "AR100",
            "ARsmall",
            "ARmedium",
            "ARlarge",
        ]
    )
    assert figures["AR100"] == 1 and figures["APlarge"] is None


def test_seeing_nothing_scores_zero(blind, dataset):
    scores = scores_of(blind, dataset)
    assert scores["map"] == 0 and scores["per_class"]["person"]["ap50"] == 0
    assert scores["iou"]["person"] == 0 and scores["iou"]["background"] > 0.5
    assert scores["person_recall_at_0.1fppi"] == 0
    assert scores["d_ece"] is None


def restricted(dataset, box_classes, mask_classes):
    samples = tuple(
        replace(s, box_classes=box_classes, mask_classes=mask_classes) for s in dataset.samples
    )
    return replace(dataset, samples=samples)


def test_only_labelled_classes_count(oracle, dataset):
    scores = scores_of(oracle, restricted(dataset, (2,), (2,)))
    assert scores["map"] == pytest.approx(1)
    assert scores["per_class"]["rail"] == {"ap": None, "ap50": None, "ap70": None}
    assert scores["iou"] == {"background": 1, "rail": None, "person": 1, "forklift": None}
    assert scores["boundary_f"] == {"rail": None, "person": 1, "forklift": None}
    assert scores["legacy"]["jaccard"]["rail"] is None


def test_without_labels_everything_is_null(oracle, dataset):
    scores = scores_of(oracle, restricted(dataset, (), ()))
    assert (
        scores["map"]
        is scores["miou"]
        is scores["confusion"]
        is scores["person_recall_at_0.1fppi"]
        is None
    )
    assert set(scores["coco"].values()) == {None}
    assert scores["latency_ms"]["p50"] == 4


def test_a_class_is_judged_only_in_images_where_it_is_boxed(oracle, dataset):
    first, *others = dataset.samples
    known = slice(1, 3)
    unboxed = replace(
        first,
        box_classes=(2, 3),
        boxes_xyxy=first.boxes_xyxy[known],
        class_ids=first.class_ids[known],
        crowd=first.crowd[known],
    )
    scores = scores_of(oracle, replace(dataset, samples=(unboxed, *others)))
    assert scores["per_class"]["rail"]["ap"] == pytest.approx(1)


def test_legacy_scores_are_lower_for_perfect_masks(oracle, dataset):
    legacy = scores_of(oracle, dataset)["legacy"]
    assert legacy["ap50"]["person"] == 1
    assert (
        legacy["jaccard"]["forklift"] < 1 == legacy["jaccard"]["background"] == legacy["accuracy"]
    )


def test_no_images_is_an_error(oracle, dataset):
    with pytest.raises(DatasetError, match="empty data set"):
        evaluate(oracle, Dataset("none", dataset.labels, ()), quiet=True)


def test_labels_of_another_image_size_are_an_error(oracle, dataset):
    wrong = replace(dataset.samples[0], size_hw=(10, 10))
    with pytest.raises(DatasetError, match=r"expected size \(10, 10\), got \(120, 160\)"):
        evaluate(oracle, replace(dataset, samples=(wrong,)), quiet=True)
