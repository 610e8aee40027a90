from dataclasses import fields

import keras
import numpy as np
import pytest

from mtv_perception.config import from_mapping, rule_of
from mtv_perception.errors import ConfigError
from mtv_perception.network.backbone import BACKBONES
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.deeplabv3plus import LINK
from mtv_perception.network.preset_boxes import PRESET_BOXES, grids_of
from mtv_perception.network.summary import multiply_adds, summarise

SMALL = (96, 128)
PRODUCT = {"preset": "warehouse", "size_hw": SMALL}
REFERENCE = {"preset": "reference", "size_hw": SMALL}
TWO = ("background", "person")
SIX = ("background", "a", "b", "c", "d", "e")
LAYOUTS = {
    "warehouse": PRODUCT,
    "warehouse, stride 16, one class": {**PRODUCT, "output_stride": 16, "width": 0.5, "names": TWO},
    "warehouse, stride 8": {**PRODUCT, "output_stride": 8, "width": 0.5},
    "warehouse-small": {"preset": "warehouse-small", "size_hw": SMALL, "width": 0.5},
    "shufflenet with everything": {
        **PRODUCT,
        "backbone": "shufflenetv2",
        "width": 0.5,
        "extra_depthwise": True,
        "residual": True,
    },
    "reference, five classes": {**REFERENCE, "names": SIX},
    "reference, stride 8": {**REFERENCE, "output_stride": 8, "width": 0.5},
    "reference with legacy heads": {**REFERENCE, "legacy_heads": True},
}
FULL_SIZE = {
    "full warehouse": {"preset": "warehouse"},
    "full reference": {"preset": "reference", "legacy_heads": True},
}
layouts = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(2).uniform(-1, 1, (2, *SMALL, 3)).astype(np.float32)


@layouts
def test_raw_outputs_fit_the_default_boxes_and_classes(build, layout):
    network = build(**LAYOUTS[layout])
    count, classes = network.default_boxes.count, len(network.config.names)
    columns = {"sigmoid": classes - 1, "softmax": classes}[network.scores]

    assert {name: tuple(output.shape[1:]) for name, output in network.model.output.items()} == {
        "class_logits": (count, columns),
        "box_offsets": (count, 4),
        "segmentation_logits": (SMALL[0] // 4, SMALL[1] // 4, classes),
    }
    assert network.default_boxes.boxes_cxcywh().shape == (count, 4)
    assert network.default_boxes.size_hw == SMALL


@layouts
def test_gradients_reach_every_trainable_weight(build, images, layout):
    import tensorflow as tf

    network = build(**LAYOUTS[layout])
    rng = np.random.default_rng(3)
    with tf.GradientTape() as tape:
        outputs = network.model(images, training=False)
        loss = sum(
            tf.reduce_sum(x * rng.normal(size=x.shape).astype(np.float32)) for x in outputs.values()
        )
    weights = network.model.trainable_weights

    gradients = tape.gradient(loss, [weight.value for weight in weights])

    dead = [
        w.path
        for w, g in zip(weights, gradients, strict=True)
        if g is None or not np.any(np.asarray(g))
    ]
    # Its norm begins with a scale of zeros, which learns first.
    assert [path for path in dead if path != f"{LINK}_project/kernel"] == []


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "legacy" not in name])
def test_heads_can_say_any_sign(build, images, layout):
    network = build(**LAYOUTS[layout])
    before = network.model.get_weights()
    rng = np.random.default_rng(4)
    for layer in network.model.layers:
        if layer.name.endswith("_predict") or layer.name == "decoder_logits":
            layer.set_weights([rng.normal(0, 1, w.shape) for w in layer.get_weights()])

    outputs = network.model(images, training=False)
    network.model.set_weights(before)

    for name, values in outputs.items():
        values = np.asarray(values)
        assert (values < 0).mean() > 0.1, name
        assert (values > 0).mean() > 0.1, name


def test_legacy_heads_are_confined_to_0_and_6(build, images):
    outputs = build(**LAYOUTS["reference with legacy heads"]).model(images, training=False)

    for name in ("class_logits", "box_offsets"):
        values = np.asarray(outputs[name])
        assert (values.min(), values.max() <= 6) == (0, True)


@pytest.mark.parametrize("layout", ["warehouse", "warehouse-small", "reference, five classes"])
def test_every_head_ends_in_a_plain_convolution_with_bias(build, layout):
    heads = [
        layer for layer in build(**LAYOUTS[layout]).model.layers if layer.name.endswith("_predict")
    ]

    assert len(heads) in (8, 10)
    for head in heads:
        assert head.use_bias
        assert head.kernel_size == (1, 1)
        assert head.activation is keras.activations.linear


def test_the_reference_counts_as_the_seeds_did(build):
    network = build(**FULL_SIZE["full reference"])

    figures = summarise(network)

    assert figures["parameters"] == 4_047_408
    assert figures["multiply_adds"] == pytest.approx(17.96e9, rel=1e-3)
    assert figures["default_boxes"] == 9600
    assert figures["outputs"] == {
        "class_logits": [9600, 4],
        "box_offsets": [9600, 4],
        "segmentation_logits": [120, 160, 4],
    }
    assert figures["scores"] == "softmax"


def test_three_quarters_of_the_references_work_is_one_convolution(build):
    model = build(**FULL_SIZE["full reference"]).model
    dense = 3 * 3 * 304 * 256 * 120 * 160

    assert model.get_layer("decoder_dense").kernel.shape == (3, 3, 304, 256)
    assert dense / multiply_adds(model) == pytest.approx(0.75, abs=0.005)


def test_the_product_is_within_its_budget(build):
    figures = summarise(build(**FULL_SIZE["full warehouse"]))

    assert figures["parameters"] <= 3_500_000
    assert figures["multiply_adds"] <= 3_200_000_000
    assert figures["default_boxes"] == (60 * 80 + 30 * 40 + 15 * 20 + 8 * 10 + 4 * 5) * 6
    assert figures["outputs"]["class_logits"] == [38400, 3]
    assert figures["outputs"]["segmentation_logits"] == [120, 160, 4]


def test_the_product_has_a_stride_8_map(build):
    network = build(**FULL_SIZE["full warehouse"])

    assert network.default_boxes.maps[0].grid_hw == (60, 80)
    assert min(min(shape) for shape in network.default_boxes.maps[0].shapes_wh) < 16


@pytest.mark.parametrize(
    "layout", ["warehouse", "warehouse-small", "full warehouse", "full reference"]
)
def test_the_boxes_of_a_preset_are_known_without_its_network(build, layout):
    network = build(**{**LAYOUTS, **FULL_SIZE}[layout])

    assert PRESET_BOXES[network.config.preset](network.config.size_hw) == network.default_boxes


@pytest.mark.parametrize(
    ("size_hw", "expected"), [((96, 128), [(12, 16), (1, 1)]), ((100, 130), [(13, 17), (1, 2)])]
)
def test_grids_round_up(size_hw, expected):
    assert grids_of(size_hw, (8, 128)) == expected


def test_multiply_adds_of_a_network_counted_by_hand():
    inputs = keras.Input((8, 10, 3))
    x = keras.layers.Conv2D(5, 3, 2, padding="same")(inputs)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(x))

    assert multiply_adds(keras.Model(inputs, x)) == 4 * 5 * 27 * 5 + 4 * 5 * 9 * 5 + 5 * 7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size_hw": (100, 128)}, r"multiples of 32, got \(100, 128\)"),
        (
            {"preset": "reference", "backbone": "shufflenetv2", "size_hw": SMALL},
            "'mobilenetv2' in the reference preset",
        ),
        ({"output_stride": 24, "size_hw": SMALL}, "8, 16 or 32, got 24"),
    ],
)
def test_impossible_networks_are_refused(build, values, message):
    with pytest.raises(ValueError, match=message):
        build(**values)


def test_every_backbone_can_be_chosen():
    """config.py names them, because it is imported where Keras is not."""
    (item,) = (item for item in fields(NetworkConfig) if item.name == "backbone")

    assert set(rule_of(item).choices) == set(BACKBONES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"preset": "other"}, "preset: expected one of"),
        ({"backbone": "vgg"}, "backbone"),
        ({"width": 9}, "width"),
        ({"deep": 1}, "unknown key 'deep'"),
    ],
)
def test_unknown_presets_and_backbones_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(NetworkConfig, values)
