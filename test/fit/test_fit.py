"""The stages of a fit: each once, in order, and on from where it was interrupted."""

import argparse
import dataclasses
import json
import shutil

import pytest

from mtv_perception.cli import fit as cli_fit
from mtv_perception.errors import ConfigError
from mtv_perception.fit import fit as module
from mtv_perception.fit.fit import fit
from mtv_perception.fit.options import FitOptions, parse_budget
from mtv_perception.fit.state import on_command_line
from mtv_perception.runtime import load_artefact


@pytest.fixture
def stages(monkeypatch):
    """Stages that note their names; one of them can be made to fail."""
    calls, failing = [], set()

    def stage(name):
        def run(options, prepared, state):
            calls.append(name)
            if name in failing:
                raise KeyboardInterrupt
            return {"per_class": {}, "of": name}

        return run

    fakes = {name: stage(name) for name in module._STAGES}
    monkeypatch.setattr(module, "_STAGES", fakes)
    return calls, failing


def quiet(text):
    pass


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path, floor, stages):
    calls, failing = stages
    options = FitOptions((floor(),), tmp_path / "model")
    failing.add("tune")
    with pytest.raises(KeyboardInterrupt):
        fit(options, quiet)
    failing.clear()

    scores = fit(options, quiet)

    assert calls == ["train", "export", "tune", "tune", "judge"]
    assert scores["of"] == "judge"
    record = json.loads((tmp_path / "model" / "fit.json").read_text())
    assert list(record["done"]) == ["prepare", "train", "export", "tune", "judge"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"minutes": 60}, "another --budget;"),
        ({"sources": {"worker": "person"}}, "another --from;"),
        ({"size_hw": (96, 128), "seed": 2}, "another --size, --seed;"),
    ],
)
def test_other_options_in_the_same_folder_are_refused(tmp_path, floor, stages, other, told):
    data = (floor(),)
    fit(FitOptions(data, tmp_path / "model"), quiet)

    with pytest.raises(ConfigError, match=told):
        fit(FitOptions(data, tmp_path / "model", **other), quiet)


def test_every_option_is_told_by_a_name_of_the_command_line():
    parser = argparse.ArgumentParser()
    cli_fit.configure(parser)
    known = {flag for action in parser._actions for flag in action.option_strings}
    fields = [item.name for item in dataclasses.fields(FitOptions) if item.name != "data"]

    assert {on_command_line(name) for name in fields} <= known


def test_a_folder_with_other_files_is_not_written_into(tmp_path, floor, stages):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.yaml").write_text("mine")

    with pytest.raises(ConfigError, match=r"without fit\.json"):
        fit(FitOptions((floor(),), tmp_path / "model"), quiet)

    assert (tmp_path / "model" / "model.yaml").read_text() == "mine"


@pytest.mark.parametrize("with_test", [True, False])
def test_images_that_choose_and_judge_are_counted_once(tmp_path, floor, stages, with_test):
    root, said = floor(splits=True), []
    if not with_test:
        shutil.rmtree(root / "test")
        text = (root / "data.yaml").read_text().replace("test: test/images\n", "")
        (root / "data.yaml").write_text(text)

    fit(FitOptions((root,), tmp_path / "model"), said.append)

    assert said[0].startswith("12 images to train on, 6 to choose by, 6 to judge by")
    assert ("(6 of them choose and judge)" in said[0]) == (not with_test)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("30m", 30), ("2h", 120), ("1h30m", 90), ("1.5h", 90), ("45", 45), ("1H", 60)],
)
def test_budgets(text, minutes):
    assert parse_budget(text) == minutes


@pytest.mark.parametrize("text", ["", "soon", "-5m", "30s", "m"])
def test_budgets_that_are_none(text):
    with pytest.raises(ValueError, match="30m"):
        parse_budget(text)


@pytest.mark.parametrize(
    "values",
    [
        {"minutes": 0},
        {"minutes": 0.5},
        {"classes": ("background",)},
        {"sources": {"a": "person"}, "initial": ""},
    ],
)
def test_options_that_cannot_be(tmp_path, values):
    with pytest.raises(ConfigError):
        FitOptions((tmp_path,), tmp_path / "model", **values)


def test_a_whole_fit_writes_a_model_that_knows_what_it_was_taught_and_a_report(tmp_path, floor):
    out = tmp_path / "model"

    fit(FitOptions((floor(),), out, steps=1, size_hw=(96, 128), precision="float32"), quiet)

    spec = load_artefact(out).spec
    assert spec.box_classes == spec.labels.foreground
    assert spec.mask_classes == (), "boxes alone were labelled"
    report = (out / "report.html").read_text()
    assert "What to label next" in report and "truck" in report
    assert "`tests: [foot]`" in report and "Label polygons" in report
