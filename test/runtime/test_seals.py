"""A damaged cache costs time and never changes a result."""

import numpy as np
import pytest

from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.backends.seals import drop_unsealed, seal
from mtv_perception.runtime.models import find_model


@pytest.fixture
def blob(tmp_path):
    file = tmp_path / "1.blob"
    file.write_bytes(bytes(range(256)) * 64)
    return file


def names(folder):
    return sorted(item.name for item in folder.iterdir())


def test_what_was_sealed_stays(blob):
    seal(blob.parent)
    drop_unsealed(blob.parent)
    assert names(blob.parent) == ["1.blob", "1.blob.sha256"]


@pytest.mark.parametrize("damage", ["zeros", "cut", "longer", "seal", "no seal", "binary seal"])
def test_what_is_not_what_was_sealed_goes(blob, damage):
    seal(blob.parent)
    mark, content = blob.with_name("1.blob.sha256"), blob.read_bytes()
    if damage == "no seal":
        mark.unlink()
    elif damage in ("seal", "binary seal"):
        mark.write_bytes(b"0" * 64 if damage == "seal" else b"\xff" * 8)
    else:
        changed = {"zeros": content[:4096] + bytes(4096) + content[8192:], "cut": content[:-1]}
        blob.write_bytes(changed.get(damage, content + b"\0"))
    drop_unsealed(blob.parent)
    assert not blob.exists()
    seal(blob.parent)
    assert names(blob.parent) == []


def test_other_files_are_let_be(blob):
    (blob.parent / "engines.json").write_text("{}")
    drop_unsealed(blob.parent)
    seal(blob.parent)
    assert names(blob.parent) == ["engines.json"]


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
