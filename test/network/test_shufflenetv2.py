import functools
import itertools

import keras
import numpy as np
import pytest

from mtv_perception.network.shufflenetv2 import (
    STAGE_CHANNELS,
    channel_shuffle,
    shufflenetv2_features,
)

# Trainable parameters of the published classifiers (torchvision's count) and their last channels.
PUBLISHED = {
    0.5: (1_366_792, 1024),
    1.0: (2_278_604, 1024),
    1.5: (3_503_624, 1024),
    2.0: (7_393_996, 2048),
}
OPTIONS = list(itertools.product([False, True], [False, True]))


@functools.cache
def build(**options):
    images = keras.Input((64, 96, 3))
    return keras.Model(images, shufflenetv2_features(images, **options))


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def unit_parameters(channels, down, inputs=0):
    """Of a unit, from figure 3 of the paper; each convolution's batch norm has two parameters a
    channel.
    """
    half = channels // 2
    entering = inputs if down else half
    branch = entering * half + 2 * half + 9 * half + 2 * half + half * half + 2 * half
    short = 9 * inputs + 2 * inputs + inputs * half + 2 * half if down else 0
    return branch + short


@pytest.mark.parametrize("width", STAGE_CHANNELS)
def test_parameters_of_the_stages_counted_by_hand(width):
    model = build(width=width)
    total, inputs = 27 * 24 + 2 * 24, 24
    for channels, units in zip(STAGE_CHANNELS[width], (4, 8, 4), strict=True):
        total += unit_parameters(channels, True, inputs) + (units - 1) * unit_parameters(
            channels, False
        )
        inputs = channels

    assert trainable(model) == total


@pytest.mark.parametrize("width", STAGE_CHANNELS)
def test_parameters_of_the_published_network(width):
    published, last = PUBLISHED[width]
    features = STAGE_CHANNELS[width][-1]
    last_convolution, classifier = features * last + 2 * last, last * 1000 + 1000

    assert trainable(build(width=width)) == published - last_convolution - classifier


@pytest.mark.parametrize(
    ("options", "width", "last"),
    [
        *(({}, w, (2, 3)) for w in STAGE_CHANNELS),
        *(({"output_stride": s}, 0.5, (64 // s, 96 // s)) for s in (8, 16)),
    ],
)
def test_feature_sizes(options, width, last):
    features = build(width=width, **options).output

    assert {s: tuple(f.shape[1:]) for s, f in features.items()} == {
        4: (16, 24, 24),
        8: (8, 12, STAGE_CHANNELS[width][0]),
        16: (*max((4, 6), last), STAGE_CHANNELS[width][1]),
        32: (*last, STAGE_CHANNELS[width][2]),
    }


@pytest.mark.parametrize("shape", [(2, 3, 5, 8), (1, 1, 1, 2), (1, 4, 4, 116)])
def test_channels_are_shuffled_as_in_numpy(shape):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    halves = values.reshape(*shape[:3], 2, shape[3] // 2)
    expected = np.swapaxes(halves, 3, 4).reshape(shape)
    inputs = keras.Input(shape[1:])

    found = np.asarray(keras.Model(inputs, channel_shuffle(inputs, "shuffle"))(values))

    assert np.array_equal(found, expected)
    assert np.array_equal(found[..., 0::2], values[..., : shape[3] // 2])


@pytest.mark.parametrize(("extra_depthwise", "residual"), OPTIONS)
def test_an_extra_depthwise_convolution_costs_its_parameters_and_a_residual_none(
    extra_depthwise, residual
):
    chosen = {"extra_depthwise": extra_depthwise, "residual": residual}
    plain, optional = build(width=0.5), build(width=0.5, **{k: v for k, v in chosen.items() if v})
    # At the beginning of a branch: it has all of its inputs in a unit that halves the size, half of
    # them elsewhere.
    channels = [24, *STAGE_CHANNELS[0.5]]
    extra = (9 + 2) * sum(
        entering + (units - 1) * leaving // 2
        for entering, leaving, units in zip(channels, channels[1:], (4, 8, 4), strict=False)
    )

    assert trainable(optional) - trainable(plain) == extra_depthwise * extra
    assert sum("_add" in layer.name for layer in optional.layers) == residual * (3 + 7 + 3)


@pytest.mark.parametrize("unit", [0, 1])
def test_the_extra_depthwise_convolution_comes_before_the_first_pointwise_one(unit):
    """Ma et al. 2018, section 4."""
    model = build(width=0.5, extra_depthwise=True)

    expand = model.get_layer(f"stage2_unit{unit}_expand")

    assert expand.input is model.get_layer(f"stage2_unit{unit}_extra_bn").output


def test_features_are_not_all_zero():
    """A known variant cuts every activation at 0."""
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).uniform(-1, 1, (1, 64, 96, 3)).astype(np.float32)

    for stride, feature in build(width=0.5)(images).items():
        assert np.asarray(feature).max() > 0, stride


@pytest.mark.parametrize(
    ("options", "message"),
    [({"width": 0.75}, "0.5, 1.0, 1.5, 2.0, got 0.75"), ({"output_stride": 4}, "got 4")],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)
