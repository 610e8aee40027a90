"""Matching and AP against pycocotools, which defines them."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mtv_perception.metrics.detection import interpolated_precision
from mtv_perception.metrics.matching import (
    AREA_RANGES,
    COCO_IOU_THRESHOLDS,
    ImageBoxes,
    iou_with_crowds,
    match_class,
    match_image,
    xyxy_to_xywh,
)


def boxes_of(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def random_image(rng, canvas=200, most=8):
    """Objects, crowds, good and bad detections, duplicates, equal scores; often nothing at all."""
    truth = rng.integers(0, canvas, (rng.integers(0, most), 2))
    truth = np.concatenate([truth, truth + rng.integers(1, canvas, truth.shape)], 1).astype(
        np.float32
    )
    crowd = rng.random(len(truth)) < 0.25
    copies = truth[rng.integers(0, len(truth), rng.integers(0, most))] if len(truth) else truth
    detected = np.concatenate(
        [
            copies + rng.normal(0, rng.choice([0, 2, 10]), copies.shape),
            boxes_of(*rng.integers(0, canvas, (rng.integers(0, 4), 4))),
        ]
    )
    detected[:, 2:] = np.maximum(detected[:, 2:], detected[:, :2] + 1)
    detected = np.concatenate([detected, detected[: rng.integers(0, 3)]]).astype(np.float32)
    scores = rng.choice([0.1, 0.5, 0.9, *rng.random(5)], len(detected)).astype(np.float32)
    return ImageBoxes(truth, detected, scores, crowd)


def coco_tables(images, max_detections):
    def annotations(image, boxes, **columns):
        return [
            {
                "image_id": image,
                "category_id": 1,
                "bbox": xywh.tolist(),
                "area": float(xywh[2] * xywh[3]),
                "iscrowd": 0,
            }
            | {key: column[row].item() for key, column in columns.items()}
            for row, xywh in enumerate(xyxy_to_xywh(boxes))
        ]

    def index(found):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i} for i in range(len(images))],
            "categories": [{"id": 1}],
            "annotations": [item | {"id": n} for n, item in enumerate(found, 1)],
        }
        coco.createIndex()
        return coco

    with contextlib.redirect_stdout(io.StringIO()):
        truth = index(
            [
                a
                for i, image in enumerate(images)
                for a in annotations(i, image.truth_xyxy, iscrowd=image.crowd.astype(int))
            ]
        )
        found = index(
            [
                a
                for i, image in enumerate(images)
                for a in annotations(i, image.detected_xyxy, score=image.scores.astype(np.float64))
            ]
        )
        tables = COCOeval(truth, found, "bbox")
        tables.params.maxDets = [1, 3, max_detections]
        tables.evaluate()
        tables.accumulate()
    return tables.eval


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 6),
    max_detections=st.sampled_from([4, 100]),
)
def test_equals_pycocotools_to_the_last_bit(seed, count, max_detections):
    rng = np.random.default_rng(seed)
    images = [random_image(rng) for _ in range(count)]
    tables = coco_tables(images, max_detections)
    for area_index, limits in enumerate(AREA_RANGES.values()):
        for limit_index, limit in enumerate([1, 3, max_detections]):
            matches = match_class(images, area_range=limits, max_detections=limit)
            expected = tables["precision"][:, :, 0, area_index, limit_index]
            np.testing.assert_array_equal(
                np.nan_to_num(interpolated_precision(matches), nan=-1), expected
            )
            expected = tables["recall"][:, 0, area_index, limit_index]
            recall = matches.hits.sum(1) / matches.objects if matches.objects else -np.ones(10)
            np.testing.assert_array_equal(recall, expected)


def test_no_images_have_no_precision():
    matches = match_class([])
    assert matches.scores.shape == (0,) and matches.hits.shape == (10, 0)
    assert np.isnan(interpolated_precision(matches)).all()


@pytest.mark.parametrize(
    "truth, detected, scores, expected",
    [
        ([], [], [], np.nan),
        ([], [[0, 0, 10, 10]], [0.9], np.nan),
        ([[0, 0, 10, 10]], [], [], 0.0),
        ([[0, 0, 10, 10]], [[0, 0, 10, 10]], [0.9], 1.0),
        ([[0, 0, 10, 10]], [[0, 0, 10, 10]] * 2, [0.9, 0.8], 1.0),
        ([[0, 0, 10, 10]], [[50, 50, 60, 60], [0, 0, 10, 10]], [0.9, 0.8], 0.5),
        ([[0, 0, 10, 10], [20, 20, 30, 30]], [[0, 0, 10, 10]] * 2, [0.9, 0.8], 51 / 101),
    ],
    ids=[
        "nothing",
        "false alarm only",
        "missed",
        "found",
        "found twice",
        "false alarm first",
        "duplicate is no hit",
    ],
)
def test_average_precision_of_small_cases(truth, detected, scores, expected):
    images = [ImageBoxes(boxes_of(*truth), boxes_of(*detected), np.array(scores))]
    np.testing.assert_allclose(
        interpolated_precision(match_class(images)).mean(1), expected, rtol=1e-12
    )


def test_a_crowd_is_neither_object_nor_false_alarm():
    crowd = ImageBoxes(
        boxes_of([0, 0, 100, 100]),
        boxes_of([0, 0, 10, 10], [20, 20, 30, 30]),
        np.ones(2),
        np.array([True]),
    )
    matches = match_class([crowd])
    assert matches.objects == 0 and matches.ignored.all() and not matches.misses.any()


def test_each_object_is_taken_once_and_the_better_detection_chooses_first():
    iou = np.array([[0.6, 0.8], [0.0, 0.9]])
    taken = match_image(iou, np.zeros(2, bool), np.zeros(2, bool), COCO_IOU_THRESHOLDS[:1])
    np.testing.assert_array_equal(taken, [[1, -1]])


def test_iou_of_a_crowd_is_the_share_inside_it():
    boxes = np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 100, 10]])
    assert iou_with_crowds(*boxes, np.array([True]))[0, 0] == 0.5
    assert iou_with_crowds(*boxes, np.array([False]))[0, 0] == pytest.approx(50 / 1050)


def test_a_score_for_each_box_is_asked_for():
    with pytest.raises(ValueError, match="2 detections, got 0 and 1"):
        ImageBoxes(boxes_of(), np.zeros((2, 4)), np.zeros(1))
