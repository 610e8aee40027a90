"""Engines: the OpenVINO one against numbers that are known, and which one is taken."""

import json
import logging
import sys
from dataclasses import replace

import numpy as np
import pytest

from mtv_perception.errors import ArtefactError, ConfigError
from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact
from mtv_perception.runtime.artefact import SPEC_FILE, write_artefact
from mtv_perception.runtime.backends import EngineConfig, open_backend, openvino
from mtv_perception.runtime.backends import open as opening
from mtv_perception.runtime.backends.config import LITERT_FILE, OPENVINO_FILES, Network

HW = (32, 64)
EXPECTED = {"class_logits": (40, 3), "box_offsets": (40, 4), "segmentation_logits": (8, 16, 4)}
LEVELS = ((4, 8), (2, 4))
NAMES = tuple(EXPECTED)


def openvino_files(folder, name_of=lambda name: name, size_hw=HW):
    """A network of pooling and weights of its own, as OpenVINO's files: two levels and a mask."""
    ov = pytest.importorskip("openvino")
    ops = pytest.importorskip("openvino.opset13")
    rng = np.random.default_rng(4)
    image = ops.parameter([1, *size_hw, 3], np.uint8, name="images")
    planes = ops.transpose(ops.convert(image, "f32"), np.array([0, 3, 1, 2]))

    def head(stride, channels, name, to_last=True):
        sides = [stride, stride]
        pooled = ops.avg_pool(planes, sides, [0, 0], [0, 0], sides, True)
        kernel = rng.normal(0, 0.05, (channels, 3, 1, 1)).astype(np.float32)
        x = ops.convolution(pooled, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
        x = ops.transpose(x, np.array([0, 2, 3, 1])) if to_last else x
        x.output(0).get_tensor().set_names({name_of(name), f"also/{name}"})
        return x

    outputs = [
        head(4, 4, "segmentation_logits", to_last=False),
        head(16, 4, "box_offsets_1"),
        head(8, 3, "class_logits_0"),
        head(8, 4, "box_offsets_0"),
        head(16, 3, "class_logits_1"),
    ]
    folder.mkdir(exist_ok=True, parents=True)
    ov.save_model(ov.Model(outputs, [image], "tiny"), folder / "model.xml", compress_to_fp16=False)
    return {name: (folder / name.split("/")[1]).read_bytes() for name in OPENVINO_FILES}


@pytest.fixture
def files(tmp_path):
    return openvino_files(tmp_path / "made")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """The user's cache, empty and of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def network_of(files, size_hw=HW, expected=EXPECTED):
    hashes = {name: f"hash of {name}" for name in files}
    return Network(files, hashes, size_hw, dict(zip(NAMES, range(3), strict=True)), expected)


OPENVINO = EngineConfig(num_threads=1, backend="openvino")


def read(files, image):
    """All outputs by name as OpenVINO itself gives them."""
    import openvino as ov

    xml, weights = (files[name] for name in OPENVINO_FILES)
    core = ov.Core()
    model = core.read_model(xml, ov.Tensor(np.frombuffer(weights, np.uint8)))
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    found = core.compile_model(model, "CPU", settings)(image[None])
    return {name: array for key, array in found.items() for name in key.get_names()}


def test_openvino_fills_the_raw_outputs_level_after_level(files):
    backend = open_backend(network_of(files), OPENVINO)
    rng = np.random.default_rng(0)

    for _ in range(2):
        image = rng.integers(0, 256, (*HW, 3), np.uint8)
        backend.input_view()[...] = image
        raw, expected = backend.run(), read(files, image)
        for name in NAMES[:2]:
            columns = EXPECTED[name][1]
            rows = [expected[f"{name}_{level}"].reshape(-1, columns) for level in (0, 1)]
            found = getattr(raw, name).values
            assert found.flags.c_contiguous and found.dtype == np.float32
            np.testing.assert_allclose(found, np.concatenate(rows), atol=1e-4)
        mask = expected["segmentation_logits"][0].transpose(1, 2, 0)
        np.testing.assert_allclose(raw.segmentation_logits.values, mask, atol=1e-4)
        assert not raw.class_logits.is_quantised


def test_openvino_reads_the_very_input_memory(files):
    backend = open_backend(network_of(files), OPENVINO)
    backend.input_view()[...] = 7
    again = backend.input_view()

    assert again.shape == (*HW, 3) and again.dtype == np.uint8 and (again == 7).all()
    assert np.shares_memory(again, backend.input_view())


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"size_hw": (64, 64)}, "expected an input"),
        ({"expected": EXPECTED | {"class_logits": (41, 3)}}, "raw outputs"),
        ({"expected": EXPECTED | {"class_logits": (39, 3)}}, "raw outputs"),
        ({"expected": EXPECTED | {"segmentation_logits": (8, 16, 5)}}, "raw outputs"),
    ],
)
def test_a_model_of_other_tensors_is_an_error(files, change, found):
    with pytest.raises(ArtefactError, match=found):
        open_backend(network_of(files, **change), OPENVINO)


def test_a_model_of_other_outputs_is_an_error(tmp_path):
    files = openvino_files(tmp_path / "odd", lambda name: name.replace("class", "klass"))

    with pytest.raises(ArtefactError, match="raw outputs"):
        open_backend(network_of(files), OPENVINO)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (OPENVINO_FILES[0], b"<net"),
        (OPENVINO_FILES[0], b"\xff\xfe"),
        (OPENVINO_FILES[0], b""),
        (OPENVINO_FILES[1], b""),
    ],
)
def test_what_is_no_openvino_model_is_an_error(files, name, content):
    with pytest.raises(ArtefactError, match=r"openvino/model\.xml"):
        open_backend(network_of(files | {name: content}), OPENVINO)


def test_an_unknown_device_lists_those_there_are(files):
    with pytest.raises(ConfigError, match=r"device: expected one of .*CPU.*, got 'TPU'"):
        open_backend(network_of(files), replace(OPENVINO, device="TPU"))


def test_litert_has_the_cpu_alone(files):
    with pytest.raises(ConfigError, match="the only one that backend litert has"):
        open_backend(network_of(files), EngineConfig(backend="litert", device="GPU"))


def test_an_unknown_backend_lists_the_known(files):
    with pytest.raises(ConfigError, match="expected one of auto, litert, openvino, got 'onnx'"):
        open_backend(network_of(files), EngineConfig(backend="onnx"))


def test_a_model_without_the_files_says_how_to_make_them(files):
    with pytest.raises(ArtefactError, match="mtv export --backend openvino"):
        open_backend(network_of({LITERT_FILE: b""}), OPENVINO)


def test_without_the_package_the_error_says_how_to_install_it(files, monkeypatch):
    monkeypatch.setattr(openvino, "is_installed", lambda: False)

    with pytest.raises(ConfigError, match=r"pip install 'mtv_perception\[openvino\]'"):
        open_backend(network_of(files), OPENVINO)


def test_a_folder_called_openvino_is_no_package(tmp_path, monkeypatch):
    """Python takes the one of a model folder for a package where it is started there."""
    (tmp_path / "openvino").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "openvino", raising=False)

    assert not openvino.is_installed()


def test_a_package_that_can_not_be_imported_says_why(files, monkeypatch):
    monkeypatch.setattr(openvino, "is_installed", lambda: True)
    monkeypatch.setitem(sys.modules, "openvino", None)

    with pytest.raises(ConfigError, match="openvino, it can't be imported: .*litert"):
        open_backend(network_of(files), OPENVINO)


class Timed:
    """An engine that takes a time of its own."""

    def __init__(self, name, clock, taken_s):
        self.engine, self._clock, self._taken_s, self.runs = name, clock, taken_s, 0

    def run(self):
        self._clock.now += self._taken_s
        self.runs += 1


class Clock:
    """A clock that only its engines move."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def engines(monkeypatch):
    """Sets what each engine takes, ms; returns the names in the order in which they were opened."""

    def make(**taken_ms):
        clock, opened = Clock(), []

        def opener(name, taken):
            def open_it(network, config):
                opened.append(name)
                if isinstance(taken, Exception):
                    raise taken
                return Timed(name, clock, taken / 1e3)

            return open_it

        made = {name: opener(name, taken) for name, taken in taken_ms.items()}
        monkeypatch.setattr(opening, "ENGINES", made)
        monkeypatch.setattr(opening.time, "perf_counter", clock.perf_counter)
        monkeypatch.setattr(openvino, "is_installed", lambda: True)
        return opened

    return make


BOTH = dict.fromkeys((LITERT_FILE, *OPENVINO_FILES), b"")
AUTO = EngineConfig(backend="auto")


@pytest.mark.parametrize(
    ("litert", "other", "best"), [(16, 11, "openvino"), (8, 11, "litert"), (300, 500, "litert")]
)
def test_auto_takes_the_faster_and_says_both(engines, caplog, litert, other, best):
    engines(litert=litert, openvino=other)
    caplog.set_level(logging.INFO)

    backend = open_backend(network_of(BOTH), AUTO)

    figures = f"litert {float(litert)} ms, openvino {float(other)} ms"
    assert backend.engine == f"{best}, measured: {figures}"
    assert backend.engine in caplog.text


def test_auto_remembers_and_opens_the_chosen_one_alone(engines, own_cache):
    opened = engines(litert=16, openvino=11)
    open_backend(network_of(BOTH), AUTO)
    del opened[:]

    backend = open_backend(network_of(BOTH), AUTO)

    assert opened == ["openvino"] and backend.runs == 0
    assert backend.engine == "openvino, as measured before: litert 16.0 ms, openvino 11.0 ms"
    assert (own_cache / "mtv_perception" / "engines.json").is_file()


@pytest.mark.parametrize("change", ["threads", "file", "processor", "version"])
def test_auto_measures_again_where_something_else_runs(engines, monkeypatch, change):
    opened = engines(litert=16, openvino=11)
    network, config = network_of(BOTH), AUTO
    open_backend(network, config)
    del opened[:]
    if change == "threads":
        config = replace(config, num_threads=5)
    elif change == "file":
        network = replace(network, hashes=dict(network.hashes) | {LITERT_FILE: "another"})
    elif change == "processor":
        monkeypatch.setattr(opening, "_cpu", lambda: "another")
    else:
        monkeypatch.setattr(opening, "_version", lambda package: "99")

    assert open_backend(network, config).engine.startswith("openvino, measured")
    assert opened == ["litert", "openvino"]


@pytest.mark.parametrize("kept", ["", "[]", "{", '{"x": 1}', b"\xff\xfe\x00", "engine"])
def test_a_damaged_cache_is_measured_again(engines, own_cache, kept):
    engines(litert=16, openvino=11)
    open_backend(network_of(BOTH), AUTO)
    file = own_cache / "mtv_perception" / "engines.json"
    if kept == "engine":
        entries = json.loads(file.read_text())
        file.write_text(json.dumps({key: {"engine": "abacus"} for key in entries}))
    else:
        file.write_bytes(kept if isinstance(kept, bytes) else kept.encode())

    assert open_backend(network_of(BOTH), AUTO).engine.startswith("openvino, measured")
    assert open_backend(network_of(BOTH), AUTO).engine.startswith("openvino, as measured before")


@pytest.mark.parametrize("home", ["a file", "nowhere", "relative"])
def test_without_a_cache_auto_measures_each_time(engines, tmp_path, monkeypatch, home):
    engines(litert=16, openvino=11)
    (tmp_path / "file").write_text("")
    paths = {"a file": str(tmp_path / "file"), "nowhere": "/proc/none", "relative": "cache"}
    monkeypatch.setenv("XDG_CACHE_HOME", paths[home])
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.chdir(tmp_path)

    for _ in range(2):
        assert open_backend(network_of(BOTH), AUTO).engine.startswith("openvino, measured")
    assert not (tmp_path / "cache").exists()


def test_auto_leaves_an_engine_out_that_can_not_run_it(engines, caplog, own_cache):
    engines(litert=16, openvino=ArtefactError("no such instruction"))

    backend = open_backend(network_of(BOTH), AUTO)

    assert backend.engine == "litert, measured: litert 16.0 ms"
    assert "no such instruction" in caplog.text
    assert not (own_cache / "mtv_perception" / "engines.json").exists()


def test_auto_leaves_the_engine_out_that_it_took_before_and_that_is_broken_now(engines, caplog):
    engines(litert=16, openvino=11)
    assert open_backend(network_of(BOTH), AUTO).engine.startswith("openvino, measured")
    engines(litert=16, openvino=ConfigError("it can't be imported"))

    assert open_backend(network_of(BOTH), AUTO).engine == "litert, measured: litert 16.0 ms"
    assert "it can't be imported" in caplog.text


@pytest.mark.parametrize("missing", ["files", "package"])
def test_auto_without_openvino_is_litert_and_measures_nothing(engines, monkeypatch, missing):
    opened = engines(litert=16, openvino=11)
    if missing == "package":
        monkeypatch.setattr(openvino, "is_installed", lambda: False)
    network = network_of(BOTH if missing == "package" else {LITERT_FILE: b""})

    backend = open_backend(network, AUTO)

    assert opened == ["litert"] and backend.runs == 0
    assert backend.engine == "litert, the only one usable here"


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """The tiny LiteRT artefact with files for OpenVINO."""
    artefact = load_artefact(tiny_folder)
    files = {name: name.encode() for name in OPENVINO_FILES}
    write_artefact(tiny_folder, artefact.spec, artefact.content, files)
    return tiny_folder


def test_files_of_other_engines_are_written_and_read(folder):
    artefact = load_artefact(folder)

    assert artefact.files == {name: name.encode() for name in OPENVINO_FILES}
    assert all(len(artefact.spec.files[name]) == 64 for name in OPENVINO_FILES)
    assert not list(folder.rglob("*.part"))


def test_a_damaged_file_of_another_engine_is_an_error(folder):
    (folder / OPENVINO_FILES[1]).write_bytes(b"?")

    with pytest.raises(ArtefactError, match=r"model\.bin: expected SHA-256"):
        load_artefact(folder)


def test_a_robot_may_be_given_the_litert_model_alone(folder):
    (folder / OPENVINO_FILES[1]).unlink()

    artefact = load_artefact(folder)

    assert artefact.files == {}
    assert Perceiver(artefact, PerceiverConfig(backend="auto")).engine.startswith("litert")
    with pytest.raises(ArtefactError, match="expected a model with openvino"):
        Perceiver(artefact, PerceiverConfig(backend="openvino"))


@pytest.mark.parametrize("name", ["../secret", "openvino/other.bin"])
def test_a_description_can_name_no_other_file(folder, name):
    text = (folder / SPEC_FILE).read_text()
    (folder / SPEC_FILE).write_text(text.replace(OPENVINO_FILES[0], name))

    with pytest.raises(ArtefactError, match="Expected the files"):
        load_artefact(folder)
