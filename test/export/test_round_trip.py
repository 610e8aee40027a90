"""From a LiteRT file back to a Keras network that can be trained on."""

import cv2
import keras
import numpy as np
import pytest

from mtv_perception.errors import WeightsError
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.multitask import build_network, normalise
from mtv_perception.network.weights.idle_channels import LEAST_IMAGES, without_idle_channels
from mtv_perception.network.weights.litert import (
    FoldedWeights,
    measure_norms,
    read_folded_weights,
    set_folded_weights,
)
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.models import find_model
from mtv_perception.training.initial import load_exported, load_initial

SIZE_HW = (96, 128)
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def outputs_of(network, images, training=False):
    found = network.model(normalise(np.stack(images)), training=training)
    return {name: np.asarray(value, np.float64) for name, value in found.items()}


def apart(a, b):
    """Largest relative error of an output."""
    return max(np.linalg.norm(a[name] - b[name]) / np.linalg.norm(b[name]) for name in b)


@pytest.fixture(scope="module")
def trained(network, norms_as_trained):
    """The network with norms as after a training."""
    before = network.model.get_weights()
    norms_as_trained(network.model)
    yield network
    network.model.set_weights(before)


@pytest.mark.parametrize(("precision", "limit"), [("float32", 1e-4), ("int8", 0.1)])
def test_the_network_computes_what_the_file_computes(trained, images, precision, limit):
    from mtv_perception.export.convert import convert

    expected = outputs_of(trained, images)
    weights = read_folded_weights(convert(trained, precision, images))
    trained_weights = trained.model.get_weights()
    trained.model.set_weights([0 * w for w in trained_weights])
    try:
        set_folded_weights(trained.model, weights)
        assert apart(outputs_of(trained, images), expected) < limit
        norms = [x for x in trained.model.layers if isinstance(x, keras.layers.BatchNormalization)]
        halves = (images[: len(images) // 2], images[len(images) // 2 :])
        measure_norms(trained.model, [normalise(np.stack(half)) for half in halves])
        measured = outputs_of(trained, images)
        assert apart(measured, expected) < limit
        for norm in norms:
            if isinstance(norm.input._keras_history.operation, CONVOLUTIONS):
                varied = norm.moving_variance.numpy() > 1e-6
                np.testing.assert_allclose(norm.moving_variance.numpy()[varied], 1, rtol=1e-3)
        # By the statistics of the very images they were measured on, training computes the same.
        assert apart(outputs_of(trained, images, training=True), measured) < 1e-3
    finally:
        trained.model.set_weights(trained_weights)


def test_channels_that_an_export_left_out_are_filled_up(trained, images):
    from mtv_perception.export.convert import convert

    before = trained.model.get_weights()
    norm = trained.model.get_layer("stride4_depthwise_bn")
    gamma, beta, mean, variance = norm.get_weights()
    gamma[:9], beta[:9] = 0, -1
    norm.set_weights([gamma, beta, mean, variance])
    expected = outputs_of(trained, images)
    weights = trained.model.get_weights()
    try:
        many = [*images] * -(-LEAST_IMAGES // len(images))
        narrow = without_idle_channels(trained, many)
        folded = read_folded_weights(convert(narrow, "float32"))
        assert folded.kernels["stem"].shape[-1] == 8
        trained.model.set_weights([0 * w for w in weights])
        set_folded_weights(trained.model, folded)
        assert trained.model.get_layer("stem").filters == 16
        assert apart(outputs_of(trained, images), expected) < 1e-4
        # What was filled up stays idle: exported again, it is left out again.
        again = without_idle_channels(trained, many)
        assert again.model.get_layer("stem").filters == 8
    finally:
        trained.model.set_weights(before)


def test_a_file_with_more_layers_is_refused(trained):
    weights = FoldedWeights(kernels={"extra_depthwise": np.zeros((3, 3, 8, 1), np.float32)})
    with pytest.raises(
        WeightsError, match=r"layers alone, found those of \['extra_depthwise'\] too"
    ):
        set_folded_weights(trained.model, weights)


def test_half_precision_is_refused(trained, images):
    from mtv_perception.export.convert import convert

    with pytest.raises(
        WeightsError, match="Expected (weights in float32 or int8|a convolution of a layer), got"
    ):
        read_folded_weights(convert(trained, "float16", images))


def test_the_shipped_model_can_be_trained_on():
    """Read back, it computes what the int8 file computes, but for the rounding of activations."""
    artefact = load_artefact(find_model("warehouse"))
    network = build_network(NetworkConfig(size_hw=artefact.size_hw))
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    image = cv2.resize(coarse, artefact.size_hw[::-1], interpolation=cv2.INTER_CUBIC)
    load_exported(network, find_model("warehouse"), image[None])
    found, backend = outputs_of(network, [image]), artefact.open(EngineConfig(num_threads=2))
    backend.input_view()[:] = image
    raw = backend.run()
    for name, value in found.items():
        tensor = getattr(raw, name)
        expected = tensor.real(tensor.values)
        assert np.corrcoef(value.ravel(), expected.ravel())[0, 1] > 0.98, name


def test_another_network_is_refused():
    network = build_network(NetworkConfig(preset="warehouse-small", size_hw=SIZE_HW))
    images = np.zeros((1, *SIZE_HW, 3), np.uint8)
    with pytest.raises(
        WeightsError, match=r"preset 'warehouse-small', got one in int8: \w+: expected .*, got"
    ):
        load_exported(network, find_model("warehouse"), images)
    renamed = NetworkConfig(size_hw=SIZE_HW, names=("background", "person", "rail", "forklift"))
    with pytest.raises(
        WeightsError, match=r"expected the classes \('background', 'person', .*, got a model of"
    ):
        load_exported(build_network(renamed), find_model("warehouse"), images)
    other = build_network(NetworkConfig(size_hw=SIZE_HW, backbone="shufflenetv2"))
    with pytest.raises(WeightsError, match="layers alone, found those of .* too"):
        load_exported(other, find_model("warehouse"), images)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (
            {"preset": "warehouse-small"},
            r"preset 'warehouse-small', got one in int8: \w+: expected",
        ),
        ({"width": 0.35}, r"preset 'warehouse', got one in int8: \w+: expected weights of shapes"),
        ({"backbone": "shufflenetv2"}, "layers alone, found those of .* too"),
    ],
    ids=["preset", "width", "backbone"],
)
def test_another_layout_is_refused_whatever_the_classes(layout, message):
    names = ("person", "pallet")
    network = build_network(NetworkConfig(names=names, size_hw=SIZE_HW, **layout))
    with pytest.raises(WeightsError, match=message):
        load_initial(network, "warehouse", lambda: np.zeros((1, *SIZE_HW, 3), np.uint8))
