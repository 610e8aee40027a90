import keras
import numpy as np
import pytest

from mtv_perception.network.layers import make_divisible
from mtv_perception.network.mobilenetv2 import FINEST_BY_STRIDE, mobilenetv2, mobilenetv2_features

SIZE = 96


def randomise(model, seed):
    """Weights under which activations keep a magnitude of about 1."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        values = []
        for weight in layer.weights:
            name, shape = weight.path.split("/")[-1], tuple(weight.shape)
            if name in ("gamma", "moving_variance"):
                values.append(rng.uniform(0.6, 1.4, shape))
            elif name in ("beta", "moving_mean"):
                values.append(rng.normal(0, 0.3, shape))
            else:
                fan_in = np.prod(shape[:2]) * (1 if "depthwise" in layer.name else shape[2])
                values.append(rng.normal(0, np.sqrt(2 / fan_in), shape))
        layer.set_weights(values)


@pytest.mark.parametrize("width", [1.0, 0.5])
def test_every_tap_equals_keras_applications(width):
    theirs = keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), alpha=width, include_top=False, weights=None
    )
    randomise(theirs, seed=11)
    ours = mobilenetv2((SIZE, SIZE), width)
    for layer in ours.layers:
        if layer.weights:
            layer.set_weights(theirs.get_layer(layer.name).get_weights())
    taps = list(ours.output)
    images = np.random.default_rng(5).uniform(-1, 1, (2, SIZE, SIZE, 3)).astype(np.float32)

    expected = keras.Model(theirs.input, [theirs.get_layer(name).output for name in taps])(images)
    found = ours(images)

    assert ours.count_params() == theirs.count_params()
    # The stem, 16 expansions, 17 projections, 10 sums, the last convolution.
    assert len(taps) == 1 + 16 + 17 + 10 + 1
    for name, want in zip(taps, expected, strict=True):
        want, got = np.asarray(want), np.asarray(found[name])
        assert want.std() > 0.05, name
        # Where it matters values are of magnitude 1; the bottlenecks' sums are larger and judged in
        # proportion.
        assert np.abs(got - want).max() <= 1e-5 * max(1.0, np.abs(want).max()), name


@pytest.fixture(scope="module")
def by_stride():
    """Narrow backbones at every output stride."""
    images = keras.Input((96, 128, 3))
    return {
        stride: keras.Model(images, mobilenetv2_features(images, 0.35, stride))
        for stride in (8, 16, 32)
    }


@pytest.mark.parametrize(("output_stride", "last"), [(32, 3), (16, 6), (8, 12)])
def test_feature_sizes_at_each_output_stride(by_stride, output_stride, last):
    features = by_stride[output_stride].output

    sizes = [features[FINEST_BY_STRIDE[s]].shape[1] for s in (4, 8, 16, 32)]
    assert sizes == [24, 12, max(6, last), last]
    assert features["block_13_expand_relu"].shape[1] == max(6, last)
    assert "out_relu" not in features


def test_output_stride_16_dilates_what_comes_after_the_stride_it_gives_up(by_stride):
    layers = [by_stride[16].get_layer(f"block_{i}_depthwise") for i in (12, 13, 14, 15, 16)]

    assert [layer.strides for layer in layers] == [(1, 1)] * 5
    assert [layer.dilation_rate for layer in layers] == [(1, 1), (1, 1), (2, 2), (2, 2), (2, 2)]


def test_output_stride_8_dilates_the_last_two_stages(by_stride):
    layers = [by_stride[8].get_layer(f"block_{i}_depthwise") for i in (6, 7, 13, 14)]

    assert [layer.strides for layer in layers] == [(1, 1)] * 4
    assert [layer.dilation_rate[0] for layer in layers] == [1, 2, 2, 4]


def test_all_output_strides_have_the_same_weights(by_stride):
    assert len({model.count_params() for model in by_stride.values()}) == 1


def test_other_output_strides_are_refused():
    with pytest.raises(ValueError, match="8, 16 or 32, got 4"):
        mobilenetv2_features(keras.Input((64, 64, 3)), output_stride=4)


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(32, 32), (8.4, 8), (1, 8), (12, 16), (11, 16), (11.9, 16), (33.6, 32), (36, 40), (84, 88)],
)
def test_channels_are_rounded_as_the_authors_do(channels, rounded):
    assert make_divisible(channels) == rounded
    assert rounded >= 0.9 * channels
