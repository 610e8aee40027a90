"""Which data `mtv export` scores on; the export itself stands in
test/training/test_export_command.py.
"""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mtv_perception.cli import export
from mtv_perception.cli.main import main
from mtv_perception.data.formats.open import DatasetConfig
from mtv_perception.labels import WAREHOUSE
from mtv_perception.runtime.artefact import ModelSpec, Trained


@pytest.fixture
def data(tmp_path):
    """Six images with a forklift that the data set calls a truck."""
    root = tmp_path / "floor"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for number in range(6):
        cv2.imwrite(str(root / "images" / f"{number}.png"), np.zeros((40, 60, 3), np.uint8))
        (root / "labels" / f"{number}.txt").write_text("0 .5 .5 .5 .5")
    (root / "classes.txt").write_text("truck\n")
    return root


@pytest.fixture
def exported(monkeypatch, data, tmp_path):
    """A function that exports nothing and returns the report and what export_precisions was
    given.
    """
    pytest.importorskip("tensorflow")
    from mtv_perception.export import artefact, report
    from mtv_perception.training.trained import note_trained

    note_trained(tmp_path, Trained())
    part = DatasetConfig(data, take="fold:0/3", rename={"truck": "forklift"})
    config = SimpleNamespace(
        train=(part,), validation=(part, DatasetConfig(data, take="fold:1/3", rename=part.rename))
    )
    network = SimpleNamespace(config=SimpleNamespace(labels=WAREHOUSE, size_hw=(64, 64)))
    monkeypatch.setattr(export, "_load", lambda source, size_hw: (config, network))
    monkeypatch.setattr(artefact, "calibration_images", lambda *args: [])
    given = {}

    def export_precisions(network, folder, precisions, images, about, dataset, *, largest_drop):
        given.update(dataset=dataset, largest_drop=largest_drop, about=about)
        return []

    monkeypatch.setattr(report, "export_precisions", export_precisions)

    def run(*options):
        path = tmp_path / "report.json"
        assert (
            main(
                [
                    "export",
                    str(tmp_path),
                    "--out",
                    str(tmp_path / "m"),
                    "--json",
                    str(path),
                    *options,
                ]
            )
            == 0
        )
        return json.loads(path.read_text()), given

    return run


def names_of(dataset):
    return [sample.image_path.stem for sample in dataset.samples]


def test_without_data_the_validation_data_are_scored(exported):
    report, given = exported()
    assert report["scored_on"] == given["dataset"].name == "floor fold:0/3, floor fold:1/3"
    assert names_of(given["dataset"]) == ["0", "3", "1", "4"]
    assert given["largest_drop"] == 0.05


def test_data_are_read_as_the_options_say(exported, data):
    options = [
        "--data",
        str(data),
        "--fold",
        "1/2",
        "--rename",
        "truck=forklift",
        "--box-classes",
        "forklift,person",
    ]
    report, given = exported(*options, "--limit", "2", "--largest-drop", "0.1")
    assert report["scored_on"] == "floor fold:1/2"
    assert names_of(given["dataset"]) == ["1", "3"]
    assert given["dataset"].samples[0].box_classes == (2, 3)
    assert given["largest_drop"] == 0.1


def test_nothing_is_scored_where_asked_for(exported):
    report, given = exported("--unscored")
    assert report["scored_on"] is None and given["dataset"] is None


@pytest.mark.parametrize(("options", "version"), [([], 1), (["--version", "7"], 7)], ids=str)
def test_the_version_of_a_run(exported, options, version):
    assert exported(*options)[1]["about"].version == version


@pytest.mark.parametrize(("options", "version"), [([], 4), (["--version", "7"], 7)], ids=str)
def test_a_model_that_is_exported_again_keeps_what_it_says_of_itself(
    exported, monkeypatch, options, version
):
    """Name, version, licence and thresholds; what is given on the command line wins."""
    from mtv_perception.export import source

    spec = ModelSpec("floor", version=4, licence="MIT", thresholds={"person": 0.6})
    monkeypatch.setattr(source, "spec_of_model", lambda path: spec)
    about = exported(*options)[1]["about"]
    assert (about.name, about.version, about.licence) == ("floor", version, "MIT")
    assert about.thresholds == {"person": 0.6}


def test_options_for_data_that_are_not_named_are_refused(exported, tmp_path, capsys):
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "m"), "--fold", "0/2"]) == 2
    assert "Expected --data" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        ["--precision", "int8"],
        ["--json", "o.json"],
        ["--data", "x"],
        ["--version", "2"],
        ["--largest-drop", "0"],
    ],
)
def test_what_an_onnx_file_can_not_have_is_refused(tmp_path, capsys, option):
    arguments = ["warehouse", "--out", str(tmp_path / "m.onnx"), "--format", "onnx", *option]
    assert main(["export", *arguments]) == 2
    assert f"Expected no {option[0]} beside --format onnx" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("beside", "option"),
    [
        (["--backend", "openvino"], ["--name", "floor"]),
        (["--backend", "openvino"], ["--version", "2"]),
        (["--backend", "openvino"], ["--licence", "MIT"]),
        (["--backend", "openvino"], ["--precision", "float16"]),
        (["--unscored"], ["--data", "x"]),
        (["--unscored"], ["--limit", "3"]),
        (["--unscored"], ["--largest-drop", "0.1"]),
    ],
    ids=str,
)
def test_options_without_effect_are_refused(tmp_path, capsys, beside, option):
    assert main(["export", "warehouse", "--out", str(tmp_path / "m"), *beside, *option]) == 2
    assert f"Expected no {option[0]} beside {' '.join(beside)}" in capsys.readouterr().err


@pytest.mark.parametrize("beside", [["--unscored"], ["--format", "onnx"]], ids=str)
def test_how_data_are_read_is_refused_where_none_are(tmp_path, capsys, beside):
    arguments = ["warehouse", "--out", str(tmp_path / "m"), *beside, "--fold", "0/2"]
    assert main(["export", *arguments]) == 2
    assert "Expected --data" in capsys.readouterr().err
