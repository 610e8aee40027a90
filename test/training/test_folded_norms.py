"""Norms inside convolutions against Keras' own, by the same statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mtv_perception.data.pipeline import training_batches
from mtv_perception.network.backbone import BACKBONES
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.layers import batch_norm, conv, depthwise
from mtv_perception.network.multitask import build_network
from mtv_perception.training.config import OptimiserConfig, TrainConfig
from mtv_perception.training.folded_norms import fold_norms
from mtv_perception.training.inputs import open_scenes, target_encoder
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.step import TrainingStep
from mtv_perception.training.update import freeze_norms

STATISTICS = ("moving_mean", "moving_variance")


def one_reader(x):
    return batch_norm(conv(x, 6, 3, "conv", strides=2), "norm")


def dilated(x):
    return batch_norm(conv(x, 6, 3, "conv", dilation=2), "norm")


def depthwise_of_each_padding(x):
    x = batch_norm(depthwise(x, "same", strides=2), "same_norm")
    x = batch_norm(depthwise(x, "aligned", strides=2, before=(1, 1)), "aligned_norm")
    return batch_norm(depthwise(x, "dilated", dilation=2), "dilated_norm")


def two_outputs_a_channel(x):
    layer = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, depth_multiplier=2)
    return batch_norm(layer(x), "norm")


def grouped(x):
    x = conv(x, 4, 1, "first")
    x = keras.layers.Conv2D(6, 3, padding="same", use_bias=False, groups=2)(x)
    return batch_norm(x, "norm")


def two_readers(x):
    x = conv(x, 6, 3, "conv")
    return keras.layers.Add()([x, batch_norm(x, "norm")])


def two_norms_of_one(x):
    x = conv(x, 6, 3, "conv")
    return keras.layers.Add()([batch_norm(x, "norm"), batch_norm(x, "other")])


def with_bias(x):
    return batch_norm(keras.layers.Conv2D(6, 3)(x), "norm")


def with_activation(x):
    return batch_norm(keras.layers.Conv2D(6, 3, use_bias=False, activation="relu")(x), "norm")


def after_a_sum(x):
    return batch_norm(keras.layers.Add()([conv(x, 6, 1, "a"), conv(x, 6, 3, "b")]), "norm")


def plain_keras(x):
    x = keras.layers.Conv2D(6, 3, use_bias=False)(x)
    return keras.layers.BatchNormalization()(x)


GRAPHS = [
    one_reader, dilated, depthwise_of_each_padding, two_outputs_a_channel, grouped, two_readers,
    two_norms_of_one, with_bias, with_activation, after_a_sum, plain_keras,
]  # fmt: skip


def as_trained(model):
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if "norm" in weight.path or "bn" in weight.path.lower():
            low, high = (0.5, 2) if weight.name in ("gamma", "moving_variance") else (-0.5, 0.5)
            weight.assign(rng.uniform(low, high, weight.shape))
    return model


def outputs_and_gradients(model, images, training):
    """Flat outputs, and gradients of a weighted sum of them by the weight's path."""
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(model(images, training=training))
        loss = sum(
            tf.reduce_sum(
                x * tf.cos(tf.range(tf.size(x), dtype=tf.float32)).numpy().reshape(x.shape)
            )
            for x in outputs
        )
    gradients = tape.gradient(loss, [w.value for w in model.trainable_variables])
    paths = [w.path for w in model.trainable_variables]
    return [x.numpy() for x in outputs], dict(zip(paths, gradients, strict=True))


def assert_alike(found, expected):
    for one, other in zip(found[0], expected[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())
    assert found[1].keys() == expected[1].keys()
    for path, gradient in expected[1].items():
        largest = np.abs(gradient).max()
        np.testing.assert_allclose(
            found[1][path], gradient, rtol=1e-2, atol=1e-3 * largest + 1e-6, err_msg=path
        )


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.__name__)
def test_outputs_and_gradients_are_those_of_keras(graph):
    keras.utils.set_random_seed(1)
    x = keras.Input((12, 15, 3))
    model = as_trained(keras.Model(x, graph(x)))
    images = np.random.default_rng(2).normal(0, 1, (2, 12, 15, 3)).astype(np.float32)
    expected = outputs_and_gradients(model, images, training=False)
    before = [w.numpy() for w in model.weights]
    fold_norms(model)
    for training in (True, False):
        assert_alike(outputs_and_gradients(model, images, training), expected)
    for weight, was in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), was)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_network_computes_what_it_did(backbone):
    keras.utils.set_random_seed(1)
    config = NetworkConfig(
        preset="warehouse-small", size_hw=(96, 128), width=0.5, backbone=backbone
    )
    network = build_network(config)
    as_trained(network.model)
    images = np.random.default_rng(2).uniform(-1, 1, (2, 96, 128, 3)).astype(np.float32)
    expected = {name: x.numpy() for name, x in network.model(images).items()}
    freeze_norms(network, "statistics")
    for name, x in network.model(images, training=True).items():
        atol = 1e-4 * np.abs(expected[name]).max()
        np.testing.assert_allclose(x.numpy(), expected[name], rtol=1e-3, atol=atol)


def test_a_step_moves_scales_and_offsets_and_no_statistics(tiny_config, shallow_network):
    config = tiny_config(batch_size=2)
    network = build_network(config.network)
    as_trained(network.model)
    encoder = target_encoder(network, config)
    (batch,) = training_batches(open_scenes(config), encoder, range(2), 2, 1)
    freeze_norms(network, "statistics")
    step = TrainingStep(network, LossConfig(), OptimiserConfig())
    before = [w.numpy() for w in network.model.weights]
    step(batch)
    for weight, was in zip(network.model.weights, before, strict=True):
        stands = np.array_equal(weight.numpy(), was)
        if weight.name in STATISTICS:
            assert stands, weight.path
        elif weight.path.startswith("shallow"):  # Heads of levels without an object stand, too.
            assert not stands, weight.path


def test_statistics_need_weights_to_begin_with():
    with pytest.raises(ValueError, match="freeze_norms: `statistics` expected an `initial`"):
        TrainConfig(freeze_norms="statistics")
    assert TrainConfig(freeze_norms="statistics", initial="warehouse").initial == "warehouse"
