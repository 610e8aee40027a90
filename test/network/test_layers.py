"""The blocks against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mtv_perception.network.layers import BN_EPSILON, BN_MOMENTUM, FusedBatchNormalization

SHAPE = (3, 5, 4, 6)
PIXELS = 3 * 5 * 4


def pair():
    norms = [
        kind(epsilon=BN_EPSILON, momentum=BN_MOMENTUM)
        for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)
    ]
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 1.5, SHAPE[-1]) for _ in range(4)]
    for norm in norms:
        norm.build(SHAPE)
        norm.set_weights(weights)
    return norms


def run(norm, images, training):
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = norm(images, training=training)
        total = tf.reduce_sum(outputs * tf.sin(outputs))
    return [outputs, *tape.gradient(total, [images, norm.gamma.value, norm.beta.value])]


@pytest.mark.parametrize("training", [True, False])
def test_fused_batch_norm_is_batch_norm(training):
    images = np.random.default_rng(1).normal(3.0, 2.0, SHAPE).astype(np.float32)
    fused, plain = pair()
    before = plain.moving_variance.numpy()
    for found, wanted in zip(
        run(fused, images, training), run(plain, images, training), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fused.moving_mean.numpy(), plain.moving_mean.numpy(), rtol=1e-5)
    added = plain.moving_variance.numpy() - before * BN_MOMENTUM
    unbiased = added * PIXELS / (PIXELS - 1) if training else added
    np.testing.assert_allclose(
        fused.moving_variance.numpy(),
        before * BN_MOMENTUM + unbiased if training else before,
        rtol=1e-5,
    )


def test_a_frozen_batch_norm_keeps_its_statistics():
    fused, _ = pair()
    fused.trainable = False
    before = fused.moving_mean.numpy()
    run(fused, np.ones(SHAPE, np.float32), training=True)
    np.testing.assert_array_equal(fused.moving_mean.numpy(), before)
