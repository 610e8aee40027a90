"""Runs of seconds: resumed after a kill, judged, refused, and spread over devices."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml

from mtv_perception.config import to_plain
from mtv_perception.data.augment import AugmentConfig
from mtv_perception.errors import ConfigError, DatasetError, WeightsError
from mtv_perception.export.source import load_network
from mtv_perception.network.multitask import build_network
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.training import trainer
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.runs.log import read_curves
from mtv_perception.training.state import load_averaged, read_group
from mtv_perception.training.strategy import is_chief
from mtv_perception.training.trainer import Trainer, load_run
from mtv_perception.training.validation import Validation

pytestmark = pytest.mark.usefixtures("shallow_network")


class Killed(Trainer):
    """Dies in its seventh step."""

    def _is_due(self, every):
        if self._done == 7:
            raise KeyboardInterrupt
        return super()._is_due(every)


def test_a_killed_run_resumes_to_the_same_curve(
    tmp_path, tiny_config, monkeypatch, unoptimised_graphs
):
    monkeypatch.setattr(trainer, "_LOG_EVERY", 1)
    config = tiny_config(
        steps=9,
        checkpoint_every=4,
        validate_every=4,
        monitor=("map",),
        augment=AugmentConfig(),
        losses=LossConfig(weighting="uncertainty"),
    )

    def validate(model):
        return {"map": 0.5}

    Trainer(config, tmp_path / "whole", validate).train()
    with pytest.raises(KeyboardInterrupt):
        Killed(config, tmp_path / "killed", validate).train()
    assert max(step for step, _ in read_curves(tmp_path / "killed")["total"]) == 6
    Trainer(config, tmp_path / "killed", validate, resume=True).train()

    whole, resumed = read_curves(tmp_path / "whole"), read_curves(tmp_path / "killed")
    assert whole.keys() == resumed.keys() and len(whole["total"]) == 9
    for name in whole.keys() - {"images_per_second"}:
        np.testing.assert_allclose(resumed[name], whole[name], rtol=2e-3, err_msg=name)
    assert [step for step, _ in resumed["validation/map"]] == [4, 8, 9]
    for group in ("model", "average", "weighting", "optimiser"):
        pairs = zip(
            *(read_group(tmp_path / run / "last.npz", group) for run in ("whole", "killed")),
            strict=True,
        )
        for one, other in pairs:
            np.testing.assert_allclose(other, one, rtol=2e-2, atol=2e-3)


def test_a_run_folder_tells_everything(tiny_run, tiny_config):
    names = {path.name for path in tiny_run.iterdir()}
    assert names >= {
        "config.yaml",
        "run.yaml",
        "curves.csv",
        "curves.png",
        "best.npz",
        "best.yaml",
        "last.npz",
        "tensorboard",
        "train.log",
    }
    assert "step 6: score" in (tiny_run / "train.log").read_text()
    about = yaml.safe_load((tiny_run / "run.yaml").read_text())
    assert about["tensorflow"] == tf.__version__ and about["revision"]
    curves = read_curves(tiny_run)
    assert [step for step, _ in curves["validation/miou"]] == [3, 6]
    assert {
        "validation/map",
        "validation/shapes/iou/person",
        "loss/boxes",
        "weight/boxes",
    } <= curves.keys()
    events = next((tiny_run / "tensorboard").iterdir())
    tags = {
        v.tag
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for v in event.summary.value
    }
    assert any(tag.startswith("examples") for tag in tags)


def test_load_run_gives_the_best_averages(tiny_run, tiny_config):
    config, network = load_run(tiny_run)
    assert config == tiny_config(validate_every=3)
    for weight, array in zip(
        network.model.weights, read_group(tiny_run / "best.npz", "average"), strict=True
    ):
        np.testing.assert_array_equal(weight.numpy(), array)


def test_weights_load_at_another_size_but_not_into_another_network(tiny_run, tiny_config):
    network = tiny_config().network
    load_averaged(build_network(replace(network, size_hw=(64, 64))), tiny_run)
    with pytest.raises(WeightsError, match="expected the weights of preset 'warehouse-small'"):
        load_averaged(build_network(replace(network, width=0.5)), tiny_run)


def test_the_best_validation_is_kept(tmp_path, tiny_config, eager):
    scores, pictures = iter([0.3, 0.9, 0.5]), []

    def validate(model):
        pictures.append((tmp_path / "run" / "curves.png").exists())
        return {"map": next(scores), "miou": None}

    best = Trainer(tiny_config(steps=3, validate_every=1), tmp_path / "run", validate).train()
    assert best == {"score": 0.9, "step": 2, "map": 0.9}
    assert pictures == [False, True, True]
    assert not trainer._LOG.handlers
    assert yaml.safe_load((tmp_path / "run" / "best.yaml").read_text()) == best


def test_a_run_stopped_between_validation_and_checkpoint_goes_on(tmp_path, tiny_config, eager):
    """Best weights without a state to go on from would block the folder for ever."""
    config = tiny_config(steps=5, validate_every=2, checkpoint_every=100, monitor=("map",))

    def stopped(model):
        if (tmp_path / "run" / "best.npz").exists():
            raise KeyboardInterrupt
        return {"map": 0.5}

    with pytest.raises(KeyboardInterrupt):
        Trainer(config, tmp_path / "run", stopped).train()
    again = Trainer(config, tmp_path / "run", lambda model: {"map": 0.4}, resume=True)
    assert again.train()["step"] == 2


def test_the_weights_a_run_begins_with_may_be_the_best(tmp_path, tiny_config, eager):
    """A fine-tuning then never ends with less than it had."""
    scores = iter([0.9, 0.2, 0.3])
    config = tiny_config(steps=2, validate_every=1, validate_first=True)
    run = Trainer(config, tmp_path / "run", lambda model: {"map": next(scores), "miou": None})
    first = [weight.numpy() for weight in run.network.model.weights]

    assert run.train()["step"] == 0
    _, network = load_run(tmp_path / "run")
    for kept, weight in zip(network.model.weights, first, strict=True):
        np.testing.assert_array_equal(kept.numpy(), weight)


@pytest.mark.parametrize(
    ("size", "norms", "told"), [(1, "none", 1), (1, "all", 0), (1, "statistics", 0), (2, "none", 0)]
)
def test_one_image_a_step_is_told(tmp_path, tiny_config, tiny_run, caplog, size, norms, told):
    """The norm after the image pooling then sees one value, whose variance is 0."""
    initial = str(tiny_run) if norms == "statistics" else ""
    config = tiny_config(batch_size=size, freeze_norms=norms, initial=initial)
    Trainer(config, tmp_path / "run")
    assert caplog.text.count("expected at least 2 images a device") == told


def test_a_run_is_not_overwritten(tiny_run, tiny_config):
    with pytest.raises(ConfigError, match="got one with a checkpoint; use --resume"):
        Trainer(tiny_config(validate_every=3), tiny_run)


def test_resuming_needs_a_run_with_the_same_configuration(tmp_path, tiny_run, tiny_config):
    with pytest.raises(ConfigError, match="found no checkpoint"):
        Trainer(tiny_config(), tmp_path / "none", resume=True)
    with pytest.raises(ConfigError, match="got another validate_every, seed;"):
        Trainer(tiny_config(seed=5), tiny_run, resume=True)


def test_no_training_data_is_an_error_and_leaves_nothing_behind(tmp_path, tiny_config):
    with pytest.raises(ConfigError, match="train: expected at least one data set"):
        Trainer(tiny_config(train=()), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_never_validated_has_no_weights_to_begin_with(tmp_path, tiny_config):
    with pytest.raises(
        WeightsError, match="found none; a run has one from its first validation on"
    ):
        Trainer(tiny_config(initial=str(tmp_path)), tmp_path / "run")


def test_a_resumed_run_needs_not_what_it_began_with(tmp_path, tiny_config, tiny_run, eager):
    start = shutil.copytree(tiny_run, tmp_path / "start")
    config = tiny_config(initial=str(start), steps=2, checkpoint_every=1)
    Trainer(config, tmp_path / "run").train()
    shutil.rmtree(start)
    Trainer(config, tmp_path / "run", resume=True)


def test_a_run_of_another_size_lines_up_with_its_first_weights(
    tmp_path, tiny_config, tiny_run, eager
):
    """96x128 has 3 rows at stride 32, 128x160 has 4: the windows above would move by half a cell."""
    network = replace(tiny_config().network, size_hw=(128, 160))
    config = tiny_config(initial=str(tiny_run), steps=2, checkpoint_every=1, network=network)

    run = Trainer(config, tmp_path / "run")
    run.train()

    assert run.network.config.aligned_hw == (96, 128)
    saved, loaded = load_run(tmp_path / "run")
    assert saved.network.aligned_hw == loaded.config.aligned_hw == (96, 128)
    resumed = Trainer(config, tmp_path / "run", resume=True)
    assert resumed.network.config.aligned_hw == (96, 128)
    asked = tiny_config(initial=str(tiny_run), network=replace(network, aligned_hw=(128, 160)))
    assert Trainer(asked, tmp_path / "own").network.config.aligned_hw == (128, 160)
    _, back = load_network(tmp_path / "run", (96, 128))
    assert back.config.aligned_hw is None


def test_a_run_begins_with_an_exported_model(tmp_path, tiny_config):
    """Of a folder or by name; what is neither is an error that says what there is."""
    with pytest.raises(
        WeightsError, match="nowhere: expected a run folder, .* or one of warehouse"
    ):
        Trainer(tiny_config(initial="nowhere"), tmp_path / "run")
    with pytest.raises(WeightsError, match=r"expected weights of shapes .*, got"):
        narrow = replace(tiny_config().network, width=0.5)
        Trainer(tiny_config(initial="warehouse", network=narrow), tmp_path / "run")
    network = replace(tiny_config().network, preset="warehouse", width=1.0)
    model = Trainer(
        tiny_config(initial="warehouse", network=network), tmp_path / "run"
    ).network.model
    assert model.get_layer("decoder_logits").bias.numpy().any()
    begun = yaml.safe_load((tmp_path / "run" / "initial.yaml").read_text())
    assert begun["sha256"] == load_artefact(find_model("warehouse")).spec.sha256
    folder = shutil.copytree(find_model("warehouse"), tmp_path / "mine")
    again = Trainer(
        tiny_config(initial=str(folder), network=network), tmp_path / "again"
    ).network.model
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_an_empty_data_set_is_an_error(tmp_path, tiny_config, write_shapes):
    folder = write_shapes(tmp_path / "empty", count=0)
    data = replace(tiny_config().train[0], path=folder)
    with pytest.raises(DatasetError, match="empty"):
        Trainer(tiny_config(train=(data,)), tmp_path / "run")


def test_a_loss_that_is_no_number_stops_the_run_before_a_checkpoint(tmp_path, tiny_config, eager):
    run = Trainer(tiny_config(), tmp_path / "run")
    weight = run.network.model.get_layer("lateral8").kernel
    weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(FloatingPointError, match="finite loss and gradient at step 0"):
        run.train()
    assert not (tmp_path / "run" / "last.npz").exists()
    assert not trainer._LOG.handlers


def test_a_gradient_that_is_no_number_stops_the_run_before_a_checkpoint(
    tmp_path, tiny_config, eager, monkeypatch
):
    """Its loss is still finite: the weights of that step are not, and would have been saved with
    it.
    """

    @tf.custom_gradient
    def broken(x):
        return tf.identity(x), lambda upstream: upstream * np.nan

    run = Trainer(tiny_config(steps=1), tmp_path / "run")
    monkeypatch.setattr(
        run._step, "weighting", lambda losses: (broken(tf.add_n(list(losses.values()))), {})
    )
    with pytest.raises(FloatingPointError, match="gradient_norm': nan"):
        run.train()
    assert not [path.name for path in (tmp_path / "run").glob("*.npz")]


@pytest.mark.parametrize(
    ("monitor", "figures", "message"),
    [
        (("mpa",), {"map": 0.5}, "expected figures of map, got 'mpa'"),
        (("map", "mpa"), {"map": 0.5}, "got 'mpa'"),
        (("miou",), {"map": 0.5, "miou": None}, "expected a figure with a value"),
    ],
)
def test_a_monitored_figure_must_exist(tmp_path, tiny_config, eager, monitor, figures, message):
    run = Trainer(tiny_config(steps=1, monitor=monitor), tmp_path / "run", lambda model: figures)
    with pytest.raises(ConfigError, match=message):
        run.train()


def test_from_needs_weights_whose_classes_it_names(tmp_path, tiny_config):
    with pytest.raises(ConfigError, match="from: expected `initial`"):
        Trainer(tiny_config(initial="", initial_from={"person": "person"}), tmp_path / "run")


def test_an_unknown_monitored_figure_shows_before_training(tiny_config):
    Validation(tiny_config(monitor=("map", "shapes/map50", "shapes/iou/person")))
    with pytest.raises(ConfigError, match="monitor: expected figures of map, .* got 'mpa'"):
        Validation(tiny_config(monitor=("mpa",)))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_runs(tmp_path, tiny_config, policy, monkeypatch, eager):
    monkeypatch.setattr(trainer, "_LOG_EVERY", 1)
    try:
        Trainer(tiny_config(mixed_precision=policy, steps=2), tmp_path / "run").train()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    curves = read_curves(tmp_path / "run")
    assert np.isfinite([value for curve in curves.values() for _, value in curve]).all()
    assert any(value > 0 for _, value in curves["gradient_norm"])
    assert all(
        array.dtype == np.float32 for array in read_group(tmp_path / "run" / "best.npz", "average")
    )


_DEVICES = """
import json, sys
import keras, numpy as np, tensorflow as tf
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.multitask import build_network
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.training.config import OptimiserConfig
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.step import TrainingStep
from mtv_perception.training.update import freeze_norms
from mtv_perception.training.strategy import make_strategy

CLASSES = sys.argv[1]
config = NetworkConfig(preset="warehouse-small", size_hw=(64, 64), width=0.35)
results = {}
for devices in (1, 2):
    keras.utils.set_random_seed(3)
    strategy = make_strategy(devices)
    with strategy.scope():
        network = build_network(config)
        freeze_norms(network, "all")
        optimiser = OptimiserConfig(name="sgd", learning_rate=0.01, clip_norm=1.0, ema=0.5)
        losses = LossConfig(classes=CLASSES, weighting="uncertainty", segmentation={"cross_entropy": 1.0, "dice": 0.5})
        step = TrainingStep(network, losses, optimiser)
        step.optimiser.learning_rate.assign(0.01)
    count, rng = network.default_boxes.count, np.random.default_rng(0)
    share = np.array([0.08, 0.04, 0.01, 0.0])[:, None]
    batch = {
        "images": rng.integers(0, 256, (4, 64, 64, 3)).astype(np.uint8),
        "classes": (rng.random((4, count)) < share).astype(np.int8) * 2,
        "objects": np.zeros((4, count), np.int16),
        "boxes_xyxy": np.tile(np.float32([10, 10, 40, 50]), (4, count, 1)),
        "known": np.full((4, count), 14, np.uint16),
        "mask": rng.integers(0, 4, (4, 16, 16)).astype(np.uint8),
        "mask_known": np.full((4, 16, 16), 14, np.uint16),
    }
    batch["mask"][2:, 4:] = 255
    data = tf.data.Dataset.from_tensor_slices(batch).batch(4)
    start = [w.numpy().copy() for w in network.model.weights]

    @tf.function(autograph=False)
    def run(item):
        logged = strategy.run(step, args=(item,))
        return {n: strategy.reduce(tf.distribute.ReduceOp.MEAN, v, axis=None) for n, v in logged.items()}

    logged = [
        {n: float(v) for n, v in run(item).items()} for item in strategy.experimental_distribute_dataset(data)
    ]
    moved = [w.numpy() - s for w, s in zip(network.model.weights, start)]
    variables = step.variables()
    results[devices] = (logged, moved, [v.numpy() for v in variables["average"]], len(variables["model"]))
    results[devices] += ([float(v.value.numpy() if devices == 1 else v.numpy()) for v in variables["weighting"]],)
one, two = results[1], results[2]
apart = lambda a, b: float(np.sqrt(sum(((x - y) ** 2).sum() for x, y in zip(a, b)) / sum((x**2).sum() for x in a)))
json.dump({"logged": [one[0], two[0]], "moved": apart(one[1], two[1]), "average": apart(one[2], two[2]),
           "weighting": [one[4], two[4]]}, sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("classes", ["focal", "aligned_focal"])
def test_two_devices_make_the_step_of_one(classes):
    """A batch whose halves are unlike: in number of objects, and in labelled pixels.

    Norms keep their statistics: over the coarsest level, one pixel an image, those of a batch
    magnify rounding.
    """
    done = subprocess.run(
        [sys.executable, "-c", _DEVICES, classes], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for one, two in zip(*found["logged"], strict=True):
        assert two == pytest.approx(one, rel=1e-3)
    assert found["weighting"][1] == pytest.approx(found["weighting"][0], rel=1e-3)
    assert found["moved"] < 0.001 and found["average"] < 1e-5


_RUN = """
import os, signal, sys
from pathlib import Path
import numpy as np, tensorflow as tf
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
if "TF_CONFIG" not in os.environ:
    tf.config.experimental.enable_op_determinism()
from mtv_perception.config import load
from mtv_perception.training import trainer
from mtv_perception.training.config import TrainConfig

class Killed(trainer.Trainer):
    def _is_due(self, every):
        if self._done == int(os.environ.get("KILL_AT", -1)):
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._is_due(every)

trainer._LOG_EVERY = 1
config, folder, weights, *resume = sys.argv[1:]
run = Killed(load(TrainConfig, Path(config)), Path(folder), resume=bool(resume))
run.train()
np.savez(weights, *[w.numpy() for w in run.network.model.trainable_weights])
"""


def start_run(*arguments, **environment):
    """The script _RUN in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def write_config(path, config):
    path.write_text(yaml.safe_dump(to_plain(config)))
    return path


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_killed_by_the_system_resumes_to_exactly_the_same_curve(tmp_path, tiny_config):
    """SIGKILL in its seventh step; operations are made deterministic, so that nothing but the
    resuming can differ.
    """
    losses = LossConfig(weighting="uncertainty")
    changes = {
        "steps": 9,
        "checkpoint_every": 4,
        "augment": AugmentConfig(),
        "losses": losses,
        "workers": 2,
    }
    config = write_config(tmp_path / "config.yaml", tiny_config(**changes))
    whole = start_run(config, tmp_path / "whole", tmp_path / "whole.npz")
    killed = start_run(config, tmp_path / "killed", tmp_path / "killed.npz", KILL_AT="7")
    for process, code in ((whole, 0), (killed, -signal.SIGKILL)):
        error = process.communicate()[1]
        assert process.returncode == code, error[-3000:]
    assert max(step for step, _ in read_curves(tmp_path / "killed")["total"]) == 6
    resumed = start_run(config, tmp_path / "killed", tmp_path / "killed.npz", "--resume")
    error = resumed.communicate()[1]
    assert resumed.returncode == 0, error[-3000:]

    one, other = read_curves(tmp_path / "whole"), read_curves(tmp_path / "killed")
    assert len(one["total"]) == 9 and one.keys() == other.keys()
    assert {name: other[name] for name in one if name != "images_per_second"} == {
        name: curve for name, curve in one.items() if name != "images_per_second"
    }
    with (
        np.load(tmp_path / "whole" / "last.npz") as one,
        np.load(tmp_path / "killed" / "last.npz") as other,
    ):
        assert set(one.files) == set(other.files)
        for name in one.files:
            np.testing.assert_array_equal(other[name], one[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_workers_train_one_network_and_the_chief_alone_writes(tmp_path, tiny_config):
    """Two processes that meet over the loopback; each has half of every batch."""
    config = write_config(
        tmp_path / "config.yaml", tiny_config(steps=3, validation=(), checkpoint_every=2)
    )
    ports = []
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))
            ports.append(taken.getsockname()[1])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    processes = [
        start_run(
            config,
            tmp_path / "run",
            tmp_path / f"{index}.npz",
            TF_CONFIG=json.dumps(
                {
                    "cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]},
                    "task": {"type": "worker", "index": index},
                }
            ),
            TMPDIR=str(scratch),
        )
        for index in range(2)
    ]
    for process in processes:
        error = process.communicate()[1]
        assert process.returncode == 0, error[-3000:]
    with np.load(tmp_path / "0.npz") as one, np.load(tmp_path / "1.npz") as other:
        for name in one.files:
            np.testing.assert_array_equal(other[name], one[name])
    assert [step for step, _ in read_curves(tmp_path / "run")["total"]] == [0, 1, 2]
    assert len((tmp_path / "run" / "train.log").read_text().splitlines()) == 1
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1
    assert (tmp_path / "run" / "last.npz").is_file() and not list(scratch.glob("mtv-worker-*"))


@pytest.mark.parametrize(
    ("jobs", "task", "expected"),
    [
        (["worker"], ("worker", 0), True),
        (["worker"], ("worker", 1), False),
        (["chief", "worker"], ("chief", 0), True),
        (["chief", "worker"], ("worker", 0), False),
    ],
)
def test_the_chief_is_the_first_process_of_a_cluster(monkeypatch, jobs, task, expected):
    cluster = {job: [f"{job}{i}:1" for i in range(2 - (job == "chief"))] for job in jobs}
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": task[0], "index": task[1]}})
    )
    assert is_chief() == expected


def test_more_devices_than_there_are_is_an_error(tmp_path, tiny_config):
    with pytest.raises(ValueError, match="Expected 64 devices"):
        Trainer(tiny_config(devices=64), tmp_path / "run")


def test_a_run_whose_data_changed_is_not_resumed(tmp_path, tiny_run, tiny_config, monkeypatch):
    folder = shutil.copytree(tiny_run, tmp_path / "run")
    noted = yaml.safe_load((folder / "images.yaml").read_text())
    (folder / "images.yaml").write_text(yaml.safe_dump({**noted, "sha256": "of others"}))

    with pytest.raises(ConfigError, match="the images and labels that the run began with"):
        Trainer(tiny_config(validate_every=3), folder, resume=True)


@pytest.mark.parametrize("left", ["averaged", "finished"])
def test_weights_that_somebody_may_want_are_not_overwritten(tmp_path, tiny_run, tiny_config, left):
    folder = shutil.copytree(tiny_run, tmp_path / "run")
    (folder / "last.npz").unlink()
    if left == "averaged":
        (folder / "run.yaml").unlink()
    before = (folder / "best.npz").read_bytes()

    with pytest.raises(ConfigError, match="expected an empty run folder"):
        Trainer(tiny_config(), folder)
    assert (folder / "best.npz").read_bytes() == before


def test_a_clock_that_is_left_does_not_end_a_new_run(tmp_path, tiny_config):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "clock.yaml").write_text("seconds: 3600.0\n")
    trainer = Trainer(tiny_config(minutes=10.0), folder)

    assert trainer._pace.spent_s < 600


def test_a_run_that_its_clock_ended_does_not_go_on(tmp_path, tiny_config):
    config, folder = tiny_config(minutes=10.0, steps=3), tmp_path / "run"
    trainer = Trainer(config, folder)
    trainer._keep()
    (folder / "clock.yaml").write_text("seconds: 3600.0\n")
    resumed = Trainer(config, folder, resume=True)
    resumed.train()

    assert resumed._done == 0
