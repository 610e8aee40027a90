import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtv_perception.config import to_plain
from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.data.sample import Dataset, Sample
from mtv_perception.data.statistics import (
    Spread,
    best_default_iou,
    class_weights,
    cluster_shapes,
    coverage,
    describe,
    network_boxes,
    shape_iou,
    spread,
)
from mtv_perception.geometry.boxes import pairwise_iou
from mtv_perception.geometry.default_boxes import pyramid_spec, ssd_spec
from mtv_perception.labels import WAREHOUSE
from mtv_perception.network.preset_boxes import PRESET_BOXES
from mtv_perception.plots.statistics import plot_statistics


def read_coco(root, labels, **options):
    return read_dataset(root, ReadOptions(labels, **options), "coco")


SIZE_HW = (96, 128)
SPEC = ssd_spec(SIZE_HW, [(12, 16), (3, 4)], [0.2, 0.6], paddings=[None, 0.1])


def make_sample(folder, number, boxes, class_ids, crowd, mask, size_hw=(96, 128)):
    mask_path = None
    if mask is not None:
        mask_path = folder / f"{number}.png"
        cv2.imwrite(str(mask_path), mask)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Sample(
        Path(f"{number}.jpg"),
        size_hw,
        boxes,
        np.array(class_ids, np.int32),
        np.array(crowd, bool),
        mask_path,
        (1, 2, 3),
        (1, 2, 3),
    )


@pytest.fixture
def dataset(tmp_path):
    first = np.zeros((96, 128), np.uint8)
    first[:24], first[24:36] = 2, 255
    second = np.zeros((96, 128), np.uint8)
    second[:12], second[90:] = 2, 1
    return Dataset(
        "three",
        WAREHOUSE,
        (
            make_sample(tmp_path, 0, [(0, 0, 10, 40), (5, 5, 45, 15)], [2, 2], [0, 0], first),
            make_sample(tmp_path, 1, [(0, 0, 20, 20), (0, 0, 60, 60)], [2, 3], [0, 1], second),
            make_sample(tmp_path, 2, [], [], [], None),
        ),
    )


def random_boxes(count, seed=0):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 80, (count, 2))
    return np.concatenate([low, low + rng.uniform(1, 60, (count, 2))], 1)


def test_nothing():
    statistics = describe([Dataset("none", WAREHOUSE, ())], WAREHOUSE, SIZE_HW, SPEC)
    assert [item.instances for item in statistics.classes] == [0, 0, 0, 0]
    assert statistics.clusters is statistics.coverage is statistics.unlabelled_share is None
    assert all(
        item.weight is item.pixel_share is item.size_px is None for item in statistics.classes
    )


def test_counts(dataset):
    statistics = describe([dataset], WAREHOUSE, SIZE_HW, SPEC)
    person, forklift = statistics.classes[2:]
    assert (person.images, person.instances, person.crowds) == (2, 3, 0)
    assert (forklift.images, forklift.instances, forklift.crowds) == (0, 0, 1)
    assert person.size_px.p50 == pytest.approx(20)
    assert person.aspect_ratio.p50 == pytest.approx(1)
    assert forklift.size_px is None
    (source,) = statistics.sources
    assert (source.images, source.masks, source.objects) == (3, 2, 3)


def test_two_sets_are_taken_together(dataset):
    twice = describe([dataset, dataset], WAREHOUSE, SIZE_HW)
    assert twice.classes[2].instances == 6
    assert twice.classes[2].images == 4
    assert len(twice.sources) == 2
    assert twice.coverage is None


def test_pixel_shares_and_weights(dataset):
    statistics = describe([dataset], WAREHOUSE, SIZE_HW)
    background, rail, person, forklift = statistics.classes
    rows = {"background": 60 + 78, "rail": 6, "person": 24 + 12}
    labelled = 84 + 96
    assert background.pixel_share == pytest.approx(rows["background"] / labelled)
    assert rail.pixel_share == pytest.approx(rows["rail"] / labelled)
    assert (rail.pixel_images, person.pixel_images, forklift.pixel_images) == (1, 2, 0)
    frequencies = [rows["background"] / labelled, rows["rail"] / 96, rows["person"] / labelled]
    middle = np.median(frequencies)
    assert [background.weight, rail.weight, person.weight] == pytest.approx(
        [middle / f for f in frequencies]
    )
    assert forklift.weight is None
    assert forklift.pixel_share == 0
    assert statistics.unlabelled_share == pytest.approx(12 / 192)


def test_weights_by_brute_force():
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 50, (8, 4)) * (rng.random((8, 4)) > 0.5)
    frequencies = []
    for class_id in range(4):
        shown = [row for row in pixels if row[class_id] > 0]
        frequencies.append(sum(row[class_id] for row in shown) / sum(row.sum() for row in shown))
    assert class_weights(pixels) == pytest.approx([np.median(frequencies) / f for f in frequencies])
    assert class_weights(np.empty((0, 3), np.int64)) == (None, None, None)


def test_boxes_are_measured_in_the_letterboxed_image():
    sample = make_sample(None, 0, [(0, 0, 200, 100)], [1], [0], None, size_hw=(100, 200))
    np.testing.assert_allclose(network_boxes(sample, (96, 128)), [[0, 16, 128, 80]])


def test_spread():
    assert spread(np.empty(0)) is None
    assert spread(np.arange(101)) == Spread(5, 25, 50, 75, 95)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_best_default_box_is_that_of_a_full_search(seed):
    boxes = random_boxes(5, seed)
    for spec in (SPEC, pyramid_spec(SIZE_HW, [(12, 16), (6, 8)], [16, 32], [1, 1.4], [0.4, 1, 2])):
        every = pairwise_iou(boxes, spec.boxes_xyxy().astype(np.float64)).max(1)
        np.testing.assert_allclose(best_default_iou(boxes, spec), every, atol=1e-6)


def test_coverage_of_the_default_boxes_themselves_is_whole():
    boxes = SPEC.boxes_xyxy().astype(np.float64)
    assert coverage(boxes, SPEC).recall == 1
    assert coverage(boxes, SPEC).mean_best_iou == pytest.approx(1)
    assert best_default_iou(np.empty((0, 4)), SPEC).shape == (0,)


def test_shape_iou_is_that_of_centred_boxes():
    a, b = np.random.default_rng(1).uniform(1, 50, (2, 6, 2))
    centred = [np.concatenate([-shapes / 2, shapes / 2], 1) for shapes in (a, b)]
    np.testing.assert_allclose(shape_iou(a, b), pairwise_iou(*centred))


def test_clusters_find_distinct_shapes():
    rng = np.random.default_rng(2)
    truth = np.array([[10.0, 20.0], [40.0, 40.0], [120.0, 60.0]])
    shapes = np.concatenate([shape * rng.uniform(0.95, 1.05, (50, 2)) for shape in truth])
    clusters = cluster_shapes(shapes, 3)
    np.testing.assert_allclose(clusters.shapes_wh, truth, rtol=0.02)
    assert clusters.mean_best_iou > 0.9
    assert clusters == cluster_shapes(shapes, 3)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 1000))
def test_clusters_keep_their_count_and_fit(count, different, seed):
    shapes = np.random.default_rng(seed).uniform(2, 90, (different, 2)).repeat(3, axis=0)
    clusters = cluster_shapes(shapes, count)
    assert len(clusters.shapes_wh) == min(count, different)
    best = shape_iou(shapes, np.array(clusters.shapes_wh)).max(1).mean()
    assert clusters.mean_best_iou == pytest.approx(best)
    if count >= different:
        assert clusters.mean_best_iou == pytest.approx(1)


@pytest.mark.parametrize(("shapes", "count"), [(np.empty((0, 2)), 3), (np.ones((2, 2)), 0)])
def test_clusters_of_nothing(shapes, count):
    with pytest.raises(ValueError, match="at least one"):
        cluster_shapes(shapes, count)


def test_json(dataset):
    text = json.dumps(to_plain(describe([dataset], WAREHOUSE, SIZE_HW, SPEC)), allow_nan=False)
    assert json.loads(text)["classes"][2]["name"] == "person"


@pytest.mark.parametrize("empty", [True, False])
def test_plot(tmp_path, dataset, empty):
    chosen = Dataset("none", WAREHOUSE, ()) if empty else dataset
    path = tmp_path / "plots" / "a.png"
    plot_statistics(describe([chosen], WAREHOUSE, SIZE_HW, SPEC), WAREHOUSE, path)
    assert min(cv2.imread(str(path)).shape[:2]) > 500


@pytest.mark.parametrize("preset", PRESET_BOXES)
def test_preset_boxes_are_those_of_the_network(preset):
    pytest.importorskip("keras", reason="needs the extra 'train'")
    from mtv_perception.network.config import NetworkConfig
    from mtv_perception.network.multitask import build_network

    network = build_network(NetworkConfig(preset=preset, size_hw=(128, 256)))
    assert network.default_boxes == PRESET_BOXES[preset]((128, 256))


def test_real_people(real_data):
    statistics = describe([read_coco(real_data / "coco_person", WAREHOUSE)], WAREHOUSE, (480, 640))
    person = statistics.classes[2]
    assert (person.instances, statistics.sources[0].masks) == (254, 100)
    assert 0.05 < person.pixel_share < 0.2
    assert person.weight > 1 > statistics.classes[0].weight


@pytest.mark.parametrize("size_hw", [(421, 640), (427, 640), (768, 1366), (121, 161)])
def test_boxes_are_told_in_pixels_of_any_size(size_hw):
    """That of a camera, as a report asks, need not fit a network."""
    sample = Sample(
        Path("a.jpg"),
        size_hw,
        boxes_xyxy=np.array([[10, 20, 60, 100]], np.float32),
        class_ids=np.array([1], np.int32),
        crowd=np.zeros(1, bool),
    )
    np.testing.assert_allclose(network_boxes(sample, size_hw), sample.boxes_xyxy)
