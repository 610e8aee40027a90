"""Segmentation losses against naive NumPy, and Lovasz-softmax against the Jaccard index it
extends.
"""

import math

import numpy as np
import pytest
import tensorflow as tf

from mtv_perception.training.losses.segmentation import (
    SEGMENTATION_LOSSES,
    cross_entropy,
    dice,
    lovasz_softmax,
    squared_dice,
)

WEIGHTS = (0.5, 2.0, 1.0, 3.0)
ALL = 0b1110
SHAPE = (2, 5, 6)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def logits(rng):
    return rng.normal(0, 2, (*SHAPE, 4)).astype(np.float32)


@pytest.fixture
def mask(rng):
    mask = rng.integers(0, 4, SHAPE).astype(np.uint8)
    mask[rng.random(SHAPE) < 0.2] = 255
    return mask


def shares_of(logits):
    shares = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def known_of(bits):
    return np.full(SHAPE, bits, np.uint16)


def call(loss, logits, mask, bits=ALL, weights=WEIGHTS):
    return loss(
        tf.convert_to_tensor(logits), tf.constant(mask), tf.constant(known_of(bits)), weights
    )


@pytest.mark.parametrize("bits", [ALL, 0b0100, 0])
def test_cross_entropy_equals_the_naive_mean(logits, mask, bits):
    shares, total, weight_sum = shares_of(logits), 0.0, 0.0
    for index in np.ndindex(SHAPE):
        label = int(mask[index])
        if label == 255:
            continue
        allowed = {label} | ({c for c in (1, 2, 3) if not (bits >> c) & 1} if label == 0 else set())
        total -= WEIGHTS[label] * math.log(sum(shares[index][c] for c in allowed))
        weight_sum += WEIGHTS[label]
    assert float(call(cross_entropy, logits, mask, bits)) == pytest.approx(
        total / weight_sum, rel=1e-4
    )


def test_cross_entropy_is_a_mean_whatever_the_size(logits, mask):
    """Summed over pixels, segmentation would drown detection: doubling the image must change
    nothing.
    """
    twice = call(cross_entropy, logits, mask)
    doubled = cross_entropy(
        tf.concat([logits] * 2, 1),
        tf.concat([mask] * 2, 1),
        tf.concat([known_of(ALL)] * 2, 1),
        WEIGHTS,
    )
    assert float(doubled) == pytest.approx(float(twice), rel=1e-5)


def test_a_heavier_class_pulls_harder(mask):
    def gradient(weights):
        flat = tf.Variable(tf.zeros([*SHAPE, 4]))
        with tf.GradientTape() as tape:
            loss = cross_entropy(flat, tf.constant(mask), tf.constant(known_of(ALL)), weights)
        return np.abs(tape.gradient(loss, flat).numpy())[mask == 2].sum()

    assert gradient((1, 1, 4, 1)) > gradient((1, 1, 1, 1)) > gradient((1, 1, 0.25, 1))


@pytest.mark.parametrize(("loss", "power"), [(dice, 1), (squared_dice, 2)])
def test_dice_equals_the_naive_formula(logits, mask, loss, power):
    shares, valid = shares_of(logits), mask != 255
    expected = 0.0
    for c, weight in enumerate(WEIGHTS):
        p, t = shares[..., c][valid], (mask == c)[valid].astype(float)
        expected += weight * (1 - (2 * (p * t).sum() + 1) / ((p**power + t**power).sum() + 1))
    assert float(call(loss, logits, mask)) == pytest.approx(expected / sum(WEIGHTS), rel=1e-4)


def brute_lovasz(errors, truth):
    """Lovasz extension of the Jaccard loss by its definition (Berman et al. 2018, equation 8): no
    cumulative sums.
    """

    def jaccard_loss(wrong):
        union = truth | wrong
        return 1 - (truth & ~wrong).sum() / union.sum() if union.any() else 0.0

    order = np.argsort(-errors, kind="stable")
    value, wrong = 0.0, np.zeros(len(errors), bool)
    before = jaccard_loss(wrong)
    for position in order:
        wrong[position] = True
        after = jaccard_loss(wrong)
        value += errors[position] * (after - before)
        before = after
    return value


def test_lovasz_equals_the_extension_by_definition(logits, mask):
    shares, valid = shares_of(logits), mask != 255
    expected = weights = 0.0
    for c, weight in enumerate(WEIGHTS):
        truth = (mask == c)[valid]
        errors = np.abs(truth - shares[..., c][valid])
        expected += weight * brute_lovasz(errors, truth)
        weights += weight
    assert float(call(lovasz_softmax, logits, mask)) == pytest.approx(expected / weights, rel=1e-4)


def test_lovasz_of_a_hard_answer_is_one_minus_iou(rng, mask):
    answer = rng.integers(0, 4, SHAPE)
    logits = (40.0 * np.eye(4)[answer]).astype(np.float32)
    valid = mask != 255
    losses = []
    for c in range(4):
        found, truth = (answer == c)[valid], (mask == c)[valid]
        losses.append(1 - (found & truth).sum() / (found | truth).sum())
    assert float(call(lovasz_softmax, logits, mask, weights=(1,) * 4)) == pytest.approx(
        np.mean(losses), rel=1e-4
    )


def test_lovasz_leaves_out_absent_classes(logits, mask):
    only = np.where(mask == 3, 0, mask)
    three = call(lovasz_softmax, logits, only, weights=(1, 1, 1, 100))
    assert float(three) == pytest.approx(
        float(call(lovasz_softmax, logits, only, weights=(1, 1, 1, 0)))
    )


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_a_perfect_mask_costs_nothing(name, mask):
    logits = (40.0 * np.eye(4)[np.minimum(mask, 3)]).astype(np.float32)
    assert float(call(SEGMENTATION_LOSSES[name], logits, mask)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_ignored_pixels_have_no_gradient(name, logits, mask):
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = call(SEGMENTATION_LOSSES[name], variable, mask)
    gradient = tape.gradient(loss, variable).numpy()
    assert not gradient[mask == 255].any() and gradient[mask != 255].any()


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_a_batch_without_masks_costs_nothing(name, logits):
    variable, nothing = tf.Variable(logits), np.full(SHAPE, 255, np.uint8)
    with tf.GradientTape() as tape:
        loss = call(SEGMENTATION_LOSSES[name], variable, nothing, 0)
    assert float(loss) == 0 and not np.any(tape.gradient(loss, variable))


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_a_mask_of_persons_says_nothing_of_rails_against_floor(name, logits, mask):
    """With persons alone told apart, background pixels may be rails: their rivalry with background
    has no gradient.
    """
    only = np.where((mask == 2) | (mask == 255), mask, 0)
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = call(SEGMENTATION_LOSSES[name], variable, only, 0b0100)
    gradient = tape.gradient(loss, variable).numpy()
    shares, background = shares_of(logits), only == 0
    # Moving probability between floor, rail and forklift costs nothing: each logit's pull is its
    # share of the whole.
    pull = gradient[background][:, [0, 1, 3]] / shares[background][:, [0, 1, 3]]
    np.testing.assert_allclose(pull, pull[:, :1] * np.ones(3), rtol=1e-3, atol=1e-6)
    assert (gradient[background][:, 2] >= -1e-9).all() and gradient[background][:, 2].any()


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_extreme_logits_keep_finite_gradients(name, mask):
    values = np.where(np.eye(4)[(np.minimum(mask, 3) + 1) % 4] > 0, 1e4, -1e4).astype(np.float32)
    variable = tf.Variable(values)
    with tf.GradientTape() as tape:
        loss = call(SEGMENTATION_LOSSES[name], variable, mask)
    assert np.isfinite(float(loss)) and np.isfinite(tape.gradient(loss, variable)).all()
