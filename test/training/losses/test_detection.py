"""Detection losses against naive NumPy and the papers' formulas, box by box."""

import math

import numpy as np
import pytest
import tensorflow as tf

from mtv_perception.geometry import codec
from mtv_perception.training.losses.detection import (
    BOX_LOSSES,
    box_loss,
    decode_boxes,
    encode_boxes,
    focal_loss,
    known_matrix,
    mined_softmax_loss,
    partial_cross_entropy,
)

VARIANCES = tf.constant([0.1, 0.1, 0.2, 0.2])
ALL = 0b1111


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def naive_focal(logits, classes, known, alpha=0.25, gamma=2.0):
    """Lin et al. 2017, equation 5, one logit at a time."""
    total, positives = 0.0, 0
    for image in range(logits.shape[0]):
        for box in range(logits.shape[1]):
            label = int(classes[image, box])
            positives += label > 0
            if label < 0:
                continue
            for column in range(logits.shape[2]):
                is_target = label == column + 1
                if not is_target and not (int(known[image, box]) >> (column + 1)) & 1:
                    continue
                p = sigmoid(float(logits[image, box, column]))
                p_t, alpha_t = (p, alpha) if is_target else (1 - p, 1 - alpha)
                total -= alpha_t * (1 - p_t) ** gamma * math.log(p_t)
    return total / max(positives, 1)


def naive_partial(logits, label, known):
    """-log of the probability of everything the element may be."""
    if label < 0 or label >= len(logits):
        return 0.0
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    allowed = {label}
    if label == 0:
        allowed |= {c for c in range(len(logits)) if not (int(known) >> c) & 1}
    return -math.log(sum(shares[c] for c in allowed))


def naive_mined(logits, classes, known, at_least=8):
    """SSD, section 2.2: each image's hardest negatives, three for a positive."""
    total, positives = 0.0, 0
    for image in range(len(logits)):
        losses = [
            naive_partial(row, int(c), k)
            for row, c, k in zip(logits[image], classes[image], known[image], strict=True)
        ]
        found = [loss for loss, c in zip(losses, classes[image], strict=True) if c > 0]
        negatives = sorted(
            (loss for loss, c in zip(losses, classes[image], strict=True) if c == 0), reverse=True
        )
        total += sum(found) + sum(negatives[: 3 * len(found) if found else at_least])
        positives += len(found)
    return total / max(positives, 1)


def labels_at(rng, shape, low, high):
    return rng.integers(low, high, shape).astype(np.int8)


def test_known_matrix_reads_bits():
    found = known_matrix(tf.constant([[0b1010, 0, 0xFFFF]], tf.uint16), 1, 3).numpy()
    assert found.tolist() == [[[1, 0, 1], [0, 0, 0], [1, 1, 1]]]


@pytest.mark.parametrize("known", [ALL, 0b0110, 0])
def test_focal_equals_the_naive_sum(rng, known):
    logits = rng.normal(0, 3, (2, 12, 3)).astype(np.float32)
    classes = labels_at(rng, (2, 12), -1, 4)
    bits = np.full((2, 12), known, np.uint16)
    found = focal_loss(tf.constant(logits), tf.constant(classes), tf.constant(bits))
    assert float(found) == pytest.approx(naive_focal(logits, classes, bits), rel=1e-4)


@pytest.mark.parametrize("known", [ALL, 0b0110, 0b0001])
def test_partial_cross_entropy_equals_the_naive_sum(rng, known):
    logits = rng.normal(0, 3, (30, 4)).astype(np.float32)
    classes = rng.integers(-1, 6, 30).astype(np.int32)
    bits = np.full(30, known, np.uint16)
    found = partial_cross_entropy(
        tf.constant(logits), tf.constant(classes), tf.constant(bits)
    ).numpy()
    expected = [naive_partial(row, int(c), known) for row, c in zip(logits, classes, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_partial_cross_entropy_of_full_labels_is_the_plain_one(rng):
    logits, classes = rng.normal(0, 3, (20, 4)).astype(np.float32), rng.integers(0, 4, 20)
    found = partial_cross_entropy(
        tf.constant(logits), tf.constant(classes, tf.int32), tf.fill([20], ALL)
    )
    plain = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits)
    np.testing.assert_allclose(found, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("known", [ALL, 0b0011])
def test_mined_softmax_equals_the_naive_sum(rng, known):
    logits = rng.normal(0, 2, (3, 60, 4)).astype(np.float32)
    classes = np.zeros((3, 60), np.int8)
    classes[0, :9], classes[1, :1] = rng.integers(1, 4, 9), 2  # the third image shows nothing
    classes[:, 50:] = -1
    bits = np.full((3, 60), known, np.uint16)
    found = mined_softmax_loss(tf.constant(logits), tf.constant(classes), tf.constant(bits))
    assert float(found) == pytest.approx(naive_mined(logits, classes, bits), rel=1e-4)


@pytest.mark.parametrize("positives", [1, 2, 5])
def test_three_negatives_are_mined_for_each_positive_of_an_image(positives):
    logits = tf.Variable(tf.zeros([1, 40, 4]))
    classes = tf.constant([[1] * positives + [0] * (40 - positives)])
    with tf.GradientTape() as tape:
        loss = mined_softmax_loss(logits, classes, tf.fill([1, 40], ALL))
    touched = tf.reduce_any(tape.gradient(loss, logits) != 0, -1).numpy()
    assert touched.sum() == 4 * positives


def test_an_image_without_objects_still_has_a_loss():
    logits = tf.Variable(tf.zeros([1, 40, 4]))
    with tf.GradientTape() as tape:
        loss = mined_softmax_loss(logits, tf.zeros([1, 40], tf.int8), tf.fill([1, 40], ALL))
    assert float(loss) == pytest.approx(8 * math.log(4), rel=1e-5)
    assert np.any(tape.gradient(loss, logits).numpy()[..., 0] < 0)


def test_unlabelled_classes_teach_nothing():
    """An image in which only class 2 is labelled moves no other class's logit."""
    logits = tf.Variable(tf.random.stateless_normal([1, 10, 3], [1, 2]))
    with tf.GradientTape() as tape:
        loss = focal_loss(logits, tf.zeros([1, 10], tf.int8), tf.fill([1, 10], 0b0100))
    gradient = tape.gradient(loss, logits).numpy()
    assert (gradient[..., 1] > 0).all() and not gradient[..., [0, 2]].any()


@pytest.mark.parametrize("name", ["focal", "mined", "partial"])
def test_class_losses_of_extreme_logits_are_finite(name):
    """Log of a clipped softmax loses its gradient; from logits a sure mistake is pulled back at
    full strength.
    """
    columns = 3 if name == "focal" else 4
    values = np.zeros((1, 6, columns), np.float32)
    values[0, :3], values[0, 3:] = 1e4, -1e4
    values[0, ::2, 0] *= -1
    logits = tf.Variable(values)
    classes = tf.constant([[0, 1, 2, 0, 1, 3]], tf.int32)
    known = tf.constant([[ALL, ALL, 0b0010, 0b0010, 0, ALL]], tf.int32)
    with tf.GradientTape() as tape:
        if name == "focal":
            loss = focal_loss(logits, classes, known)
        elif name == "mined":
            loss = mined_softmax_loss(logits, classes, known)
        else:
            loss = tf.reduce_sum(partial_cross_entropy(logits, classes, known))
    gradient = tape.gradient(loss, logits).numpy()
    assert np.isfinite(float(loss)) and float(loss) > 1e3
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0.05


def boxes_at(rng, count):
    low = rng.uniform(0, 60, (count, 2))
    return np.concatenate([low, low + rng.uniform(5, 60, (count, 2))], 1).astype(np.float32)


def defaults_at(rng, count):
    return np.concatenate(
        [rng.uniform(10, 90, (count, 2)), rng.uniform(10, 50, (count, 2))], 1
    ).astype(np.float32)


def test_codec_is_the_geometry_modules(rng):
    boxes, defaults = boxes_at(rng, 50), defaults_at(rng, 50)
    offsets = encode_boxes(tf.constant(boxes), tf.constant(defaults), VARIANCES)
    np.testing.assert_allclose(offsets, codec.encode(boxes, defaults), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        decode_boxes(offsets, defaults, VARIANCES), boxes, rtol=1e-4, atol=1e-3
    )
    wild = rng.normal(0, 20, (50, 4)).astype(np.float32)
    np.testing.assert_allclose(
        decode_boxes(tf.constant(wild), defaults, VARIANCES),
        codec.decode(wild, defaults),
        rtol=1e-4,
        atol=1e-2,
    )


def naive_iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union, union


def naive_giou(found, truth):
    """Rezatofighi et al. 2019, algorithm 1."""
    iou, union = naive_iou(found, truth)
    hull = (max(found[2], truth[2]) - min(found[0], truth[0])) * (
        max(found[3], truth[3]) - min(found[1], truth[1])
    )
    return 1 - (iou - (hull - union) / hull)


def naive_ciou(found, truth):
    """Zheng et al. 2020, equations 8 to 11."""
    iou, _ = naive_iou(found, truth)
    gap = sum(((found[i] + found[i + 2] - truth[i] - truth[i + 2]) / 2) ** 2 for i in (0, 1))
    diagonal = sum((max(found[i + 2], truth[i + 2]) - min(found[i], truth[i])) ** 2 for i in (0, 1))
    angles = [math.atan((b[2] - b[0]) / (b[3] - b[1])) for b in (truth, found)]
    v = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    alpha = v / (1 - iou + v) if v else 0.0
    return 1 - iou + gap / diagonal + alpha * v


def naive_smooth_l1(offsets, truth, default):
    wanted = codec.encode(
        np.asarray(truth, np.float64)[None], np.asarray(default, np.float64)[None]
    )[0]
    errors = np.abs(offsets - wanted)
    return float(sum(0.5 * e * e if e < 1 else e - 0.5 for e in errors))


@pytest.mark.parametrize("name", ["smooth_l1", "giou", "ciou"])
def test_box_losses_equal_the_papers(rng, name):
    truth, defaults = boxes_at(rng, 40), defaults_at(rng, 40)
    offsets = rng.normal(0, 3, (40, 4)).astype(np.float32)
    found = BOX_LOSSES[name](
        tf.constant(offsets), tf.constant(truth), tf.constant(defaults), VARIANCES
    )
    decoded = codec.decode(offsets.astype(np.float64), defaults)
    naive = {
        "smooth_l1": lambda i: naive_smooth_l1(
            offsets[i].astype(np.float64), truth[i], defaults[i]
        ),
        "giou": lambda i: naive_giou(decoded[i], truth[i].astype(np.float64)),
        "ciou": lambda i: naive_ciou(decoded[i], truth[i].astype(np.float64)),
    }[name]
    np.testing.assert_allclose(found, [naive(i) for i in range(40)], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["smooth_l1", "giou", "ciou"])
def test_unmatched_boxes_have_no_part_in_the_box_loss(rng, name):
    """Not even one whose offsets have become infinite: nothing teaches those."""
    truth, defaults = boxes_at(rng, 4)[None], defaults_at(rng, 4)
    truth[0, 2:] = 0
    offsets = rng.normal(0, 1, (1, 4, 4)).astype(np.float32)
    offsets[0, 3] = np.inf
    variable = tf.Variable(offsets)
    with tf.GradientTape() as tape:
        loss = box_loss(name, variable, truth, np.int8([[1, 3, 0, -1]]), defaults, VARIANCES)
    gradient = tape.gradient(loss, variable).numpy()
    matched = box_loss(
        name, offsets[:, :2], truth[:, :2], np.int8([[1, 3]]), defaults[:2], VARIANCES
    )
    assert float(loss) == pytest.approx(float(matched))
    assert np.isfinite(gradient).all() and gradient[0, :2].any() and not gradient[0, 2:].any()


@pytest.mark.parametrize("name", ["smooth_l1", "giou", "ciou"])
def test_a_perfect_box_has_no_loss_and_gradients_stay_finite(rng, name):
    truth, defaults = boxes_at(rng, 5), defaults_at(rng, 5)
    perfect = encode_boxes(tf.constant(truth), tf.constant(defaults), VARIANCES)
    loss = BOX_LOSSES[name](perfect, tf.constant(truth), tf.constant(defaults), VARIANCES)
    np.testing.assert_allclose(loss, 0, atol=1e-4)
    for far in (perfect, perfect + 1e4, perfect - 1e4):
        offsets = tf.Variable(far)
        with tf.GradientTape() as tape:
            loss = BOX_LOSSES[name](offsets, tf.constant(truth), tf.constant(defaults), VARIANCES)
        assert np.isfinite(loss).all() and np.isfinite(tape.gradient(loss, offsets)).all()


def test_giou_pulls_boxes_that_do_not_touch():
    truth, default = tf.constant([[100.0, 100, 120, 120]]), tf.constant([[10.0, 10, 20, 20]])
    offsets = tf.Variable(tf.zeros([1, 4]))
    with tf.GradientTape() as tape:
        loss = BOX_LOSSES["giou"](offsets, truth, default, VARIANCES)
    assert float(loss[0]) > 1 and (tape.gradient(loss, offsets).numpy()[0, :2] < 0).all()


def test_box_loss_is_the_mean_over_positives_and_0_without(rng):
    defaults, truth = defaults_at(rng, 6), np.stack([boxes_at(rng, 6), boxes_at(rng, 6)])
    offsets = rng.normal(0, 1, (2, 6, 4)).astype(np.float32)
    classes = np.array([[0, 2, -1, 0, 1, 0], [3, 0, 0, 0, 0, 0]], np.int8)
    found = box_loss(
        "giou", tf.constant(offsets), tf.constant(truth), tf.constant(classes), defaults, VARIANCES
    )
    picked = [(0, 1), (0, 4), (1, 0)]
    expected = [naive_giou(codec.decode(offsets[p], defaults[p[1]]), truth[p]) for p in picked]
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-4)
    empty = box_loss(
        "giou", tf.constant(offsets), tf.constant(truth), 0 * classes, defaults, VARIANCES
    )
    assert float(empty) == 0
