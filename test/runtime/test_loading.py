import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import yaml

from mtv_perception.errors import ArtefactError, ConfigError
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.runtime import models, trial
from mtv_perception.runtime.artefact import (
    GOLDEN_FILE,
    MODEL_FILE,
    SPEC_FILE,
    load_artefact,
    write_artefact,
)
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.loading import ModelSource, check_model, load_perceiver
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.self_test import Golden, busy_picture, check_outputs, record
from mtv_perception.runtime.settings import PerceiverConfig

CONFIG = PerceiverConfig(num_threads=1)
MODELS = sorted(path.name for path in (SOURCE_ROOT / "models").iterdir() if path.is_dir())


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """No model has been tested before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mtv_perception" / "tested"


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A small artefact with its self-test."""
    artefact = load_artefact(tiny_folder)
    golden = record(artefact.open(EngineConfig()), artefact.size_hw)
    target = tmp_path / "model"
    return write_artefact(target, artefact.spec, artefact.content, golden=golden).folder


def describe(folder, **changes):
    """Change the description of a model."""
    values = yaml.safe_load((folder / SPEC_FILE).read_text(encoding="utf-8"))
    (folder / SPEC_FILE).write_text(yaml.safe_dump(values | changes), encoding="utf-8")


def with_content(folder, content):
    """Give a model another content, with a hash that fits and the old self-test."""
    artefact = load_artefact(folder)
    write_artefact(folder, artefact.spec, content, golden=artefact.golden)


@pytest.mark.parametrize("name", MODELS)
def test_the_models_of_the_package_bring_a_self_test_which_they_pass(name):
    artefact = load_artefact(find_model(name))
    assert artefact.golden is not None
    assert load_perceiver(ModelSource(name), CONFIG).spec.name == artefact.spec.name


def test_a_model_is_tried_once_and_then_remembered(folder, cache, monkeypatch):
    source = ModelSource(str(folder))
    check_model(source, CONFIG)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(trial.subprocess, "Popen", None)
    check_model(source, CONFIG)
    describe(folder, version=9)
    with pytest.raises(TypeError):
        check_model(source, CONFIG)


@pytest.mark.parametrize("home", ["", "relative", "/proc/nowhere"])
def test_without_a_place_to_remember_models_are_tried_every_time(folder, monkeypatch, home):
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    monkeypatch.setenv("HOME", home)
    check_model(ModelSource(str(folder)), CONFIG)
    monkeypatch.setattr(trial.subprocess, "Popen", None)
    with pytest.raises(TypeError):
        check_model(ModelSource(str(folder)), CONFIG)


def test_the_child_takes_no_modules_of_the_folder_that_it_is_started_in(
    folder, cache, tmp_path, monkeypatch
):
    (tmp_path / "json.py").write_text("raise RuntimeError('of the user')")
    (tmp_path / "relative").mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{SOURCE_ROOT}{os.pathsep}{os.pathsep}relative")
    monkeypatch.chdir(tmp_path)
    check_model(ModelSource(folder.name), CONFIG)
    assert len(list(cache.iterdir())) == 1


def test_a_model_that_ends_the_process_is_refused_in_the_child(folder):
    """A broken FlatBuffer with a hash that fits ends the process that opens it."""
    content = bytearray(load_artefact(folder).content)
    random = np.random.default_rng(7)
    reasons = []
    for _ in range(4):
        mutated = bytearray(content)
        for at in random.integers(len(content) // 2, len(content), 40):
            mutated[at] = random.integers(0, 256)
        with_content(folder, bytes(mutated))
        try:
            check_model(ModelSource(str(folder)), CONFIG)
        except ArtefactError as error:
            reasons.append(str(error))
    assert len(reasons) >= 2, "most mutations are refused, and this process goes on"


@pytest.mark.parametrize(
    ("statement", "timeout", "reason"),
    [
        ("os.abort()", 30.0, "SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", 30.0, "SIGSEGV"),
        ("time.sleep(60)", 0.5, "did not end within 0.5 s"),
        ("sys.exit(3)", 30.0, "status 3"),
        ("print('nonsense'); sys.exit(0)", 30.0, "status 0 and no answer"),
    ],
)
def test_however_the_child_ends_there_is_a_reason(folder, monkeypatch, statement, timeout, reason):
    real = subprocess.Popen

    def other_child(command, **options):
        code = f"import os, signal, sys, time; time.sleep(0.3); {statement}"
        return real([sys.executable, "-c", code], **options)

    monkeypatch.setattr(trial.subprocess, "Popen", other_child)
    polled = []
    with pytest.raises(ArtefactError, match=reason):
        check_model(ModelSource(str(folder), timeout=timeout), CONFIG, lambda: polled.append(1))
    assert polled, "the caller can do other work meanwhile"


def test_a_child_may_not_take_the_machines_memory(folder, monkeypatch):
    monkeypatch.setattr(trial, "_CHILD_BYTES", 1)
    artefact = load_artefact(folder)
    real = subprocess.Popen

    def small_child(command, **options):
        code = (
            "import sys; from mtv_perception.runtime import trial; trial._CHILD_BYTES = 300_000_000;"
            f"sys.exit(trial.main({command[3:]!r}))"
        )
        return real([sys.executable, "-c", code], **options)

    monkeypatch.setattr(trial.subprocess, "Popen", small_child)
    with pytest.raises(ArtefactError):
        trial.try_in_child(artefact, EngineConfig(num_threads=1), 30.0)


def test_weights_that_changed_with_a_hash_that_fits_are_found_by_the_self_test(folder, tiny_spec):
    artefact = load_artefact(folder)
    other = replace(artefact.golden, outputs={**artefact.golden.outputs})
    other.outputs["class_logits"] = -other.outputs["class_logits"]
    write_artefact(folder, artefact.spec, artefact.content, golden=other)
    with pytest.raises(ArtefactError, match="class_logits differs by"):
        check_model(ModelSource(str(folder)), CONFIG)


def test_a_self_test_of_another_size_or_damaged_is_refused(folder):
    artefact = load_artefact(folder)
    small = Golden(artefact.golden.input_rgb[::2], artefact.golden.outputs)
    write_artefact(folder, artefact.spec, artefact.content, golden=small)
    with pytest.raises(ArtefactError, match="stored picture"):
        check_model(ModelSource(str(folder)), CONFIG)
    (folder / GOLDEN_FILE).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ArtefactError, match=GOLDEN_FILE):
        load_artefact(folder)


def test_an_artefact_of_before_needs_finite_outputs_that_depend_on_the_picture(folder):
    (folder / GOLDEN_FILE).unlink()
    perceiver = load_perceiver(ModelSource(str(folder)), CONFIG)

    class Constant:
        def raw_outputs(self, picture):
            return perceiver.raw_outputs(np.zeros_like(picture))

    with pytest.raises(ArtefactError, match="do not depend"):
        check_outputs(Constant(), perceiver.spec.size_hw, None)
    check_outputs(perceiver, perceiver.spec.size_hw, None)


def test_writing_a_model_without_a_self_test_removes_the_old_one(folder):
    artefact = load_artefact(folder)
    write_artefact(folder, artefact.spec, artefact.content)
    assert not (folder / GOLDEN_FILE).exists()


def test_a_golden_survives_its_file():
    outputs = {
        name: np.float32([1, 2]) for name in ("class_logits", "box_offsets", "segmentation_logits")
    }
    golden = Golden(busy_picture((32, 64)), outputs)
    assert Golden.from_bytes(golden.to_bytes()).digest == golden.digest
    assert (busy_picture((32, 64)) == busy_picture((32, 64))).all()


def test_settings_that_do_not_fit_the_classes_are_a_clear_error(folder):
    with pytest.raises(ConfigError, match="unicorn"):
        check_model(ModelSource(str(folder)), PerceiverConfig(suppress_absent=("unicorn",)))


def test_a_folder_without_a_model_is_a_clear_error(tmp_path):
    with pytest.raises(ArtefactError, match=r"model\.yaml"):
        check_model(ModelSource(str(tmp_path)), CONFIG)


# Where models may lie


def test_a_folder_here_does_not_hide_a_model_of_the_package(tmp_path, monkeypatch):
    (tmp_path / "warehouse").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("warehouse").parent in models.model_folders()
    assert find_model("./warehouse").is_dir()
    (tmp_path / "mine").mkdir()
    assert find_model("mine").name == "mine"


@pytest.mark.parametrize("name", ["{allowed}/../other/model", "{other}/model", "{allowed}/link"])
def test_a_model_outside_the_allowed_folders_is_refused(tmp_path, folder, name):
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    allowed.mkdir()
    other.mkdir()
    shutil.copytree(folder, other / "model")
    shutil.copytree(folder, allowed / "good")
    (allowed / "link").symlink_to(other / "model")
    assert find_model(str(allowed / "good"), [str(allowed)]).name == "good"
    with pytest.raises(ArtefactError, match="model_folders"):
        find_model(name.format(allowed=allowed, other=other), [str(allowed)])


# Signatures


def ed25519_key():
    """A new private key."""
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def key(tmp_path):
    """A private key, and the file of the public one."""
    private = ed25519_key()
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    file = tmp_path / "key.pub"
    file.write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, file


def test_a_signed_model_is_loaded(folder, key):
    private, file = key
    (folder / "model.yaml.sig").write_bytes(private.sign((folder / SPEC_FILE).read_bytes()))
    assert check_model(ModelSource(str(folder), public_key=str(file)), CONFIG)


@pytest.mark.parametrize("attack", ["no signature", "short", "changed", "other key", "no key"])
def test_a_model_without_a_valid_signature_is_refused(folder, key, tmp_path, attack):
    private, file = key
    signature = private.sign((folder / SPEC_FILE).read_bytes())
    if attack != "no signature":
        (folder / "model.yaml.sig").write_bytes(signature[: 10 if attack == "short" else 64])
    if attack == "changed":
        describe(folder, version=9)
    if attack == "other key":
        private = ed25519_key()
        (folder / "model.yaml.sig").write_bytes(private.sign((folder / SPEC_FILE).read_bytes()))
    if attack == "no key":
        file = tmp_path / "nothing.pub"
    with pytest.raises(ArtefactError, match="signature|public key"):
        check_model(ModelSource(str(folder), public_key=str(file)), CONFIG)


def test_a_signed_description_with_another_model_file_is_refused(folder, key):
    private, file = key
    (folder / "model.yaml.sig").write_bytes(private.sign((folder / SPEC_FILE).read_bytes()))
    (folder / MODEL_FILE).write_bytes(b"another model")
    with pytest.raises(ArtefactError, match="SHA-256"):
        check_model(ModelSource(str(folder), public_key=str(file)), CONFIG)


def test_a_passed_test_holds_for_the_libraries_it_ran_with(monkeypatch):
    artefact, engine = load_artefact(find_model("warehouse")), EngineConfig()
    records = set()
    for engines in (["litert"], ["litert", "openvino"]):
        for number in ("2026.1", "2026.4"):
            monkeypatch.setattr(trial, "usable_engines", lambda files, found=engines: found)
            monkeypatch.setattr(
                trial, "version", lambda name, n=number: n if name == "openvino" else "1"
            )
            records.add(trial._record_file(artefact, engine))
    assert len(records) == 3  # without OpenVINO its version says nothing
