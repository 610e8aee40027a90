"""One training step: what moves, what must not, and the averages it leaves."""

from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from mtv_perception.data.augment import OFF
from mtv_perception.data.formats.open import open_dataset
from mtv_perception.data.pipeline import training_batches
from mtv_perception.data.source import Mixture, SceneSource
from mtv_perception.data.targets import MatchConfig, TargetEncoder
from mtv_perception.network.backbone import BACKBONES
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.deeplabv3plus import LINK
from mtv_perception.network.multitask import build_network
from mtv_perception.training.config import OptimiserConfig
from mtv_perception.training.inputs import open_scenes, target_encoder
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.losses.multitask import MultitaskLoss
from mtv_perception.training.step import TrainingStep
from mtv_perception.training.update import freeze_layers, freeze_norms, make_optimiser

SIZE_HW = (64, 96)
CONFIG = NetworkConfig(preset="warehouse-small", size_hw=SIZE_HW, width=0.35)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    return build_network(CONFIG)


@pytest.fixture(scope="module")
def batch(network, tiny_config):
    config = tiny_config()
    dataset = open_dataset(config.train[0], CONFIG.labels)
    source = SceneSource(Mixture((dataset,), (1.0,)), SIZE_HW, OFF, 1)
    encoder = TargetEncoder(network.default_boxes.boxes_xyxy(), (16, 24), MatchConfig())
    return next(iter(training_batches(source, encoder, range(4), 4, 1)))


def values(model):
    return {weight.path: weight.numpy().copy() for weight in model.weights}


def test_step_averages_trains_and_leaves_frozen_layers(network, batch, unoptimised_graphs):
    """Three steps: the average warms up as documented; frozen layers and norms stand still."""
    freeze_norms(network, "backbone")
    freeze_layers(network.model, ["Conv1", "block_1_"])
    step = TrainingStep(network, LossConfig(weighting="uncertainty"), OptimiserConfig(ema=0.998))
    before = values(network.model)
    expected = [weight.numpy() for weight in network.model.weights]
    losses = []
    run = tf.function(step, autograph=False)
    for count in (1, 2, 3):
        logged = run(batch)
        losses.append(float(logged["total"]))
        decay = min(0.998, (1 + count) / (10 + count))
        expected = [
            e * decay + w.numpy() * (1 - decay)
            for e, w in zip(expected, network.model.weights, strict=True)
        ]
    for found, wanted in zip(step.averaged_weights(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    assert losses[2] < losses[0]
    moved = {
        path
        for path, value in values(network.model).items()
        if not np.array_equal(value, before[path])
    }
    assert not [path for path in moved if "/Conv1/" in path or "/block_1_" in path]
    assert not [path for path in moved if "block_3_expand_BN" in path]
    for part in (
        "block_3_expand/kernel",
        "class_head_0_predict/bias",
        "level8_pointwise_bn/moving_mean",
    ):
        assert [path for path in moved if path.endswith(part)], part
    assert all(float(variable.value) != 0 for variable in step.weighting.variables)
    assert logged.keys() >= {"total", "gradient_norm", "loss/boxes", "weight/segmentation"}


def test_without_averaging_the_averages_are_the_weights(network, batch, unoptimised_graphs):
    step = TrainingStep(network, LossConfig(), OptimiserConfig(ema=0))
    step(batch)
    for found, weight in zip(step.averaged_weights(), network.model.weights, strict=True):
        np.testing.assert_array_equal(found, weight.numpy())


def test_a_mask_scale_of_2_halves_the_masks_cells(network, tiny_config):
    config = tiny_config(network=CONFIG)
    scene = open_scenes(config)(0)
    for scale in (1, 2):
        encode = target_encoder(network, replace(config, losses=LossConfig(mask_scale=scale)))
        assert encode(scene).mask.shape == (SIZE_HW[0] // 4 * scale, SIZE_HW[1] // 4 * scale)


def test_masks_finer_than_logits_are_compared_with_upsampled_logits(network):
    """As with `mask_scale: 2`; OpenCV's bilinear interpolation, half-pixel centres too, is the
    oracle.
    """
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (2, 16, 24, 4)).astype(np.float32)
    mask = rng.integers(0, 4, (2, 32, 48)).astype(np.uint8)
    boxes = network.default_boxes.count
    outputs = {
        "class_logits": np.zeros((2, boxes, 3), np.float32),
        "box_offsets": np.zeros((2, boxes, 4), np.float32),
        "segmentation_logits": logits,
    }
    batch = {
        "classes": np.zeros((2, boxes), np.int8),
        "objects": np.full((2, boxes), -1, np.int16),
        "boxes_xyxy": np.zeros((2, boxes, 4), np.float32),
        "known": np.full((2, boxes), 0xFFFF, np.uint16),
        "mask": mask,
        "mask_known": np.full(mask.shape, 0xFFFF, np.uint16),
    }
    config = LossConfig(class_weights=(1.0, 1.0, 1.0, 1.0), mask_scale=2)
    found = MultitaskLoss(network, config)(outputs, batch)["segmentation"]
    fine = np.stack(
        [cv2.resize(image, (48, 32), interpolation=cv2.INTER_LINEAR) for image in logits]
    )
    likelihood = fine - np.log(np.exp(fine).sum(-1, keepdims=True))
    expected = -np.take_along_axis(likelihood, mask[..., None].astype(int), -1).mean()
    assert float(found) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize(("which", "frozen"), [("none", 0), ("backbone", 51), ("all", None)])
def test_freeze_norms_counts(network, which, frozen):
    freeze_norms(network, which)
    norms = [x for x in network.model.layers if isinstance(x, keras.layers.BatchNormalization)]
    every = sum(not x.name.startswith(LINK) for x in norms)
    assert sum(not x.trainable for x in norms) == (every if frozen is None else frozen)


def _unnamed_features(images, config):
    """A backbone of the kind that a contributor begins with: no layer has a name."""
    features, x = {}, images
    for stride in (2, 4, 8, 16, 32):
        x = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
        features[stride] = x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return {stride: features[stride] for stride in (4, 8, 16, 32)}


NORMS = {"mobilenetv2": 51, "shufflenetv2": 55, "unnamed": 5}  # counted in the papers' tables
NECK_AND_HEADS = ("lateral", "level", "extra", "aspp", "decoder", "class_", "box_")


@pytest.mark.parametrize(
    ("preset", "backbone"),
    [("reference", "mobilenetv2"), *(("warehouse-small", x) for x in (*BACKBONES, "unnamed"))],
)
def test_the_norms_of_every_backbone_and_no_others_are_frozen(preset, backbone, monkeypatch):
    """Also of one that nothing but BACKBONES knows."""
    monkeypatch.setitem(BACKBONES, "unnamed", _unnamed_features)
    network = build_network(replace(CONFIG, preset=preset, backbone=backbone, width=0.5))
    freeze_norms(network, "backbone")
    norms = [x for x in network.model.layers if isinstance(x, keras.layers.BatchNormalization)]
    trained = {x.name for x in norms if x.trainable}
    assert trained == {x.name for x in norms if x.name.startswith(NECK_AND_HEADS)}
    frozen = len(norms) - len(trained)
    assert frozen and frozen == NORMS.get(backbone, frozen)


@pytest.mark.parametrize("which", ["backbone", "all"])
def test_norms_that_do_not_exist_cannot_be_frozen(network, which):
    images = keras.Input((8, 8, 3))
    bare = replace(network, model=keras.Model(images, keras.layers.Conv2D(2, 1)(images)))
    with pytest.raises(ValueError, match=f"norms to freeze .{which}., found none .* 'mobilenetv2'"):
        freeze_norms(bare, which)


def test_a_prefix_of_no_layer_is_an_error(network):
    with pytest.raises(ValueError, match="begins with 'block_99'"):
        freeze_layers(network.model, ["block_99"])


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weight_decay_spares_biases_and_norms(name):
    images = keras.Input((8, 8, 3))
    x = keras.layers.DepthwiseConv2D(3)(images)
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(images, keras.layers.Conv2D(2, 1)(x))
    for weight in model.trainable_variables:
        weight.assign(np.ones(weight.shape))
    scalar = keras.Variable(1.0, name="log_variance_boxes")
    trained = [*model.trainable_variables, scalar]
    optimiser = make_optimiser(OptimiserConfig(name=name, learning_rate=0.1, weight_decay=0.1))
    optimiser.build(trained)
    optimiser.apply([tf.zeros(v.shape) for v in trained], trained)
    shrunk = {v.path.split("/")[-1] for v in trained if np.all(v.numpy() < 1)}
    assert shrunk == {"kernel"}
    assert all(np.all(v.numpy() == 1) for v in trained if v.path.split("/")[-1] != "kernel")


def test_losses_must_fit_the_network(network):
    with pytest.raises(ValueError, match="Expected 4 class weights"):
        MultitaskLoss(network, LossConfig(class_weights=(1.0, 2.0)))
    with pytest.raises(ValueError, match="fits sigmoid scores, got 'mined_softmax'"):
        MultitaskLoss(network, LossConfig(classes="mined_softmax"))
    with pytest.raises(ValueError, match="fits sigmoid scores, got 'octarine'"):
        MultitaskLoss(network, LossConfig(classes="octarine"))
