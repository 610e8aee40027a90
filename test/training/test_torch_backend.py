"""PyTorch makes the same steps as TensorFlow, and a run folder that can be exported.

PyTorch is no dependency, so MTV_TORCH_PYTHON may name an interpreter that has it (and no
TensorFlow).
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import yaml

from mtv_perception.config import to_plain
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.training.config import OptimiserConfig
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.state import BEST_FILE, read_group
from mtv_perception.training.trainer import Trainer, load_run

PYTHON = os.environ.get("MTV_TORCH_PYTHON", sys.executable)
STEPS = 3


@pytest.fixture(scope="module")
def run_script():
    environment = {**os.environ, "PYTHONPATH": str(SOURCE_ROOT), "KERAS_BACKEND": "torch"}
    found = subprocess.run(
        [PYTHON, "-c", "import torch, keras"], capture_output=True, env=environment
    )
    if found.returncode:
        pytest.skip(f"{PYTHON} has no PyTorch (MTV_TORCH_PYTHON may name one that has)")

    def run(*arguments):
        return subprocess.run(
            [PYTHON, str(SOURCE_ROOT / "scripts" / "mtv"), "train", *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
        )

    return run


@pytest.fixture
def config(tiny_config, tiny_run):
    return tiny_config(
        initial=str(tiny_run),
        steps=STEPS,
        losses=LossConfig(
            classes="aligned_focal", segmentation={"lovasz_softmax": 1.0}, mask_scale=2
        ),
        optimiser=OptimiserConfig(name="sgd", learning_rate=1e-3, warmup=1, ema=0),
        validation=(),
    )


def test_it_goes_the_way_of_mtv_train(tmp_path, config, run_script, unoptimised_graphs):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(to_plain(config)))
    done = run_script(
        tmp_path / "config.yaml", "--run", tmp_path / "torch", "--backend", "torch", "workers=1"
    )
    assert done.returncode == 0, done.stderr
    assert f"step {STEPS}/{STEPS}" in done.stderr and "images/s" in done.stderr

    Trainer(config, tmp_path / "tensorflow").train()
    start, one, two = (
        read_group(folder / BEST_FILE, "average")
        for folder in (
            tmp_path.parent / config.initial,
            tmp_path / "tensorflow",
            tmp_path / "torch",
        )
    )
    moved, apart = (
        np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(x, y, strict=True)))
        for x, y in ((start, one), (one, two))
    )
    assert moved > 0 and apart < 0.02 * moved
    assert load_run(tmp_path / "torch")[0].steps == STEPS
    assert "torch" in yaml.safe_load((tmp_path / "torch" / "run.yaml").read_text())

    again = run_script(
        tmp_path / "config.yaml", "--run", tmp_path / "torch", "--backend", "torch", "workers=1"
    )
    assert (
        again.returncode == 2 and "expected a new folder, got one with checkpoints" in again.stderr
    )


def test_it_says_what_it_can_not_begin_with(tmp_path, config, run_script):
    values = to_plain(config) | {"initial": str(tmp_path / "nothing.npz")}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    done = run_script(
        tmp_path / "config.yaml", "--run", tmp_path / "run", "--backend", "torch", "workers=1"
    )
    assert (
        done.returncode == 2 and "nothing.npz: expected a run folder, a checkpoint" in done.stderr
    )
    assert not (tmp_path / "run" / BEST_FILE).exists()
