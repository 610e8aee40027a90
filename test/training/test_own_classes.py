"""Other classes than the shipped model's, any number of them, from data to a model in service."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtv_perception.cli.main import main
from mtv_perception.config import from_mapping, to_plain
from mtv_perception.data.formats.open import DatasetConfig, open_dataset
from mtv_perception.errors import ConfigError, WeightsError
from mtv_perception.labels import WAREHOUSE, labels_with_background
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.multitask import build_network
from mtv_perception.runtime import Perceiver, load_artefact
from mtv_perception.runtime.artefact import Trained
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.initial import load_initial, trained_for
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.state import BEST_FILE, save_state
from mtv_perception.training.trained import note_trained, trained_on
from mtv_perception.training.trainer import Trainer, load_run
from mtv_perception.training.update import freeze_layers
from mtv_perception.yaml_text import format_yaml

pytestmark = pytest.mark.usefixtures("shallow_network")

SIZE_HW = (96, 128)


def write_classes(folder, names, count=8, outlines=True):
    """Drawn squares, each class in its own grey, as YOLO outlines or boxes."""
    rng = np.random.default_rng(len(names))
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        image = rng.normal(120, 8, (*SIZE_HW, 3)).clip(0, 255).astype(np.uint8)
        lines = []
        for column in range(3):
            class_id = (3 * number + column) % len(names)
            x, y, side = 44 * column + 4, int(rng.integers(4, 50)), int(rng.integers(24, 38))
            image[y : y + side, x : x + side] = 20 + 200 * class_id // len(names)
            x0, y0, x1, y1 = x / 128, y / 96, (x + side) / 128, (y + side) / 96
            box = f"{(x0 + x1) / 2} {(y0 + y1) / 2} {x1 - x0} {y1 - y0}"
            outline = f"{x0} {y0} {x1} {y0} {x1} {y1} {x0} {y1}"
            lines.append(f"{class_id} {outline if outlines else box}")
        cv2.imwrite(str(folder / "images" / f"{number:03}.png"), image)
        (folder / "labels" / f"{number:03}.txt").write_text("\n".join(lines))
    (folder / "classes.txt").write_text("\n".join(names))
    return folder


def config_of(tiny_config, names, data, **changes):
    network = NetworkConfig("warehouse-small", tuple(names), SIZE_HW, width=0.35)
    datasets = (DatasetConfig(path=data),)
    return tiny_config(network=network, train=datasets, validation=datasets, **changes)


@pytest.fixture(scope="module")
def old_run(tmp_path_factory):
    """The folder of a run of the shipped model's classes, with weights that nobody trained."""
    folder = tmp_path_factory.mktemp("old") / "run"
    folder.mkdir()
    network = NetworkConfig("warehouse-small", WAREHOUSE.names, SIZE_HW, width=0.35)
    built = build_network(network)
    save_state(folder / BEST_FILE, {"average": built.model.weights}, 1)
    text = format_yaml(to_plain(TrainConfig(network=network)))
    (folder / "config.yaml").write_text(text)
    return folder


def weights_of(network, layer):
    return network.model.get_layer(layer).get_weights()


@pytest.mark.parametrize("names", [["truck", "worker"], ["background", "truck", "worker"]])
def test_names_need_no_background(names):
    assert from_mapping(NetworkConfig, {"names": names}).names == ("background", "truck", "worker")


@pytest.mark.parametrize("names", [[], ["background"], ["a", "a"], ["a", "background"]])
def test_names_that_are_none(names):
    with pytest.raises(ConfigError):
        from_mapping(NetworkConfig, {"names": names})


@pytest.mark.parametrize(
    ("names", "given", "weights"),
    [
        (WAREHOUSE.foreground, {}, (1, 2, 2, 1.5)),
        (("worker", "person"), {}, (1, 1, 2)),
        (("worker", "person"), {"worker": 3.0, "background": 0.5}, (0.5, 3, 2)),
        (("worker",), (1.0, 4.0), (1, 4)),
    ],
)
def test_class_weights_go_by_name(names, given, weights):
    assert LossConfig(class_weights=given).weights_of(labels_with_background(names)) == weights


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"losses": {"class_weights": {"persn": 2}}}, "Expected class weights of .*, got 'persn'"),
        ({"losses": {"class_weights": [1, 2]}}, "Expected 4 class weights"),
        (
            {"losses": {"class_weights": {"rail": -1}}},
            r"class_weights\.rail: expected a number in 0",
        ),
        ({"from": {"worker": "person"}}, "Expected classes of rail, person, forklift under `from`"),
    ],
)
def test_settings_of_classes_that_are_not_there(values, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(TrainConfig, values)


def test_a_configuration_survives_its_file():
    config = from_mapping(TrainConfig, {"network": {"names": ["no", "b"]}, "from": {"no": "rail"}})
    assert from_mapping(TrainConfig, to_plain(config)) == config
    assert to_plain(config)["from"] == {"no": "rail"}


def test_weights_of_known_classes_are_taken(old_run):
    old = load_run(old_run)[1]
    config = NetworkConfig("warehouse-small", ("worker", "rail", "crate"), SIZE_HW, width=0.35)
    new, fresh = build_network(config), {}
    for layer in ("class_head_0_predict", "decoder_logits"):
        fresh[layer] = weights_of(new, layer)
    load_initial(new, str(old_run), lambda: None, {"worker": "person"})
    for layer in new.model.layers:
        if layer.weights and layer.name not in _class_layers(new):
            for a, b in zip(layer.get_weights(), weights_of(old, layer.name), strict=True):
                np.testing.assert_array_equal(a, b)
    for (kernel, bias), (old_kernel, old_bias), (new_kernel, _) in (
        (weights_of(new, layer), weights_of(old, layer), fresh[layer]) for layer in fresh
    ):
        background = int(kernel.shape[-1] % 3 != 0)
        rows = kernel.reshape(*kernel.shape[:3], -1, 3 + background)
        old_rows = old_kernel.reshape(*old_kernel.shape[:3], -1, 3 + background)
        fresh_rows = new_kernel.reshape(rows.shape)
        worker, rail, crate = (index + background for index in range(3))
        np.testing.assert_array_equal(rows[..., worker], old_rows[..., 1 + background])
        np.testing.assert_array_equal(rows[..., rail], old_rows[..., 0 + background])
        np.testing.assert_array_equal(rows[..., crate], fresh_rows[..., crate])
        assert bias.shape == old_bias.shape


def _class_layers(network):
    return {layer.name for layer in network.model.layers if "class_head" in layer.name} | {
        "decoder_logits"
    }


def test_a_class_that_the_other_network_has_not(old_run):
    network = build_network(NetworkConfig("warehouse-small", ("a",), SIZE_HW, width=0.35))
    with pytest.raises(WeightsError, match="expected a class of rail, person, forklift for 'a'"):
        load_initial(network, str(old_run), lambda: None, {"a": "persn"})


@pytest.mark.parametrize(
    ("outlines", "tasks", "expected"),
    [
        (True, {}, Trained(("a", "b"), ("a", "b"))),
        (False, {}, Trained(("a", "b"), ())),
        (True, {"segmentation": 0.0}, Trained(("a", "b"), ())),
        (True, {"boxes": 0.0}, Trained((), ("a", "b"))),
    ],
)
def test_what_a_run_is_trained_for(tmp_path, outlines, tasks, expected):
    data = write_classes(tmp_path / "data", ("a", "b"), outlines=outlines)
    labels = labels_with_background(("a", "b", "never seen"))
    dataset = open_dataset(DatasetConfig(data), labels)
    assert trained_on([dataset], labels, LossConfig(task_weights=tasks)) == expected


@pytest.mark.parametrize(
    ("trains", "boxes"), [(("aspp", "decoder"), ("person",)), (("aspp", "decoder", "level"), ())]
)
def test_outputs_of_frozen_layers_stay_trained_for_what_they_were(tmp_path, old_run, trains, boxes):
    old = Path(shutil.copytree(old_run, tmp_path / "old"))
    note_trained(old, Trained(("person", "forklift"), ("rail",)))
    data = write_classes(tmp_path / "data", ("person", "rail"))
    network = NetworkConfig("warehouse-small", ("person", "rail"), SIZE_HW, width=0.35)
    losses = LossConfig(task_weights={"classes": 0.0, "boxes": 0.0})
    config = TrainConfig(network=network, initial=str(old), losses=losses)
    built = build_network(network)
    names = [layer.name for layer in built.model.layers if layer.weights]
    freeze_layers(built.model, [name for name in names if not name.startswith(trains)])
    dataset = open_dataset(DatasetConfig(data), network.labels)

    found = trained_for(built, config, [dataset])

    assert found == Trained(boxes, ("person", "rail"))


def run_commands(tmp_path, run, data, names, capsys, precision):
    """Export, tune and evaluate by the commands; returns the model's folder and its scores."""
    model, scores = tmp_path / "model", tmp_path / "scores.json"
    export = ["export", str(run), "--out", str(model), "--images", "8", "--precision", precision]
    assert main([*export, "--unscored"]) == 0
    assert main(["tune", "--model", str(model), "--data", str(data), "--write"]) == 0
    capsys.readouterr()
    evaluate = ["evaluate", "--model", str(model), "--data", str(data), "--json", str(scores)]
    assert main(evaluate) == 0
    found = json.loads(scores.read_text())
    assert tuple(found["per_class"]) == tuple(names)
    return model, found


def test_two_classes_without_masks(tmp_path, tiny_config, old_run, eager, capsys):
    """From boxes alone, begun with a model of other classes, to a model that draws no mask."""
    names = ("truck", "worker")
    data = write_classes(tmp_path / "data", names, outlines=False)
    config = config_of(
        tiny_config,
        names,
        data,
        steps=2,
        initial=str(old_run),
        initial_from={"truck": "forklift"},
    )
    Trainer(config, tmp_path / "run").train()
    model, scores = run_commands(tmp_path, tmp_path / "run", data, names, capsys, "float32")
    spec = load_artefact(model).spec
    assert spec.classes == ("background", *names)
    assert (spec.box_classes, spec.mask_classes) == (names, ())
    assert scores["not_trained"] == {"boxes": [], "masks": list(names)}
    assert scores["miou"] is None
    assert main(["evaluate", "--model", str(model), "--data", str(data)]) == 0
    # In the columns of IoU and boundary F.
    assert capsys.readouterr().out.count("not trained") == 2 * len(names)
    image = next((data / "images").iterdir())
    assert main(["predict", str(image), "--model", str(model), "--out", str(tmp_path / "out")]) == 0
    assert "was not trained for masks" in capsys.readouterr().out
    assert not (tmp_path / "out" / "masks").exists()


@pytest.mark.slow
@pytest.mark.parametrize("count", [5, 20])
def test_many_classes_train_export_tune_and_serve(tmp_path, tiny_config, capsys, count):
    names = tuple(f"kind-{number}" for number in range(count))
    data = write_classes(tmp_path / "data", names, 2 * count)
    config = config_of(tiny_config, names, data, steps=12, validate_every=6)
    (tmp_path / "run.yaml").write_text(format_yaml(to_plain(config)))
    assert main(["train", str(tmp_path / "run.yaml"), "--run", str(tmp_path / "run")]) == 0
    model, _ = run_commands(tmp_path, tmp_path / "run", data, names, capsys, "int8")
    artefact = load_artefact(model)
    assert artefact.spec.box_classes == artefact.spec.mask_classes == names
    image = cv2.imread(str(data / "images" / "000.png"))[..., ::-1]
    result = Perceiver(artefact)(np.ascontiguousarray(image))
    assert result.segmentation.class_ids.max() <= count


@pytest.mark.slow
def test_the_losses_are_the_same_for_few_and_for_many_classes(tmp_path, tiny_config):
    """Bit sets of one word and of several say the same: knowledge about the first classes only."""
    from mtv_perception.training.losses.detection import known_matrix

    bits = np.array([[0b0110, 0b1000]], np.uint16)
    wide = np.stack([bits, np.zeros_like(bits)], -1)
    narrow = np.asarray(known_matrix(bits, 1, 4))
    np.testing.assert_array_equal(narrow, np.asarray(known_matrix(wide, 1, 4, True)))


@pytest.mark.parametrize("shared", [True, False])
def test_validation_images_that_train_are_told_first_and_last(
    tmp_path, tiny_config, monkeypatch, capsys, caplog, shared
):
    from mtv_perception.training import trainer, validation

    class Done:
        def __init__(self, *_, **__):
            pass

        def train(self):
            return {"step": 1, "score": 0.9}

    monkeypatch.setattr(trainer, "Trainer", Done)
    monkeypatch.setattr(validation, "Validation", Done)
    data, other = (write_classes(tmp_path / name, ("box",), 2) for name in ("data", "other"))
    config = config_of(tiny_config, ("box",), data)
    if not shared:
        config = replace(config, validation=(replace(config.train[0], path=other),))
    (tmp_path / "run.yaml").write_text(format_yaml(to_plain(config)))
    assert main(["train", str(tmp_path / "run.yaml"), "--run", str(tmp_path / "run")]) == 0
    told = "2 of 2 validation images are training images too, such as"
    lines = capsys.readouterr().out.splitlines()
    assert (told in caplog.text, told in lines[-1]) == (shared, shared)
