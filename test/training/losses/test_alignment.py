"""Task alignment and the loss it feeds against naive NumPy, box by box."""

import math

import numpy as np
import pytest
import tensorflow as tf

from mtv_perception.geometry import codec
from mtv_perception.geometry.boxes import pairwise_iou
from mtv_perception.training.losses.alignment import alignment
from mtv_perception.training.losses.detection import (
    box_loss,
    encode_boxes,
    giou,
    quality_focal_loss,
)

VARIANCES = tf.constant([0.1, 0.1, 0.2, 0.2])
SHAPE = (2, 30)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def case(rng):
    """Two images of the same three object numbers, whose default boxes and predictions lie near
    their objects.
    """
    defaults = np.concatenate(
        [rng.uniform(20, 80, (30, 2)), rng.uniform(20, 40, (30, 2))], 1
    ).astype(np.float32)
    centres = defaults[:, :2] + rng.normal(0, 4, (2, 30, 2))
    sides = rng.uniform(20, 40, (2, 30, 2))
    truth = np.concatenate([centres - sides / 2, centres + sides / 2], -1).astype(np.float32)
    objects = rng.integers(-1, 3, SHAPE).astype(np.int16)
    for image in range(2):
        for number in range(3):  # one object, one box
            truth[image][objects[image] == number] = truth[image][objects[image] == number][0]
    return {
        "logits": rng.normal(0, 2, (*SHAPE, 3)).astype(np.float32),
        "offsets": rng.normal(0, 1, (*SHAPE, 4)).astype(np.float32),
        "classes": np.where(objects < 0, rng.integers(-1, 1, SHAPE), objects % 3 + 1).astype(
            np.int8
        ),
        "objects": objects,
        "boxes_xyxy": truth,
        "default_cxcywh": defaults,
    }


def naive_alignment(logits, offsets, classes, objects, boxes_xyxy, default_cxcywh):
    """Feng et al. 2021, section 3.2: t = s * u^6, scaled for each object to the largest u of its
    boxes.
    """
    quality = np.zeros(classes.shape)
    for image in range(len(classes)):
        decoded = codec.decode(offsets[image], default_cxcywh)
        for number in set(objects[image].tolist()) - {-1}:
            members = np.flatnonzero((objects[image] == number) & (classes[image] > 0))
            iou = [
                float(pairwise_iou(decoded[i : i + 1], boxes_xyxy[image, i : i + 1])[0, 0])
                for i in members
            ]
            scores = [1 / (1 + math.exp(-logits[image, i, classes[image, i] - 1])) for i in members]
            t = [s * u**6 for s, u in zip(scores, iou, strict=True)]
            if max(t, default=0) > 0:
                quality[image, members] = [value / max(t) * max(iou) for value in t]
    return quality


def found(case):
    arrays = {name: tf.constant(value) for name, value in case.items()}
    return alignment(**arrays, variances=VARIANCES).numpy()


def test_alignment_equals_the_naive_one(case):
    np.testing.assert_allclose(found(case), naive_alignment(**case), rtol=2e-3, atol=1e-5)


def test_the_best_box_of_an_object_gets_its_largest_overlap(case):
    """Among equal scores a perfect box has quality 1, and no other box of its object more."""
    case["logits"][:] = 0
    exact = np.argwhere(case["classes"] > 0)[0]
    row = tuple(exact)
    perfect = encode_boxes(
        case["boxes_xyxy"][row][None], case["default_cxcywh"][row[1]][None], VARIANCES
    )
    case["offsets"][row] = perfect[0]
    quality = found(case)
    assert quality[row] == pytest.approx(1, abs=1e-4)
    siblings = case["objects"][row[0]] == case["objects"][row]
    assert quality[row[0]][siblings].max() <= quality[row]
    assert not quality[case["classes"] <= 0].any()


@pytest.mark.parametrize("logit", [-4.6, -9.0])
def test_boxes_far_from_their_object_keep_what_overlap_they_have(case, logit):
    """Small objects begin so; without a quality they would be learnt as background."""
    case["logits"][:] = logit
    low = case["default_cxcywh"][:, :2] - 0.08 * case["default_cxcywh"][:, 2:]
    high = case["default_cxcywh"][:, :2] + 0.08 * case["default_cxcywh"][:, 2:]
    case["offsets"][:] = 0
    case["boxes_xyxy"][:] = np.concatenate([low, high], 1)
    case["objects"][:] = -1
    case["classes"][:] = 0
    case["objects"][0, 4], case["classes"][0, 4] = 2, 1
    assert found(case)[0, 4] == pytest.approx(0.16**2, rel=0.01)


def test_images_without_objects_have_no_quality_and_a_loss(case):
    case["classes"][:], case["objects"][:] = 0, -1
    quality = found(case)
    assert quality.shape == SHAPE and not quality.any()
    known = tf.fill(SHAPE, 0b1111)
    loss = quality_focal_loss(
        tf.constant(case["logits"]), tf.constant(case["classes"]), known, quality
    )
    assert np.isfinite(float(loss)) and float(loss) > 0


def test_alignment_has_no_gradient(case):
    logits, offsets = tf.Variable(case["logits"]), tf.Variable(case["offsets"])
    rest = {
        name: tf.constant(case[name])
        for name in ("classes", "objects", "boxes_xyxy", "default_cxcywh")
    }
    with tf.GradientTape() as tape:
        quality = alignment(logits, offsets, **rest, variances=VARIANCES)
    assert tape.gradient(quality, [logits, offsets]) == [None, None]


@pytest.mark.parametrize("known", [0b1111, 0b0110, 0])
def test_quality_focal_equals_the_naive_sum(case, known):
    """Li et al. 2020, equation 2, one logit at a time, over the sum of the qualities."""
    quality = naive_alignment(**case)
    total = 0.0
    for image, box in np.ndindex(*SHAPE):
        label = int(case["classes"][image, box])
        if label < 0:
            continue
        for column in range(3):
            if label != column + 1 and not known >> (column + 1) & 1:
                continue
            y = quality[image, box] if label == column + 1 else 0.0
            p = 1 / (1 + math.exp(-float(case["logits"][image, box, column])))
            total -= abs(y - p) ** 2 * ((1 - y) * math.log(1 - p) + y * math.log(p))
    loss = quality_focal_loss(
        tf.constant(case["logits"]),
        tf.constant(case["classes"]),
        tf.fill(SHAPE, known),
        tf.constant(quality, tf.float32),
    )
    assert float(loss) == pytest.approx(total / max(quality.sum(), 1), rel=1e-4)


def test_box_loss_is_weighted_by_quality(case):
    quality = naive_alignment(**case).astype(np.float32)
    rows = np.argwhere(case["classes"] > 0)
    losses = [
        float(giou(*(tf.constant(x[None]) for x in (offsets, box, default)), VARIANCES)[0])
        for offsets, box, default in (
            (case["offsets"][i, n], case["boxes_xyxy"][i, n], case["default_cxcywh"][n])
            for i, n in rows
        )
    ]
    weights = quality[tuple(rows.T)]
    expected = np.dot(losses, weights) / max(weights.sum(), 1)
    arrays = (
        tf.constant(case[name]) for name in ("offsets", "boxes_xyxy", "classes", "default_cxcywh")
    )
    found_loss = box_loss("giou", *arrays, VARIANCES, tf.constant(quality))
    assert float(found_loss) == pytest.approx(float(expected), rel=1e-4)


def test_a_sure_mistake_is_pulled_back_and_nothing_overflows(case):
    case["logits"][:] = np.where(case["classes"][..., None] > 0, -1e4, 1e4)
    quality = tf.constant(naive_alignment(**{**case, "logits": 0 * case["logits"]}), tf.float32)
    logits = tf.Variable(case["logits"])
    with tf.GradientTape() as tape:
        loss = quality_focal_loss(
            logits, tf.constant(case["classes"]), tf.fill(SHAPE, 0b1111), quality
        )
    gradient = tape.gradient(loss, logits).numpy()
    assert np.isfinite(float(loss)) and np.isfinite(gradient).all()
    assert (gradient[case["classes"] == 0] > 0).all()
    rows = np.argwhere((case["classes"] > 0) & (quality.numpy() > 0.01))
    assert all(gradient[i, n, case["classes"][i, n] - 1] < 0 for i, n in rows) and len(rows)
