"""`mtv export` on a run of seconds: folders, report, refusal."""

import json

import numpy as np
import pytest

from mtv_perception.cli.main import main
from mtv_perception.errors import ArtefactError
from mtv_perception.export import artefact as export_artefact
from mtv_perception.runtime import Perceiver, load_artefact

pytestmark = pytest.mark.usefixtures("shallow_network")


@pytest.fixture(scope="module")
def exported(tiny_run, drawn, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "tiny"
    report = out.parent / "report.json"
    options = ["--precision", "float32", "int8", "--calibrate", str(drawn), "--images", "4"]
    options += [
        "--data",
        str(drawn),
        "--limit",
        "3",
        "--name",
        "shapes",
        "--version",
        "7",
        "--json",
        str(report),
    ]
    assert main(["export", str(tiny_run), "--out", str(out), *options]) == 0
    return out, json.loads(report.read_text())


def test_each_precision_has_its_folder(exported):
    out, report = exported
    assert report["images"] == 4 and report["float32"]["folder"] == str(out)
    for folder, precision in ((out, "float32"), (out / "int8", "int8")):
        artefact = load_artefact(folder)
        assert artefact.spec.precision == precision and artefact.model_id.startswith(
            f"shapes-v7-{precision}"
        )
        result = Perceiver(artefact)(np.full((50, 70, 3), 90, np.uint8))
        assert result.segmentation.class_ids.shape == (50, 70)


def test_the_report_sets_precisions_side_by_side(exported):
    out, report = exported
    assert report["float32"]["errors"].keys() == {
        "class_logits",
        "box_offsets",
        "segmentation_logits",
    }
    assert max(report["float32"]["errors"].values()) < 1e-4
    assert report["int8"]["megabytes"] < report["float32"]["megabytes"]
    for precision in ("float32", "int8"):
        assert report[precision]["refused"] is None and report[precision]["scores"]["images"] == 3
    assert load_artefact(out).spec.metrics["miou"] == pytest.approx(
        report["float32"]["scores"]["miou"]
    )


def test_a_checkpoint_exports_at_another_size(tiny_run, drawn, tmp_path, capsys):
    options = ["--size", "64", "96", "--calibrate", str(drawn), "--images", "1"]
    assert main(["export", str(tiny_run / "best.npz"), "--out", str(tmp_path / "m"), *options]) == 0
    artefact = load_artefact(tmp_path / "m")
    assert artefact.size_hw == (64, 96) and artefact.spec.name == "tiny"
    assert str(tmp_path / "m") in capsys.readouterr().out


def test_bad_parity_is_refused(tiny_run, drawn, tmp_path, monkeypatch, capsys):
    def refuse(errors, precision):
        raise ArtefactError("Expected relative output errors of at most 0.35 for int8, got 0.9.")

    monkeypatch.setattr(export_artefact, "check_errors", refuse)
    options = ["--size", "64", "64", "--calibrate", str(drawn), "--images", "1"]
    assert main(["export", str(tiny_run), "--out", str(tmp_path / "m"), *options]) == 1
    assert not (tmp_path / "m").exists()
    assert "REFUSED, nothing written: Expected relative output errors" in capsys.readouterr().out


def test_no_run_is_an_error(tmp_path, capsys):
    assert main(["export", str(tmp_path / "none"), "--out", str(tmp_path / "m")]) == 2
    assert "expected a run folder or a checkpoint in one" in capsys.readouterr().err


def test_a_run_becomes_an_onnx_file(tiny_run, drawn, tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    file = tmp_path / "tiny.onnx"
    options = ["--format", "onnx", "--calibrate", str(drawn), "--images", "2"]

    assert main(["export", str(tiny_run), "--out", str(file), *options]) == 0

    assert "class_logits" in [item.name for item in onnx.load(file).graph.output]
    assert "largest relative errors in ONNX Runtime" in capsys.readouterr().out


def test_openvino_is_added_to_the_model_beside(tiny_run, drawn, tmp_path, monkeypatch, capsys):
    from mtv_perception.export import openvino

    given = []
    monkeypatch.setattr(
        openvino,
        "export_openvino",
        lambda network, folder, images, dataset, *, largest_drop: (
            given.append((folder, len(images), load_artefact(folder).spec.precision))
            or openvino.PrecisionReport(openvino.TITLE, folder, refused="it said so")
        ),
    )
    options = ["--precision", "int8", "--calibrate", str(drawn), "--images", "2", "--unscored"]
    out = tmp_path / "m"
    both = ["--backend", "litert", "openvino"]

    assert main(["export", str(tiny_run), "--out", str(out), *options, *both]) == 1
    assert given == [(out, 2, "int8")]
    assert "openvino int8: REFUSED, nothing written: it said so" in capsys.readouterr().out
