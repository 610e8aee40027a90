import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtv_perception.geometry.codec import DEFAULT_VARIANCES, decode
from mtv_perception.geometry.nms import nms_per_class, soft_nms
from mtv_perception.runtime.boxes import CANDIDATES, detect, sigmoid_candidates, softmax_candidates
from mtv_perception.runtime.outputs import Tensor

CLASSES = 3
NO_LIMIT = 10**6
thresholds_of_classes = st.lists(
    st.sampled_from([1e-4, 0.02, 0.3, 0.5, 0.77, 0.999, 1 - 1e-4]),
    min_size=CLASSES,
    max_size=CLASSES,
).map(np.array)


def float_logits(seed, count, columns):
    return Tensor(np.random.default_rng(seed).normal(0, 5, (count, columns)).astype(np.float32))


def int8_logits(seed, count, columns):
    rng = np.random.default_rng(seed)
    values = rng.integers(-128, 128, (count, columns)).astype(np.int8)
    return Tensor(values, float(rng.uniform(0.01, 0.4)), int(rng.integers(-128, 128)))


def real_numbers(tensor):
    return (tensor.values.astype(np.float64) - tensor.zero_point) * tensor.scale


def sigmoid_scores(tensor):
    return 1 / (1 + np.exp(-real_numbers(tensor)))


def softmax_scores(tensor):
    exponentials = np.exp(real_numbers(tensor))
    return (exponentials / exponentials.sum(1, keepdims=True))[:, 1:]


KINDS = {
    "sigmoid": (sigmoid_candidates, sigmoid_scores, CLASSES),
    "softmax": (softmax_candidates, softmax_scores, CLASSES + 1),
}
FORMATS = {"float32": float_logits, "int8": int8_logits}
kinds = pytest.mark.parametrize("kind", KINDS)
formats = pytest.mark.parametrize("number_format", FORMATS)


def as_dict(candidates):
    rows, class_ids, scores = candidates
    found = {(int(r), int(c)): float(s) for r, c, s in zip(rows, class_ids, scores, strict=True)}
    assert len(found) == len(scores)
    return found


@kinds
@formats
@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 40), thresholds=thresholds_of_classes)
def test_candidates_are_those_that_scoring_everything_finds(
    kind, number_format, seed, count, thresholds
):
    candidates, naive, columns = KINDS[kind]
    tensor = FORMATS[number_format](seed, count, columns)
    scores = naive(tensor)

    found = as_dict(candidates(tensor, thresholds, NO_LIMIT))

    for (row, column), score in np.ndenumerate(scores):
        # A score that equals its threshold within rounding may be in or out.
        if abs(score - thresholds[column]) > 1e-6:
            assert ((row, column + 1) in found) == (score > thresholds[column])
    for (row, class_id), score in found.items():
        assert score == pytest.approx(scores[row, class_id - 1], abs=1e-5)


@kinds
@formats
@pytest.mark.parametrize("limit", [1, 7, 50])
def test_a_limit_keeps_the_best(kind, number_format, limit):
    candidates, naive, columns = KINDS[kind]
    tensor = FORMATS[number_format](5, 60, columns)
    best = np.sort(naive(tensor).ravel())[::-1][:limit]

    found = as_dict(candidates(tensor, np.full(CLASSES, 1e-4), limit))

    assert len(found) == limit
    np.testing.assert_allclose(sorted(found.values(), reverse=True), best, atol=1e-5)


@kinds
@formats
def test_no_default_boxes_give_no_candidates(kind, number_format):
    candidates, _, columns = KINDS[kind]

    rows, class_ids, scores = candidates(
        FORMATS[number_format](0, 0, columns), np.full(CLASSES, 0.5), 9
    )

    assert len(rows) == len(class_ids) == len(scores) == 0


@pytest.mark.parametrize(
    ("scale", "zero_point", "threshold", "survivors"),
    [
        (0.01, 127, 0.5, 1),
        (0.01, 127, 0.51, 0),
        (0.01, -128, 0.5, 256),
        (0.01, -128, 1e-4, 256),
        (0.01, 0, 0.9999, 0),
        (1.0, 0, 0.9999, 128 - 10),
    ],
    ids=["only the top", "out of reach", "all at the bottom", "all below it", "narrow", "wide"],
)
def test_int8_thresholds_at_the_ends_of_the_range(scale, zero_point, threshold, survivors):
    every = np.arange(-128, 128, dtype=np.int8).reshape(-1, 1)

    rows, _, _ = sigmoid_candidates(
        Tensor(every, scale, zero_point), np.array([threshold]), NO_LIMIT
    )

    assert len(rows) == survivors


def test_each_class_has_its_own_threshold():
    logits = Tensor(np.zeros((4, CLASSES), np.float32))

    rows, class_ids, scores = sigmoid_candidates(logits, np.array([0.4, 0.6, 0.5]), NO_LIMIT)

    assert sorted(zip(rows.tolist(), class_ids.tolist(), strict=True)) == [
        (r, c) for r in range(4) for c in (1, 3)
    ]
    assert scores.tolist() == [0.5] * 8


def test_softmax_background_is_no_candidate():
    logits = np.zeros((2, 1 + CLASSES), np.float32)
    logits[0, 0], logits[1, 2] = 9, 9

    assert list(as_dict(softmax_candidates(Tensor(logits), np.full(CLASSES, 0.5), NO_LIMIT))) == [
        (1, 2)
    ]


def test_softmax_of_huge_logits_is_finite():
    logits = np.array([[0, 3e4, 0, -3e4]], np.float32)

    assert as_dict(softmax_candidates(Tensor(logits), np.full(CLASSES, 0.5), 9)) == {(0, 1): 1.0}


def test_logits_that_are_no_numbers_are_no_candidates():
    logits = Tensor(np.full((3, CLASSES), np.nan, np.float32))

    assert as_dict(CANDIDATES["sigmoid"](logits, np.full(CLASSES, 1e-4), NO_LIMIT)) == {}


@formats
@pytest.mark.parametrize("soft", [False, True])
def test_detections_equal_decoding_everything_first(number_format, soft):
    rng = np.random.default_rng(8)
    count = 80
    default = np.concatenate([rng.uniform(0, 200, (count, 2)), rng.uniform(10, 90, (count, 2))], 1)
    default = default.astype(np.float32)
    logits, offsets = FORMATS[number_format](1, count, CLASSES), FORMATS[number_format](2, count, 4)
    if logits.is_quantised:
        # Narrow enough for scores that differ in float32, too.
        logits, offsets = Tensor(logits.values, 0.05, 0), Tensor(offsets.values, 0.05, 0)
    scores, thresholds = sigmoid_scores(logits), np.array([0.4, 0.8, 0.6])
    boxes = decode(real_numbers(offsets), default.astype(np.float64))
    rows, columns = np.nonzero(scores > thresholds)
    best = scores[rows, columns]
    arguments = (boxes[rows], best, columns + 1, 0.45)
    if soft:
        lowest = thresholds[columns]
        kept, expected, scores = soft_nms(*arguments, lowest, 20, 30)
    else:
        kept = nms_per_class(*arguments, 20, 30)
        expected, scores = boxes[rows][kept], best[kept]

    candidates = sigmoid_candidates(logits, thresholds, NO_LIMIT)
    settings = (DEFAULT_VARIANCES, 0.45, 20, 30)
    found = detect(candidates, offsets, default, *settings, thresholds=thresholds if soft else None)

    assert 5 < len(found) <= 30
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    # Equal scores (usual in int8) may stand in another order.
    order, expected_order = (
        np.lexsort((*np.round(b, 1).T, c))
        for b, c in ((found.boxes_xyxy, found.class_ids), (expected, columns[kept] + 1))
    )
    assert np.array_equal(found.class_ids[order], (columns[kept] + 1)[expected_order])
    np.testing.assert_allclose(
        found.boxes_xyxy[order], expected[expected_order], rtol=1e-4, atol=0.01
    )


def test_detections_of_nothing():
    none = np.empty(0, np.int64)

    found = detect(
        (none, none, np.empty(0, np.float32)),
        Tensor(np.zeros((5, 4), np.float32)),
        np.ones((5, 4), np.float32),
        DEFAULT_VARIANCES,
        0.5,
        10,
        10,
    )

    assert len(found) == 0
    assert (found.boxes_xyxy.dtype, found.scores.dtype) == (np.float32, np.float32)
    assert found.class_ids.dtype == np.int32
