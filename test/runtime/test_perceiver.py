import math
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest

from mtv_perception.config import from_mapping
from mtv_perception.errors import ArtefactError, ConfigError, ImageError
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.labels import UNLABELED_ID
from mtv_perception.runtime import perceiver as perceiver_module
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig

SIZE_HW = (32, 64)
IMAGE = np.full((*SIZE_HW, 3), 90, np.uint8)
RAIL, PERSON, FORKLIFT = 1, 2, 3
COUNT = 4 * 8
MAX_LOGIT = math.log((1 - 1e-4) / 1e-4)


def logit(score):
    return math.log(score / (1 - score))


def class_logits(*entries):
    """Logits of 4 x 8 default boxes; entries are row, column, class id, score."""
    logits = np.full((COUNT, 3), -20, np.float32)
    for row, column, class_id, score in entries:
        logits[row * 8 + column, class_id - 1] = logit(score)
    return logits


def found(result):
    boxes = result.detections.boxes_xyxy.round(3).tolist()
    scores = [round(score, 3) for score in result.detections.scores.tolist()]
    return list(zip(boxes, result.detections.class_ids.tolist(), scores, strict=True))


SCENE = class_logits(
    (0, 0, PERSON, 0.9), (1, 2, RAIL, 0.6), (3, 7, FORKLIFT, 0.4), (2, 4, PERSON, 0.35)
)


def test_an_empty_scene_gives_an_empty_result_of_the_images_size(fake_model):
    result = Perceiver(fake_model())(IMAGE)

    assert len(result.detections) == 0
    assert result.detections.boxes_xyxy.shape == (0, 4)
    assert result.size_hw == SIZE_HW
    assert (result.segmentation.class_ids == 0).all()
    assert result.segmentation.class_ids.shape == SIZE_HW


def test_detections_come_in_source_pixels_best_first(fake_model):
    assert found(Perceiver(fake_model(class_logits=SCENE))(IMAGE)) == [
        ([0, 0, 8, 8], PERSON, 0.9),
        ([16, 8, 24, 16], RAIL, 0.6),
        ([56, 24, 64, 32], FORKLIFT, 0.4),
        ([32, 16, 40, 24], PERSON, 0.35),
    ]


def test_detections_scale_with_the_source(fake_model):
    large = np.zeros((96, 192, 3), np.uint8)

    assert found(Perceiver(fake_model(class_logits=SCENE))(large))[0] == (
        [0, 0, 24, 24],
        PERSON,
        0.9,
    )


def test_boxes_are_cut_to_the_image_and_dropped_in_the_padding(fake_model):
    logits = class_logits((0, 4, PERSON, 0.9), (1, 0, PERSON, 0.8), (1, 3, PERSON, 0.7))
    offsets = np.zeros((COUNT, 4), np.float32)
    offsets[11, 2:] = math.log(4) / 0.2
    portrait = np.zeros((64, 32, 3), np.uint8)

    result = Perceiver(fake_model(class_logits=logits, box_offsets=offsets))(portrait)

    # The image is 16 wide from column 24 on; the box at 24..32 is made 32 high and wide and cut.
    assert found(result) == [([16, 0, 32, 16], PERSON, 0.9), ([0, 0, 32, 56], PERSON, 0.7)]


def test_the_network_sees_the_letterboxed_image(fake_model):
    model = fake_model()
    image = np.random.default_rng(0).integers(0, 256, (50, 33, 3), np.uint8)
    expected = np.zeros((*SIZE_HW, 3), np.uint8)
    Letterbox.fit((50, 33), SIZE_HW).write(image, expected)

    Perceiver(model)(image)

    assert np.array_equal(model.seen, expected)


@pytest.mark.parametrize("source", [(1, 1), (1, 2), (3, 1), (31, 63), (500, 3)])
def test_any_size_of_image_is_seen(fake_model, source):
    result = Perceiver(fake_model(class_logits=SCENE))(np.zeros((*source, 3), np.uint8))

    assert result.segmentation.class_ids.shape == result.segmentation.confidence.shape == source
    assert (result.detections.boxes_xyxy <= [source[1], source[0]] * 2).all()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((32, 64), np.uint8),
        np.zeros((32, 64, 4), np.uint8),
        np.zeros((32, 64, 3), np.float32),
        np.zeros((0, 64, 3), np.uint8),
        np.zeros((32, 0, 3), np.uint8),
    ],
    ids=["grey", "four channels", "floats", "no rows", "no columns"],
)
def test_an_image_of_another_kind_is_refused(fake_model, image):
    perceiver = Perceiver(fake_model())

    with pytest.raises(ImageError, match=r"Expected an image \(H, W, 3\) uint8, got \("):
        perceiver(image)
    assert len(perceiver(IMAGE).detections) == 0


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({}, 4),
        ({"score_threshold": 0.38}, 3),
        ({"score_threshold": 0.95}, 0),
        ({"score_threshold": 0.95, "class_score_thresholds": ("rail=0.5",)}, 1),
        ({"class_score_thresholds": ("person=0.5", "forklift=0.41")}, 2),
        ({"class_score_thresholds": ("person=1",)}, 2),
        ({"max_detections": 2}, 2),
        ({"max_per_class": 1}, 3),
        ({"max_candidates": 1}, 1),
    ],
    ids=str,
)
def test_thresholds_and_limits(fake_model, config, kept):
    result = Perceiver(fake_model(class_logits=SCENE), PerceiverConfig(**config))(IMAGE)

    assert len(result.detections) == kept


def test_the_models_own_thresholds_hold_until_the_user_says_otherwise(fake_model):
    model = fake_model(class_logits=SCENE, thresholds={"person": 0.5, "forklift": 0.45})

    assert [c for _, c, _ in found(Perceiver(model)(IMAGE))] == [PERSON, RAIL]
    assert len(Perceiver(model, PerceiverConfig(score_threshold=0.38))(IMAGE).detections) == 3
    single = PerceiverConfig(class_score_thresholds=("person=0.3",))
    assert [c for _, c, _ in found(Perceiver(model, single)(IMAGE))] == [PERSON, RAIL, PERSON]


def test_an_operating_point_chooses_among_the_models_thresholds(fake_model):
    points = {"few_false_alarms": {"person": 0.95}}
    model = fake_model(class_logits=SCENE, thresholds={"person": 0.5}, operating_points=points)
    few = PerceiverConfig(operating_point="few_false_alarms")

    assert few.thresholds(model.spec)[1] == 0.95
    assert few.thresholds(model.spec)[0] == PerceiverConfig().thresholds(model.spec)[0]
    assert PerceiverConfig().thresholds(model.spec)[1] == 0.5
    assert len(Perceiver(model, few)(IMAGE).detections) < len(Perceiver(model)(IMAGE).detections)
    with pytest.raises(ConfigError, match="operating_point"):
        few.thresholds(fake_model().spec)


@pytest.mark.parametrize(("threshold", "inside"), [(0.0, 1e-4), (1.0, 1 - 1e-4), (0.5, 0.5)])
def test_thresholds_stay_where_logits_exist(fake_model, threshold, inside):
    perceiver = Perceiver(fake_model(), PerceiverConfig(score_threshold=threshold))

    assert perceiver.lowest_threshold == pytest.approx(inside)
    assert math.isfinite(perceiver(IMAGE).timing.total_ms)


def test_suppression_uses_the_models_overlap_or_the_users(fake_model):
    logits = class_logits((1, 1, PERSON, 0.9), (1, 2, PERSON, 0.8))
    offsets = np.zeros((COUNT, 4), np.float32)
    offsets[10, 0] = -5  # Half a default box to the left: an overlap of a third.
    model = fake_model(class_logits=logits, box_offsets=offsets, iou_threshold=0.3)

    assert len(Perceiver(model)(IMAGE).detections) == 1
    assert len(Perceiver(model, PerceiverConfig(iou_threshold=0.4))(IMAGE).detections) == 2
    assert len(Perceiver(model, PerceiverConfig(iou_threshold=0.0))(IMAGE).detections) == 1


@pytest.mark.parametrize(
    ("given", "own", "kept", "truncated"),
    [(-1.0, 0.5, 2, False), (0.6, 0.5, 2, False), (0.3, 0.5, 1, True), (0.0, 0.3, 1, False)],
)
def test_a_result_tells_that_the_users_overlap_drops_more_than_the_models(
    fake_model, given, own, kept, truncated
):
    logits = class_logits((1, 1, PERSON, 0.9), (1, 2, PERSON, 0.8))
    offsets = np.zeros((COUNT, 4), np.float32)
    offsets[10, 0] = -5  # Half a default box to the left: an overlap of a third.
    model = fake_model(class_logits=logits, box_offsets=offsets, iou_threshold=own)
    result = Perceiver(model, PerceiverConfig(iou_threshold=given))(IMAGE)

    assert (len(result.detections), result.truncated) == (kept, truncated)


def test_boxes_are_decoded_once_whatever_overlap_the_user_sets(fake_model, monkeypatch):
    decoded = Mock(wraps=perceiver_module.decode_boxes)
    monkeypatch.setattr(perceiver_module, "decode_boxes", decoded)
    model = fake_model(class_logits=SCENE, iou_threshold=0.5)
    Perceiver(model, PerceiverConfig(iou_threshold=0.3))(IMAGE)

    assert decoded.call_count == 1


def test_boxes_that_the_users_overlap_adds_hide_none_that_it_drops(fake_model):
    """As many boxes as with the model's overlap, but one that stood alone is gone."""
    large, beside, upper, lower = [0, 0, 16, 16], [7.7, 0, 23.7, 16], [0, 0, 16, 8], [0, 8, 16, 16]
    boxes = {5: (beside, 0.9), 6: (large, 0.8), 7: (upper, 0.7), 8: (lower, 0.6)}
    boxes |= {9: ([40, 0, 48, 8], 0.9), 10: ([43.85, 0, 51.85, 8], 0.8)}
    logits, offsets = np.full((COUNT, 3), -20, np.float32), np.zeros((COUNT, 4), np.float32)
    for cell, ((x0, y0, x1, y1), score) in boxes.items():
        row, column = divmod(cell, 8)
        logits[cell, PERSON - 1] = logit(score)
        offsets[cell, :2] = (x0 + x1) / 16 - column - 0.5, (y0 + y1) / 16 - row - 0.5
        offsets[cell, 2:] = math.log((x1 - x0) / 8), math.log((y1 - y0) / 8)
    offsets /= (0.1, 0.1, 0.2, 0.2)
    model = fake_model(class_logits=logits, box_offsets=offsets, iou_threshold=0.4)
    usual = Perceiver(model, PerceiverConfig())(IMAGE)
    thinned = Perceiver(model, PerceiverConfig(iou_threshold=0.3))(IMAGE)

    assert (len(usual.detections), usual.truncated) == (4, False)
    assert (len(thinned.detections), thinned.truncated) == (4, True)


def test_a_configuration_is_swapped_between_images(fake_model):
    perceiver = Perceiver(fake_model(class_logits=SCENE))
    counts = []

    for threshold in (0.2, 0.38, 0.7, 0.2):
        perceiver.config = replace(perceiver.config, score_threshold=threshold)
        counts.append(len(perceiver(IMAGE).detections))

    assert counts == [4, 3, 1, 4]
    assert perceiver.config.score_threshold == 0.2


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            {"class_score_thresholds": ("dog=0.5",)},
            r"class_score_thresholds: .*rail, person, forklift.*'dog=0.5'",
        ),
        ({"class_score_thresholds": ("person",)}, "'person'"),
        ({"class_score_thresholds": ("person=much",)}, "'person=much'"),
        ({"class_score_thresholds": ("person=1.1",)}, r"0 \.\. 1, got 'person=1.1'"),
        ({"class_score_thresholds": ("person=nan",)}, "'person=nan'"),
        ({"class_score_thresholds": ("background=0.5",)}, "'background=0.5'"),
        (
            {"class_score_thresholds": ("person=0.3", "person=0.9")},
            "one threshold for person, got 0.3",
        ),
        ({"suppress_absent": ("dog",)}, "suppress_absent: .*rail, person, forklift.*'dog'"),
        ({"suppress_absent": ("background",)}, "'background'"),
    ],
    ids=str,
)
def test_a_configuration_that_does_not_fit_the_model_is_refused_and_changes_nothing(
    fake_model, bad, message
):
    model = fake_model(class_logits=SCENE)
    perceiver = Perceiver(model)
    before = perceiver.config

    with pytest.raises(ConfigError, match=message):
        perceiver.config = PerceiverConfig(score_threshold=0.99, **bad)
    with pytest.raises(ConfigError, match=message):
        Perceiver(model, PerceiverConfig(**bad))

    assert perceiver.config is before
    assert len(perceiver(IMAGE).detections) == 4


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("score_threshold", 1.5),
        ("score_threshold", math.nan),
        ("iou_threshold", 2),
        ("max_detections", 0),
        ("mask_size", "huge"),
        ("mask_threshold", -0.1),
        ("num_threads", 0),
    ],
)
def test_absurd_settings_are_refused_before_a_model_is_loaded(key, value):
    with pytest.raises(ConfigError, match=f"{key}: expected"):
        from_mapping(PerceiverConfig, {key: value})
    with pytest.raises(ConfigError, match=f"{key}: expected"):
        PerceiverConfig(**{key: value})
    with pytest.raises(ConfigError, match=f"{key}: expected"):
        replace(PerceiverConfig(), **{key: value})


def mask_of(class_id, size_hw=SIZE_HW):
    """Logits by which a quarter of the image is one class and the rest background."""
    logits = np.zeros((size_hw[0] // 4, size_hw[1] // 4, 4), np.float32)
    logits[..., 0] = 5
    logits[: size_hw[0] // 8, : size_hw[1] // 8, class_id] = 10
    return logits


@pytest.mark.parametrize(
    ("suppress", "kept"),
    [
        ((), [PERSON, RAIL, FORKLIFT, PERSON]),
        (("forklift",), [PERSON, RAIL, PERSON]),
        (("rail", "forklift"), [PERSON, RAIL, PERSON]),
        (("rail", "person", "forklift"), [RAIL]),
    ],
)
@pytest.mark.parametrize("mask_size", ["source", "network"])
def test_classes_that_the_mask_lacks_are_dropped_only_where_asked(
    fake_model, suppress, kept, mask_size
):
    model = fake_model(class_logits=SCENE, segmentation=mask_of(RAIL))

    result = Perceiver(model, PerceiverConfig(suppress_absent=suppress, mask_size=mask_size))(IMAGE)

    assert result.detections.class_ids.tolist() == kept


def test_nothing_is_suppressed_by_default():
    assert PerceiverConfig().suppress_absent == ()


def test_unsure_pixels_are_unlabelled_where_asked(fake_model):
    model = fake_model(segmentation=np.zeros((8, 16, 4), np.float32))

    assert (Perceiver(model)(IMAGE).segmentation.class_ids == 0).all()
    unsure = Perceiver(model, PerceiverConfig(mask_threshold=0.6))(IMAGE).segmentation
    assert (unsure.class_ids == UNLABELED_ID).all()


def test_softmax_models_have_a_background_column(fake_model):
    logits = np.zeros((COUNT, 4), np.float32)
    logits[:, 0] = 12
    logits[5, PERSON] = 24

    result = Perceiver(fake_model(class_logits=logits, scores="softmax"))(IMAGE)

    assert found(result) == [([40, 0, 48, 8], PERSON, 1.0)]


def test_the_time_of_each_stage_is_measured(fake_model):
    timing = Perceiver(fake_model())(IMAGE).timing

    assert min(timing.preprocess_ms, timing.network_ms, timing.postprocess_ms) > 0
    assert timing.total_ms == timing.preprocess_ms + timing.network_ms + timing.postprocess_ms


def test_a_result_is_not_touched_by_the_next_image(fake_model):
    model = fake_model(class_logits=SCENE, segmentation=mask_of(RAIL))
    perceiver = Perceiver(model)
    first = perceiver(IMAGE)
    boxes, mask = first.detections.boxes_xyxy.copy(), first.segmentation.class_ids.copy()

    for tensor in (model.raw.class_logits, model.raw.box_offsets, model.raw.segmentation_logits):
        tensor.values[:] = 1
    perceiver(IMAGE)

    assert np.array_equal(first.detections.boxes_xyxy, boxes)
    assert np.array_equal(first.segmentation.class_ids, mask)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("output", ["class_logits", "box_offsets", "segmentation"])
def test_values_that_are_no_numbers_are_an_error_and_never_an_empty_scene(
    fake_model, output, value
):
    """One is enough: it would suppress every box of its class, or make the mask background."""
    shapes = {"class_logits": (COUNT, 3), "box_offsets": (COUNT, 4), "segmentation": (8, 16, 4)}
    broken = np.zeros(shapes[output], np.float32)
    broken.reshape(-1)[5] = value
    perceive = Perceiver(fake_model(**{output: broken}))

    with pytest.raises(ArtefactError, match="are no numbers"):
        perceive(IMAGE)


@pytest.mark.parametrize(
    ("balanced", "few", "expected"),
    [
        ({}, {"person": 0.2, "rail": 0.5}, [0.5, 0.3, 0.3]),
        ({"person": 0.6}, {"person": 0.5}, [0.3, 0.6, 0.3]),
        ({"person": 0.4}, {"person": 0.5, "forklift": 0.1}, [0.3, 0.5, 0.3]),
    ],
)
def test_few_false_alarms_is_never_below_balanced(fake_model, balanced, few, expected):
    spec = fake_model(thresholds=balanced, operating_points={"few_false_alarms": few}).spec

    found = PerceiverConfig(operating_point="few_false_alarms").thresholds(spec)
    assert found.tolist() == pytest.approx(expected)


def test_a_threshold_of_a_class_with_an_equals_sign(fake_model):
    spec = fake_model(classes=("background", "rail", "person=worker", "forklift")).spec

    found = PerceiverConfig(class_score_thresholds=("person=worker=0.6",)).thresholds(spec)
    assert found.tolist() == pytest.approx([0.3, 0.6, 0.3])
