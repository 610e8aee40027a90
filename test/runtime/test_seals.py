"""A damaged cache costs time and never changes a result."""

import numpy as np
import pytest

from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.backends.seals import sealed
from mtv_perception.runtime.models import find_model


@pytest.fixture
def blob(tmp_path):
    file = tmp_path / "1.blob"
    file.write_bytes(bytes(range(256)) * 64)
    return file


def names(folder, ending=""):
    return sorted(item.name for item in folder.iterdir() if item.name.endswith(ending))


def compile_again(folder, content=None):
    """As OpenVINO does: load what is there, else write it."""
    with sealed(folder) as usable:
        found = names(folder, ".blob")
        if usable and not found:
            (folder / "1.blob").write_bytes(content or b"compiled again")
        return usable is not None, found


def test_what_was_sealed_stays(blob):
    compile_again(blob.parent)  # The first time nobody has sealed it.
    assert compile_again(blob.parent) == (True, ["1.blob"])
    assert names(blob.parent) == [".openvino.lock", "1.blob", "1.blob.sha256"]


@pytest.mark.parametrize("damage", ["zeros", "cut", "longer", "seal", "no seal", "binary seal"])
def test_what_is_not_what_was_sealed_is_compiled_again_once(blob, damage):
    content = blob.read_bytes()
    compile_again(blob.parent, content)
    mark = blob.with_name("1.blob.sha256")
    if damage == "no seal":
        mark.unlink()
    elif damage in ("seal", "binary seal"):
        mark.write_bytes(b"0" * 64 if damage == "seal" else b"\xff" * 8)
    else:
        changed = {"zeros": content[:4096] + bytes(4096) + content[8192:], "cut": content[:-1]}
        blob.write_bytes(changed.get(damage, content + b"\0"))

    assert compile_again(blob.parent) == (True, [])
    assert compile_again(blob.parent) == (True, ["1.blob"])


def test_other_files_are_let_be(tmp_path):
    (tmp_path / "engines.json").write_text("{}")
    compile_again(tmp_path)
    assert "engines.json" in names(tmp_path)


def test_without_a_folder_of_its_own_nothing_is_cached(blob):
    with sealed(None) as none, sealed(blob.parent) as first, sealed(blob.parent) as second:
        assert none is second is None and first == blob.parent


def test_openvino_computes_the_same_from_a_damaged_cache(tmp_path, monkeypatch):
    pytest.importorskip("openvino", reason="needs OpenVINO")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    artefact = load_artefact(find_model("warehouse"))
    pixels = np.random.default_rng(0).integers(0, 256, (*artefact.size_hw, 3), np.uint8)

    def logits():
        backend = artefact.open(EngineConfig(backend="openvino"))
        backend.input_view()[...] = pixels
        return np.array(backend.run().segmentation_logits.values)

    expected = logits()
    (blob,) = (tmp_path / "mtv_perception").glob("*.blob")
    whole = blob.read_bytes()
    for at in (len(whole) // 4, len(whole) // 2):
        blob.write_bytes(whole[:at] + bytes(65536) + whole[at + 65536 :])
        np.testing.assert_array_equal(logits(), expected)
        (blob,) = (tmp_path / "mtv_perception").glob("*.blob")
