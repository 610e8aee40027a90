"""A network at another input size sees every cell where it saw it in training."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.layers import AlignedDepthwiseConv2D, depthwise, separable
from mtv_perception.network.multitask import build_network
from mtv_perception.network.preset_boxes import pyramid_padding
from mtv_perception.network.weights.idle_channels import blocks

SIDES = st.integers(2, 7)


def strided(sides, before, kernel):
    """A strided depthwise convolution of inputs of those sides."""
    inputs = keras.Input((*sides, kernel.shape[2]))
    model = keras.Model(inputs, depthwise(inputs, "down", strides=2, before=before))
    model.set_weights([kernel])
    return model


@settings(max_examples=25, deadline=None)
@given(SIDES, SIDES, st.integers(0, 3), st.integers(0, 3))
def test_a_larger_input_with_nothing_in_the_rest_gives_the_same_cells(rows, columns, more, wider):
    rng = np.random.default_rng(rows + 8 * columns)
    kernel = rng.normal(size=(3, 3, 2, 1)).astype(np.float32)
    cells = rng.normal(size=(1, rows, columns, 2)).astype(np.float32)
    padding = (rows % 2, columns % 2)
    larger = np.pad(cells, [(0, 0), (0, more), (0, wider), (0, 0)])

    expected = strided((rows, columns), None, kernel)(cells)
    found = strided(larger.shape[1:3], padding, kernel)(larger)

    assert found.shape[1:3] == tuple(-(-side // 2) for side in larger.shape[1:3])
    np.testing.assert_allclose(
        found[:, : expected.shape[1], : expected.shape[2]], expected, atol=1e-5
    )


@pytest.mark.parametrize("sides", [(4, 4), (4, 5), (5, 4), (5, 5)])
def test_its_own_padding_is_an_ordinary_layer(sides):
    inputs = keras.Input((*sides, 2))
    plain = depthwise(inputs, "down", strides=2, before=(sides[0] % 2, sides[1] % 2))
    other = depthwise(inputs, "down", strides=2, before=(1 - sides[0] % 2, sides[1] % 2))

    assert type(plain._keras_history.operation) is keras.layers.DepthwiseConv2D
    layer = other._keras_history.operation
    assert isinstance(layer, AlignedDepthwiseConv2D)
    again = AlignedDepthwiseConv2D.from_config(layer.get_config())
    assert again.before == layer.before and again.pads(sides) == layer.pads(sides)


def test_a_default_box_and_the_window_under_it_keep_their_distance():
    """A bright cell answers at the same place of the grid, whatever the size."""

    def answers(sides, before, cell):
        inputs = keras.Input((*sides, 1))
        level = keras.Model(inputs, separable(inputs, 1, "level", 2, before=before))
        for layer in level.layers:
            if hasattr(layer, "kernel"):
                layer.set_weights([np.ones_like(w) for w in layer.get_weights()])
        cells = np.zeros((1, *sides, 1), np.float32)
        cells[0, cell[0], cell[1]] = 1
        return np.argwhere(np.asarray(level(cells))[0, ..., 0] > 0.1)

    at_480x640 = pyramid_padding((480, 640))[0]
    expected = answers((15, 20), None, (6, 9))
    for sides in ((12, 16), (11, 15), (10, 13), (16, 12)):
        np.testing.assert_array_equal(answers(sides, at_480x640, (6, 9)), expected)


def test_the_configuration_remembers_where_its_windows_lie():
    native = NetworkConfig(size_hw=(480, 640))

    other = native.at_size((384, 512))

    assert native.at_size((352, 384)).aligned_hw is None, "the same padding"
    assert other.aligned_hw == (480, 640)
    assert other.at_size((320, 416)).aligned_hw == (480, 640)
    assert other.at_size((480, 640)) == native, "back again"
    assert replace(native, preset="reference").at_size((384, 512)).aligned_hw is None


@pytest.mark.parametrize("output_stride", [32, 16, 8])
@pytest.mark.parametrize("size_hw", [(96, 160), (128, 96)])
def test_at_its_own_size_every_layer_is_ordinary(build, output_stride, size_hw):
    network = build(size_hw=size_hw, width=0.35, output_stride=output_stride)

    assert not any(isinstance(x, AlignedDepthwiseConv2D) for x in network.model.layers)


def test_an_alignment_that_no_network_has_is_an_error():
    with pytest.raises(ValueError, match="aligned_hw in multiples of 32"):
        build_network(NetworkConfig(size_hw=(96, 128), aligned_hw=(33, 4001)))


def test_a_network_aligned_with_another_size_has_the_same_weights(build):
    plain = build(size_hw=(96, 128), width=0.35)
    aligned = build(size_hw=(128, 160), width=0.35, aligned_hw=(96, 128))

    assert [(w.path, w.shape) for w in aligned.model.weights] == [
        (w.path, w.shape) for w in plain.model.weights
    ]
    kinds = [x.name for x in aligned.model.layers if isinstance(x, AlignedDepthwiseConv2D)]
    assert kinds == ["level64_depthwise", "level128_depthwise"]
    assert len(blocks(aligned.model)) == len(blocks(plain.model))
