"""Channels without effect: which they are, and that leaving them out changes nothing."""

import cv2
import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mtv_perception.network.config import NetworkConfig  # noqa: E402
from mtv_perception.network.layers import batch_norm, conv, depthwise, relu6  # noqa: E402
from mtv_perception.network.multitask import (  # noqa: E402
    MultitaskNetwork,
    build_network,
    normalise,
)
from mtv_perception.network.weights.idle_channels import (  # noqa: E402
    LEAST_IMAGES,
    blocks,
    filled_up,
    without_idle_channels,
)
from mtv_perception.network.weights.litert import measure_norms  # noqa: E402

SIZE_HW = (64, 96)
BLOCK = "block_1"


@pytest.fixture(scope="module")
def images():
    coarse = np.random.default_rng(1).integers(0, 256, (LEAST_IMAGES, 4, 6, 3), np.uint8)
    return [cv2.resize(image, SIZE_HW[::-1], interpolation=cv2.INTER_CUBIC) for image in coarse]


def inverted_residual(x, name, inner, filters):
    x = relu6(
        batch_norm(conv(x, inner, 1, f"{name}_expand"), f"{name}_expand_BN"), f"{name}_expand_relu"
    )
    x = batch_norm(depthwise(x, f"{name}_depthwise", 2), f"{name}_depthwise_BN")
    x = relu6(x, f"{name}_depthwise_relu")
    return batch_norm(conv(x, filters, 1, f"{name}_project"), f"{name}_project_BN")


@pytest.fixture
def network(images):
    """Two blocks all of whose channels work: the norms have the statistics of the images."""
    keras.utils.set_random_seed(3)
    pixels = keras.Input((*SIZE_HW, 3), name="images")
    x = inverted_residual(pixels, "block_0", 16, 8)
    x = inverted_residual(x, BLOCK, 96, 12)
    network = MultitaskNetwork(
        keras.Model(pixels, {"pixels": x}), NetworkConfig(size_hw=SIZE_HW), None
    )
    norms = [x for x in network.model.layers if isinstance(x, keras.layers.BatchNormalization)]
    # A norm's statistics rest on the norms before it.
    for _ in range(6):
        measure_norms(network.model, [normalise(np.stack(images[:16]))])
        for norm in norms:
            gamma, beta, mean, variance = norm.get_weights()
            norm.set_weights([np.ones_like(gamma), np.ones_like(beta), mean, variance])
    return network


def make_idle(network, name, channels, value):
    """Make the last ReLU6 of a block give one value, whatever the image."""
    depthwise = network.model.get_layer(f"{name}_depthwise")
    (kernel,) = depthwise.get_weights()
    kernel[:, :, channels] = 0
    depthwise.set_weights([kernel])
    norm = network.model.get_layer(f"{name}_depthwise_BN")
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    beta[channels] = (value + scale * mean)[channels]
    norm.set_weights([gamma, beta, mean, variance])


def channels_of(network, name=BLOCK):
    (block,) = [x for x in blocks(network.model) if x.depthwise.name == f"{name}_depthwise"]
    return block.expand.filters


def outputs(network, images):
    found = network.model(normalise(np.stack(images)), training=False)
    return {name: np.asarray(value) for name, value in found.items()}


def assert_same_outputs(found, expected, images):
    after, before = outputs(found, images), outputs(expected, images)
    for name, value in before.items():
        assert value.std() > 0
        np.testing.assert_allclose(
            after[name], value, atol=2e-4 * np.abs(value).max(), err_msg=name
        )


def test_every_inverted_residual_of_the_product_is_a_block():
    names = [x.depthwise.name for x in blocks(build_network(NetworkConfig(size_hw=SIZE_HW)).model)]
    expected = ["expanded_conv_depthwise", *(f"block_{i}_depthwise" for i in range(1, 17))]
    assert names[:17] == expected


@pytest.mark.parametrize("value", [-2.0, 0.7, 9.0], ids=["dead", "constant", "saturated"])
def test_idle_channels_are_left_out_and_nothing_changes(network, images, value):
    make_idle(network, BLOCK, np.arange(5, 5 + 40), value)
    whole = channels_of(network)

    found = without_idle_channels(network, images)

    assert (whole, channels_of(found)) == (96, 56)
    assert found.model.count_params() < network.model.count_params()
    assert_same_outputs(found, network, images[:4])


def test_channels_stay_in_multiples_of_eight(network, images):
    make_idle(network, BLOCK, np.arange(9), 0.5)
    assert channels_of(without_idle_channels(network, images)) == 88


def test_of_a_block_all_of_whose_channels_are_idle_eight_stay(network, images):
    make_idle(network, BLOCK, np.arange(96), 0.5)
    found = without_idle_channels(network, images)
    assert channels_of(found) == 8
    assert_same_outputs(found, network, images[:4])


def test_a_network_whose_channels_all_work_stays_as_it_is(network, images):
    make_idle(network, BLOCK, np.arange(7), 0.5)
    assert without_idle_channels(network, images) is network


def test_a_channel_that_works_on_one_image_alone_stays(network, images):
    """Black images everywhere but one: what only that one shows must not be taken for idle."""
    black = [np.zeros_like(images[0])] * (LEAST_IMAGES - 1)
    alone = without_idle_channels(network, [*black, images[0]])
    assert_same_outputs(alone, network, [images[0]])


def test_images_that_are_all_alike_make_no_channel_idle(network, images):
    """Black images leave most channels constant; negatives and noise wake them."""
    found = without_idle_channels(network, [np.zeros_like(images[0])] * LEAST_IMAGES)
    assert_same_outputs(found, network, images[:4])


def test_few_images_show_no_idle_channel(network, images):
    make_idle(network, BLOCK, np.arange(40), 0.5)
    assert without_idle_channels(network, images[:-1]) is network


def test_channels_that_give_no_number_stay(network, images):
    norm = network.model.get_layer(f"{BLOCK}_depthwise_BN")
    gamma, beta, mean, variance = norm.get_weights()
    beta[:40] = np.nan
    norm.set_weights([gamma, beta, mean, variance])
    assert without_idle_channels(network, images) is network


def test_a_block_whose_inside_is_an_output_is_none(network):
    model = network.model
    inside = model.get_layer(f"{BLOCK}_expand_relu").output
    read = keras.Model(model.input, {**model.output, "inside": inside})
    names = [block.depthwise.name for block in blocks(read)]
    assert names == ["block_0_depthwise"]


def test_a_block_whose_inside_another_layer_reads_is_none(network):
    model = network.model
    inside = keras.layers.ReLU(name="reader")(model.get_layer(f"{BLOCK}_expand_relu").output)
    read = keras.Model(model.input, {**model.output, "inside": inside})
    assert f"{BLOCK}_depthwise" not in [block.depthwise.name for block in blocks(read)]
    # Only the model with the reader has it.
    assert f"{BLOCK}_depthwise" in [block.depthwise.name for block in blocks(model)]


def test_leaving_out_twice_gives_the_same(network, images):
    make_idle(network, BLOCK, np.arange(40), 0.5)
    first, second = (without_idle_channels(network, images) for _ in range(2))
    assert channels_of(first) == channels_of(second) == 56
    assert without_idle_channels(first, images) is first


def test_kernels_that_were_left_out_come_back_as_zeros(network, images):
    make_idle(network, BLOCK, np.arange(40), -2.0)
    found = without_idle_channels(network, images)
    arrays = {layer.name: layer.get_weights() for layer in found.model.layers}
    kernels = {n: a[0] for n, a in arrays.items() if a and a[0].ndim == 4}
    biases = {name: np.ones(np.prod(k.shape[-2:])) for name, k in kernels.items()}
    biases |= {f"{BLOCK}_{name}": np.ones(56) for name in ("expand", "depthwise")}

    wide, offsets = filled_up(network.model, kernels, biases)

    for name in ("expand", "depthwise", "project"):
        layer = f"{BLOCK}_{name}"
        assert wide[layer].shape == network.model.get_layer(layer).get_weights()[0].shape
        assert np.count_nonzero(wide[layer]) == np.count_nonzero(kernels[layer])
    np.testing.assert_array_equal(offsets[f"{BLOCK}_depthwise"], [1] * 56 + [0] * 40)
    untouched = set(wide) - {f"{BLOCK}_{name}" for name in ("expand", "depthwise", "project")}
    assert all(wide[name] is kernels[name] for name in untouched)
