"""The decoder's link from stride 8, and weights from before there was one."""

import keras
import numpy as np
import pytest

from mtv_perception.errors import WeightsError
from mtv_perception.network.deeplabv3plus import LINK
from mtv_perception.network.multitask import paths_without_link
from mtv_perception.network.weights.litert import FoldedWeights, set_folded_weights
from mtv_perception.training.state import load_averaged, save_state

PRESETS = ("warehouse", "warehouse-small")


@pytest.fixture(params=PRESETS)
def network(build, request):
    network = build(preset=request.param, size_hw=(64, 96), width=0.35)
    first = network.model.get_weights()
    yield network
    network.model.set_weights(first)


@pytest.fixture
def images():
    return np.random.default_rng(4).uniform(-1, 1, (2, 64, 96, 3)).astype(np.float32)


def masks(network, images):
    return np.asarray(network.model(images)["segmentation_logits"])


def link_of(network):
    return {
        layer.name: layer.get_weights()
        for layer in network.model.layers
        if layer.name.startswith(LINK) and layer.weights
    }


def folded_weights(network):
    """Random weights as a LiteRT file holds them, of all layers."""
    rng = np.random.default_rng(5)
    weights = FoldedWeights()
    for layer in network.model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            weights.scales[layer.name] = rng.uniform(0.5, 1, count).astype(np.float32)
            weights.offsets[layer.name] = rng.normal(0, 0.1, count).astype(np.float32)
        elif layer.weights:
            kernel = layer.get_weights()[0]
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            count = kernel.shape[2 if depthwise else 3]
            weights.kernels[layer.name] = rng.normal(0, 0.1, kernel.shape).astype(np.float32)
            weights.biases[layer.name] = rng.normal(0, 0.1, count).astype(np.float32)
    return weights


def test_an_untrained_link_adds_nothing_and_a_trained_one_does(network, images):
    before = masks(network, images)
    projection, norm = (network.model.get_layer(f"{LINK}_{part}") for part in ("project", "bn"))
    kernels = projection.get_weights()
    projection.set_weights([10 * kernel for kernel in kernels])
    np.testing.assert_array_equal(masks(network, images), before)
    norm.set_weights([np.ones_like(array) for array in norm.get_weights()])
    # Logits of a fresh network are tiny.
    assert np.abs(masks(network, images) - before).max() > 0.1 * np.abs(before).max()


def test_the_link_reads_stride_8(network):
    projection = network.model.get_layer(f"{LINK}_project")
    assert projection.output.shape[1:3] == (8, 12)
    upsampled = network.model.get_layer("decoder_upsample")
    assert (upsampled.input.shape[1:3], upsampled.output.shape[1:3]) == ((8, 12), (16, 24))


def test_the_link_has_changed_the_order_of_weights(network):
    paths = paths_without_link(network.config)
    assert paths.index("aspp_rate3_depthwise/kernel") < paths.index("lateral8/kernel")
    now = [w.path for w in network.model.weights if not w.path.startswith(LINK)]
    assert sorted(paths) == sorted(now)
    assert paths != now


def test_a_checkpoint_without_the_link_is_read(network, tmp_path):
    before = link_of(network)
    shapes = {w.path: w.shape for w in network.model.weights}
    paths = paths_without_link(network.config)
    arrays = [np.full(shapes[path], i, np.float32) for i, path in enumerate(paths)]
    save_state(tmp_path / "best.npz", {"average": arrays}, 7)
    load_averaged(network, tmp_path)
    found = {w.path: w.numpy() for w in network.model.weights}
    for path, array in zip(paths, arrays, strict=True):
        np.testing.assert_array_equal(found[path], array, err_msg=path)
    for name, weights in link_of(network).items():
        for weight, first in zip(weights, before[name], strict=True):
            np.testing.assert_array_equal(weight, first)


@pytest.mark.parametrize("drop", ["decoder_skip", "decoder_refine0"])
def test_a_checkpoint_without_other_layers_is_refused(network, tmp_path, drop):
    by_path = {w.path: w.numpy() for w in network.model.weights}
    kept = [p for p in paths_without_link(network.config) if not p.startswith(drop)]
    save_state(tmp_path / "best.npz", {"average": [by_path[path] for path in kept]}, 7)
    with pytest.raises(WeightsError, match="expected the weights of preset"):
        load_averaged(network, tmp_path)


def test_a_file_without_the_link_is_read(network, images):
    whole = folded_weights(network)
    kernels = {name: k for name, k in whole.kernels.items() if not name.startswith(LINK)}
    biases = {name: b for name, b in whole.biases.items() if not name.startswith(LINK)}
    set_folded_weights(network.model, FoldedWeights(kernels, biases, whole.scales, whole.offsets))
    without = masks(network, images)
    (scale, offset, *_) = link_of(network)[f"{LINK}_bn"]
    assert not scale.any()
    assert not offset.any()
    set_folded_weights(network.model, whole)
    assert np.abs(masks(network, images) - without).max() > 1e-4


def test_a_file_without_other_layers_is_refused(network):
    whole = folded_weights(network)
    del whole.kernels["decoder_skip"]
    with pytest.raises(WeightsError, match="Expected weights of layer 'decoder_skip'"):
        set_folded_weights(network.model, whole)
