"""`mtv average` on small runs."""

import shutil

import numpy as np
import pytest
import yaml

from mtv_perception.cli.main import main
from mtv_perception.network.deeplabv3plus import LINK
from mtv_perception.network.multitask import build_network, paths_without_link
from mtv_perception.training.state import BEST_FILE, load_averaged, read_group, save_state
from mtv_perception.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("shallow_network")


def average(*arguments):
    return main(["average", *map(str, arguments)])


def test_it_writes_the_weighted_mean_of_runs_and_their_start(tmp_path, tiny_run, tiny_config):
    second = shutil.copytree(tiny_run, tmp_path / "second")
    one = read_group(tiny_run / BEST_FILE, "average")
    save_state(second / BEST_FILE, {"average": [array + 1 for array in one]}, 0)
    out = tmp_path / "mean"
    assert average(tiny_run, second, "--shares", 0.2, 0.3, "--start", 0.5, "--out", out) == 0

    start = Trainer(tiny_config(validate_every=3), tmp_path / "start").network.model.get_weights()
    network = build_network(tiny_config().network)
    load_averaged(network, out)
    for weight, first, trained in zip(network.model.weights, start, one, strict=True):
        is_random = weight.path.startswith(LINK) and weight.name not in ("gamma", "beta")
        began = trained if is_random else first
        expected = 0.5 * began + 0.5 * trained + 0.3
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert (out / "config.yaml").read_text() == (second / "config.yaml").read_text()


def test_a_start_that_was_replaced_is_refused(tmp_path, tiny_run, tiny_config, capsys):
    """A model of the same name, such as that of a newer version of the package."""
    first = shutil.copytree(tiny_run, tmp_path / "first")
    config = tiny_config(validate_every=3, initial=str(first))
    Trainer(config, tmp_path / "run").train()
    arguments = (tmp_path / "run", "--shares", 0.5, "--start", 0.5, "--out")
    assert average(*arguments, tmp_path / "mean") == 0
    one = read_group(first / BEST_FILE, "average")
    save_state(first / BEST_FILE, {"average": [array + 1 for array in one]}, 0)

    assert average(*arguments, tmp_path / "other") == 2
    assert "the first weights that the run began with" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "arguments", [("--shares", 0.5), ("--shares", 0.5, 0.5), ("--shares", 1.5, "--start", -0.5)]
)
def test_shares_that_do_not_add_up_are_refused(tmp_path, tiny_run, capsys, arguments):
    assert average(tiny_run, *arguments, "--out", tmp_path / "mean") == 2
    assert "expected 1 shares that with --start add up to 1" in capsys.readouterr().err


def test_runs_of_two_networks_are_refused(tmp_path, tiny_run, capsys):
    other = shutil.copytree(tiny_run, tmp_path / "other")
    save_state(other / BEST_FILE, {"average": [np.zeros(3)]}, 0)
    assert average(tiny_run, other, "--shares", 0.5, 0.5, "--out", tmp_path / "mean") == 2
    assert (
        "expected the weights of preset 'warehouse-small', got another" in capsys.readouterr().err
    )


def test_a_run_from_before_the_decoder_had_a_link_is_averaged(tmp_path, tiny_run, tiny_config):
    config = tiny_config().network
    paths = [weight.path for weight in build_network(config).model.weights]
    new = dict(zip(paths, read_group(tiny_run / BEST_FILE, "average"), strict=True))
    assert new[f"{LINK}_bn/gamma"].any(), "The run trains its link."
    old = shutil.copytree(tiny_run, tmp_path / "old")
    before = [new[path] + 1 for path in paths_without_link(config)]
    save_state(old / BEST_FILE, {"average": before}, 0)

    assert average(old, tiny_run, "--shares", 0.5, 0.5, "--out", tmp_path / "mean") == 0
    mean = dict(zip(paths, read_group(tmp_path / "mean" / BEST_FILE, "average"), strict=True))
    for path, array in new.items():
        if not path.startswith(LINK):
            expected = array + 0.5
        elif path.endswith(("gamma", "beta")):  # The old run's are zeros.
            expected = array / 2
        else:
            expected = array
        np.testing.assert_allclose(mean[path], expected, rtol=1e-5, atol=1e-6, err_msg=path)


def test_runs_of_other_classes_are_refused(tmp_path, tiny_run, capsys):
    """Also of as many: the rows of one class would be averaged with those of another."""
    other = shutil.copytree(tiny_run, tmp_path / "other")
    config = yaml.safe_load((other / "config.yaml").read_text())
    config["network"]["names"] = ["background", "forklift", "person", "rail"]
    (other / "config.yaml").write_text(yaml.safe_dump(config))

    assert average(tiny_run, other, "--shares", 0.5, 0.5, "--out", tmp_path / "mean") == 2
    assert "the same classes in the same order" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()


def test_what_was_trained_is_kept(tmp_path, tiny_run):
    assert average(tiny_run, "--shares", 1, "--out", tmp_path / "mean") == 0
    assert (tmp_path / "mean" / "trained.yaml").read_text() == (
        tiny_run / "trained.yaml"
    ).read_text()


def test_runs_whose_large_windows_lie_apart_are_told(tmp_path, tiny_run, caplog):
    other = shutil.copytree(tiny_run, tmp_path / "other")
    config = yaml.safe_load((other / "config.yaml").read_text())
    config["network"]["size_hw"] = [128, 160]
    (other / "config.yaml").write_text(yaml.safe_dump(config))

    assert average(tiny_run, other, "--shares", 0.5, 0.5, "--out", tmp_path / "apart") == 0
    assert "lie half a window apart" in caplog.text
    assert "expected runs at one input size" in caplog.text and "128x160" in caplog.text
    caplog.clear()
    config["network"]["aligned_hw"] = [96, 128]
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    assert average(tiny_run, other, "--shares", 0.5, 0.5, "--out", tmp_path / "together") == 0
    assert "apart" not in caplog.text
    caplog.clear()
    config["network"]["aligned_hw"] = [224, 128]
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    assert average(tiny_run, other, "--shares", 0.5, 0.5, "--out", tmp_path / "alike") == 0
    assert "apart" not in caplog.text, "another size of the same parity"
