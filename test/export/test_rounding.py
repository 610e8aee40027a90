"""Rounded depthwise kernels against trying every rounding, and against rounding to the nearest."""

from itertools import product

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtv_perception.export.rounding import round_kernel, rounded_depthwise
from mtv_perception.network.layers import batch_norm, conv, depthwise
from mtv_perception.network.multitask import normalise

EDGE = np.array([-1, 0, 1, -2, 0, 2, -1, 0, 1]) / 8 + 0.003  # nearly cancels


def nearest(kernel):
    step = np.abs(kernel).max() / 127
    return np.round(kernel / step) * step


def error(rounded, kernel, covariance):
    return (rounded - kernel) @ covariance @ (rounded - kernel)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_no_other_rounding_errs_less(seed):
    rng = np.random.default_rng(seed)
    kernel, inputs = rng.normal(0, 1, 4), rng.normal(0, 1, (50, 4)) + rng.normal(0, 3, (50, 1))
    covariance = np.cov(inputs.T)
    step = np.abs(kernel).max() / 127
    rounded = round_kernel(kernel, covariance)
    np.testing.assert_allclose(rounded / step, np.round(rounded / step), atol=1e-9)
    assert np.abs(rounded).max() == pytest.approx(np.abs(kernel).max())
    assert (np.abs(rounded - kernel) <= step * (1 + 1e-9)).all()
    choices = [[np.floor(w / step) * step, np.ceil(w / step) * step] for w in kernel]
    largest = np.abs(kernel).argmax()
    choices[largest] = [kernel[largest]]
    best = min(error(np.array(choice), kernel, covariance) for choice in product(*choices))
    assert error(rounded, kernel, covariance) == pytest.approx(best, rel=1e-6, abs=1e-12)


def test_what_int8_holds_is_not_rounded_again():
    kernel = np.array([127, -3, 50, 0, 1, -127, 64, 2, 9]) * 0.013
    np.testing.assert_allclose(round_kernel(kernel, np.eye(9)), kernel, rtol=1e-12)


@pytest.fixture(scope="module")
def model():
    """Images, a convolution, edge filters on smooth inputs, and a norm that makes their outputs
    large.
    """
    keras.utils.set_random_seed(1)
    images = keras.Input((32, 48, 3))
    x = depthwise(conv(images, 6, 1, "first"), "edges", strides=2)
    x = batch_norm(x, "edges_norm")
    built = keras.Model(images, x)
    rng = np.random.default_rng(2)
    kernel = EDGE.reshape(3, 3, 1, 1) * rng.uniform(0.5, 2, (1, 1, 6, 1)) + rng.normal(
        0, 0.01, (3, 3, 6, 1)
    )
    kernel[:, :, 5] = 0
    built.get_layer("edges").set_weights([kernel])
    built.get_layer("edges_norm").set_weights(
        [np.ones(6), np.zeros(6), np.full(6, 0.02), np.full(6, 1e-3)]
    )
    return built


@pytest.fixture(scope="module")
def images():
    y, x = np.mgrid[:32, :48]
    smooth = [128 + 100 * np.sin(x / 20 + y / 15 + phase) for phase in range(8)]
    return [np.repeat(image[..., None], 3, -1).astype(np.uint8) for image in smooth]


def test_outputs_err_less_than_with_nearest_weights(model, images):
    inputs = normalise(np.stack(images))
    before, expected = model.get_weights(), model.predict(inputs, verbose=0)
    with rounded_depthwise(model, images):
        ours = model.predict(inputs, verbose=0) - expected
        kernel = model.get_layer("edges").get_weights()[0].reshape(9, 6)
    for found, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, was)
    steps = np.abs(kernel[:, :5]).max(0) / 127
    np.testing.assert_allclose(kernel[:, :5] / steps, np.round(kernel[:, :5] / steps), atol=1e-3)
    assert not kernel[:, 5].any()

    (weights,) = model.get_layer("edges").get_weights()
    plain = np.apply_along_axis(nearest, 0, weights.reshape(9, 6)[:, :5])
    model.get_layer("edges").set_weights(
        [np.concatenate([plain, np.zeros((9, 1))], 1).reshape(weights.shape)]
    )
    theirs = model.predict(inputs, verbose=0) - expected
    model.set_weights(before)
    assert np.abs(ours).mean() < 0.5 * np.abs(theirs).mean()


def test_weights_come_back_after_an_error(model, images):
    before = model.get_weights()
    with pytest.raises(RuntimeError), rounded_depthwise(model, images):
        raise RuntimeError
    for found, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, was)
