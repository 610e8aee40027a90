"""The network for OpenVINO: quantised, compared, added to a model folder, refused."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("nncf")
pytest.importorskip("openvino")
pytest.importorskip("tensorflow")

from mtv_perception.errors import ArtefactError
from mtv_perception.export import openvino as export
from mtv_perception.export.openvino import TITLE, export_openvino, openvino_files
from mtv_perception.export.parity import ERROR_LIMITS, backend_errors
from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact
from mtv_perception.runtime.artefact import SPEC_FILE
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.backends.config import OPENVINO_FILES


@pytest.fixture(scope="module")
def files(network, images):
    return openvino_files(network, images)


@pytest.fixture
def folder(network, save_model, tmp_path):
    """A LiteRT artefact of the network."""
    return save_model(network, tmp_path / "model", "int8")


@pytest.fixture
def quantised(files, monkeypatch):
    """The export with quantisation done once for all tests."""
    monkeypatch.setattr(export, "openvino_files", lambda network, images: files)


def add(network, folder, images):
    return export_openvino(network, folder, images, largest_drop=0.05)


def test_the_network_is_added_and_says_what_it_says(quantised, network, folder, images):
    before = load_artefact(folder)

    report = add(network, folder, images)

    after = load_artefact(folder)
    assert (report.precision, report.refused, report.folder) == (TITLE, "", folder)
    assert max(report.errors.values()) <= ERROR_LIMITS["int8"]
    assert set(after.files) == set(after.spec.files) == set(OPENVINO_FILES)
    assert after.content == before.content
    assert replace(after.spec, files={}) == before.spec
    found = backend_errors(after.open(EngineConfig(backend="openvino")), network, images)
    assert max(found.values()) <= ERROR_LIMITS["int8"]


def test_both_engines_find_the_same_things(quantised, network, folder, images):
    add(network, folder, images)
    artefact = load_artefact(folder)
    engines = [
        Perceiver(artefact, PerceiverConfig(score_threshold=0.5, backend=name))
        for name in ("litert", "openvino")
    ]

    assert [perceiver.engine for perceiver in engines] == ["litert", "openvino"]
    for image in images:
        litert, openvino = (perceiver(image) for perceiver in engines)
        same = litert.segmentation.class_ids == openvino.segmentation.class_ids
        assert same.mean() > 0.9


def test_outputs_that_differ_are_refused_and_nothing_is_written(
    quantised, other_network, folder, images
):
    before = (folder / SPEC_FILE).read_bytes()

    report = add(other_network, folder, images)

    assert "relative output errors" in report.refused
    assert (folder / SPEC_FILE).read_bytes() == before
    assert not (folder / "openvino").exists()


def test_a_model_of_another_description_is_an_error(quantised, network, folder, images):
    text = (folder / SPEC_FILE).read_text()
    (folder / SPEC_FILE).write_text(text.replace("forklift", "truck"))

    with pytest.raises(ArtefactError, match="same classes as the network"):
        add(network, folder, images)


def test_without_images_there_are_no_ranges(network):
    with pytest.raises(ValueError, match="calibration images"):
        openvino_files(network, [])


def test_every_convolution_is_int8(files):
    """No layer fell back to float32, as a wrong graph form would make it."""
    import openvino

    core = openvino.Core()
    xml, weights = (files[name] for name in OPENVINO_FILES)
    model = core.read_model(xml, openvino.Tensor(np.frombuffer(weights, np.uint8)))
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERF_COUNT": True}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.infer()
    convolutions = [
        item.exec_type for item in request.profiling_info if "Convolution" in item.node_type
    ]

    assert len(convolutions) > 10
    assert all(kind.upper().endswith("I8") for kind in convolutions), convolutions


def test_two_products_of_weights_and_pixels_fit_into_16_bits(files):
    """Without VNNI, x86 adds two of them there; a larger sum would be cut silently."""
    import openvino

    xml, weights = (files[name] for name in OPENVINO_FILES)
    model = openvino.Core().read_model(xml, openvino.Tensor(np.frombuffer(weights, np.uint8)))
    kernels = [
        node.data.astype(int)
        for node in model.get_ops()
        if node.get_type_name() == "Constant" and node.get_element_type() == openvino.Type.i8
    ]
    # The kernels of depthwise convolutions, of five axes, add no two products.
    dense = [kernel for kernel in kernels if kernel.ndim == 4]

    assert len(dense) > 10
    assert max(2 * 255 * np.abs(kernel).max() for kernel in dense) < 2**15
