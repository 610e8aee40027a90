"""A network that can't learn eight images by heart has a fault somewhere: in targets, losses,
weighting or decoding.
"""

import time
from dataclasses import replace

import pytest

from mtv_perception.training.config import OptimiserConfig
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.losses.weighting import WEIGHTINGS
from mtv_perception.training.trainer import Trainer
from mtv_perception.training.validation import Validation

BACKBONES = {"mobilenetv2": 0.35, "shufflenetv2": 0.5}
SIZE_HW = (
    128,
    160,
)  # half a mask cell is 2 pixels, which costs a 16-pixel object more than IoU 0.9 allows
STEPS = 400


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("backbone", "weighting", "classes"),
    [
        *((b, w, "focal") for b in BACKBONES for w in WEIGHTINGS),
        ("mobilenetv2", "log", "aligned_focal"),
    ],
)
def test_eight_images_are_learnt_by_heart(
    tmp_path, tiny_config, write_shapes, backbone, weighting, classes
):
    data = replace(tiny_config().train[0], path=write_shapes(tmp_path / "shapes", size_hw=SIZE_HW))
    network = tiny_config().network
    config = tiny_config(
        network=replace(network, size_hw=SIZE_HW, backbone=backbone, width=BACKBONES[backbone]),
        train=(data,),
        validation=(data,),
        losses=LossConfig(classes=classes, weighting=weighting),
        optimiser=OptimiserConfig(learning_rate=4e-3, warmup=20, ema=0.95),
        batch_size=8,
        steps=STEPS,
        validate_every=STEPS,
        checkpoint_every=STEPS,
    )
    started = time.monotonic()
    best = Trainer(config, tmp_path / "run", Validation(config)).train()
    seconds = time.monotonic() - started
    scores = f"{best['map50']:.3f} | {best['miou']:.3f}"
    figures = f"| {backbone} | {weighting} | {classes} | {STEPS} | {seconds:.0f} | {scores} |"
    print("\n" + figures)  # noqa: T201
    assert best["map50"] > 0.95 and best["miou"] > 0.9, figures
