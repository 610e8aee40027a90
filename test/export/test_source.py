"""What `mtv export` takes for a network: a run, a checkpoint, a model."""

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from mtv_perception.errors import ConfigError, WeightsError
from mtv_perception.export.source import load_network
from mtv_perception.network.config import NetworkConfig
from mtv_perception.network.multitask import build_network, normalise
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.training.trained import trained_of_run

SIZE_HW = (64, 96)


@pytest.fixture(scope="module", params=["warehouse-small"])
def exported(request, norms_as_trained, save_model, tmp_path_factory):
    """A network and its float32 artefact."""
    network = build_network(NetworkConfig(request.param, size_hw=SIZE_HW, width=0.35))
    norms_as_trained(network.model)
    return network, save_model(network, tmp_path_factory.mktemp("models") / "model", "float32")


def test_a_model_folder_gives_the_network_it_was_exported_from(exported, images):
    network, folder = exported

    config, found = load_network(folder, None)

    assert config.network.preset == network.config.preset and config.network.width == 0.35
    assert list(config.train) == []
    expected = network.model(normalise(images[0][None]), training=False)
    for name, array in found.model(normalise(images[0][None]), training=False).items():
        np.testing.assert_allclose(array, expected[name], atol=1e-3)


def test_a_model_beside_its_configuration_is_no_run(exported, tmp_path):
    """As `mtv fit` leaves it; the run has a folder of its own."""
    folder = tmp_path / "floor"
    shutil.copytree(exported[1], folder)
    (folder / "config.yaml").write_text("network: {preset: warehouse-small}\n")

    config, found = load_network(folder, None)

    assert found.config.names == exported[0].config.names
    assert list(config.train) == []


def test_a_bundled_model_is_taken_where_one_works_in_a_run(exported, tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("network: {preset: warehouse-small}\n")
    (tmp_path / "trained.yaml").write_text("boxes: []\nmasks: []\n")
    monkeypatch.chdir(tmp_path)

    config, found = load_network(Path("warehouse"), None)

    assert found.config.preset == "warehouse" and list(config.train) == []
    assert trained_of_run(Path("warehouse"), config).boxes == ("rail", "person", "forklift")


def test_a_model_is_taken_at_another_size(exported):
    _, found = load_network(exported[1], (96, 128))

    assert found.config.size_hw == (96, 128)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_model_of_another_size_sees_large_objects_where_it_learnt_to(
    exported, save_model, tmp_path, images, precision
):
    """Where the number of cells at stride 64 changes its parity, SAME padding would shift them."""
    network, folder = exported
    size_hw = (128, 160)
    config, found = load_network(folder, size_hw)
    assert found.config.aligned_hw == network.config.size_hw == SIZE_HW
    assert config.network == found.config

    again = save_model(found, tmp_path / "model", precision)

    assert load_artefact(again).spec.aligned_hw == SIZE_HW
    larger = np.zeros((1, *size_hw, 3), np.uint8)
    larger[0, : SIZE_HW[0], : SIZE_HW[1]] = images[0]
    expected = found.model(normalise(larger), training=False)
    backend = load_artefact(again).open(EngineConfig())
    backend.input_view()[:] = larger[0]
    raw = backend.run()
    for name, limit in {"class_logits": 0.1, "box_offsets": 0.1}.items():
        tensor, values = getattr(raw, name), np.asarray(expected[name][0])
        error = np.linalg.norm(tensor.real(tensor.values) - values) / np.linalg.norm(values)
        assert error < (limit if precision == "int8" else 1e-3), name
    assert found.config.at_size(SIZE_HW) == network.config


def test_a_model_of_no_preset_is_an_error(network, save_model, tmp_path):
    folder = save_model(network, tmp_path / "odd", "float32")

    with pytest.raises(WeightsError, match="float32 or int8 model of a MobileNetV2 preset"):
        load_network(folder, None)


def test_what_is_neither_is_an_error_that_names_all(tmp_path):
    with pytest.raises(
        ConfigError, match=r"run folder or a checkpoint .* nor is it a model folder"
    ):
        load_network(tmp_path / "nothing", None)
