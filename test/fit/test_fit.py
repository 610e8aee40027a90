"""The stages of a fit: each once, in order, and on from where it was interrupted."""

import argparse
import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from mtv_perception.cli import fit as cli_fit
from mtv_perception.data.sample import Sample
from mtv_perception.errors import ConfigError, DatasetError
from mtv_perception.evaluation.records import BoxRecord
from mtv_perception.evaluation.tune import OperatingPoint, Tuning
from mtv_perception.fit import fit as module
from mtv_perception.fit.fit import fit
from mtv_perception.fit.options import FitOptions, parse_budget
from mtv_perception.fit.state import on_command_line
from mtv_perception.labels import LabelSet
from mtv_perception.runtime import load_artefact
from mtv_perception.runtime.artefact import Trained
from mtv_perception.types import Detections


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
        ({"minutes": 60}, "--budget was 30.0, is 60; give"),
        ({"sources": {"worker": "person"}}, "--from was {}, is {'worker': 'person'};"),
        (
            {"size_hw": (96, 128), "seed": 2},
            r"--size was None, is \[96, 128\]; --seed was 1, is 2; give these again",
        ),
    ],
)
def test_other_options_in_the_same_folder_are_refused(tmp_path, floor, stages, other, told):
    data = (floor(),)
    fit(FitOptions(data, tmp_path / "model"), quiet)

    with pytest.raises(ConfigError, match=told):
        fit(FitOptions(data, tmp_path / "model", **other), quiet)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"options": {}}', '{"options": 1, "done": 2}']
)
def test_a_record_that_cannot_be_read_is_named(tmp_path, floor, text):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "fit.json").write_text(text)
    with pytest.raises(ConfigError, match="fit.json: expected the record of a fit; begin again"):
        fit(FitOptions((floor(),), tmp_path / "model"), quiet)


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


def test_a_fit_that_never_read_its_data_goes_on_with_other_options(tmp_path, floor, stages):
    root, calls = floor(), stages[0]
    label = next(iter(sorted((root / "labels").rglob("*.txt"))))
    good = label.read_text()
    label.write_text("0 a b c d\n")
    with pytest.raises(DatasetError):
        fit(FitOptions((root,), tmp_path / "model"), quiet)
    assert not calls
    label.write_text(good)

    fit(FitOptions((root,), tmp_path / "model", minutes=5), quiet)

    assert calls == list(module._STAGES)
    record = json.loads((tmp_path / "model" / "fit.json").read_text())
    assert record["options"]["minutes"] == 5
    with pytest.raises(ConfigError, match="--budget was 5, is 30.0"):
        fit(FitOptions((root,), tmp_path / "model"), quiet)


def test_few_false_alarms_never_means_lower_thresholds(tmp_path, floor, monkeypatch):
    def point(threshold):
        return OperatingPoint(threshold, 1.0, 1.0, 1.0, 0.0, True)

    def tune(records, labels, goals, overlaps=(0.3, 0.5)):
        few = {"truck": point(0.2), "worker": point(0.6), "pallet": point(0.01)}
        chosen = few if goals else {"truck": point(0.4), "worker": point(0.5)}
        return Tuning(overlaps[-1], chosen, {}, 3)

    written = []
    monkeypatch.setattr(module, "tune", tune)
    monkeypatch.setattr(module, "collect", lambda *_: ())
    monkeypatch.setattr(module, "Perceiver", lambda *_: None)
    labels = LabelSet(("background", "truck", "worker", "pallet"))
    monkeypatch.setattr(module, "load_artefact", lambda _: SimpleNamespace(labels=labels))
    monkeypatch.setattr(
        module, "write_thresholds", lambda *call, **more: written.append((call, more))
    )
    options = FitOptions((floor(),), tmp_path / "model")
    prepared = SimpleNamespace(dataset=lambda _: None)
    module._tune(options, prepared, None)

    (balanced, _), (few, _) = written
    assert balanced[1] == {"truck": 0.4, "worker": 0.5}
    assert few[1] == {"truck": 0.4, "worker": 0.6, "pallet": 0.3}


def test_classes_that_are_not_found_keep_the_default_threshold(tmp_path, floor, monkeypatch):
    sample = Sample(
        tmp_path / "a.png",
        (90, 90),
        boxes_xyxy=np.array([[0, 0, 9, 9]], np.float32),
        class_ids=np.array([1], np.int32),
        crowd=np.array([False]),
        box_classes=(1,),
    )
    seen = Detections(
        np.array([[50, 50, 80, 80]], np.float32), np.float32([0.01]), np.array([1], np.int32)
    )
    written = []
    monkeypatch.setattr(module, "collect", lambda *_: (BoxRecord.of(sample, seen),))
    monkeypatch.setattr(module, "Perceiver", lambda *_: None)
    labels = LabelSet(("background", "truck"))
    monkeypatch.setattr(module, "load_artefact", lambda _: SimpleNamespace(labels=labels))
    monkeypatch.setattr(module, "write_thresholds", lambda *call, **_: written.append(call))
    prepared = SimpleNamespace(dataset=lambda _: None)

    found = module._tune(FitOptions((floor(),), tmp_path / "model"), prepared, None)

    assert not written and not found["thresholds"]
    assert found["notes"] == [
        "no threshold chosen for truck: none of its objects in `check` was detected; 0.3 counts. "
        "Train for longer, or label more of it"
    ]


def test_without_boxes_there_are_no_thresholds_to_choose(tmp_path, floor):
    prepared = SimpleNamespace(samples=lambda _: [Sample(tmp_path / "a.png", (4, 4))])
    done = module._tune_boxes(FitOptions((floor(),), tmp_path / "model"), prepared, None)
    assert done == {"thresholds": {}, "points": {}, "few_false_alarms": {}}


def test_a_class_without_an_object_to_train_on_is_told_and_not_scored(tmp_path, floor, monkeypatch):
    root = floor(splits=True)
    for label in (root / "train" / "labels").iterdir():
        lines = label.read_text().splitlines()
        label.write_text("\n".join(line for line in lines if line.startswith("0 ")) + "\n")
    options = FitOptions((root,), tmp_path / "model")
    (tmp_path / "model").mkdir()
    prepared = module.plan_fit(options, tmp_path / "model" / "config.yaml", tmp_path / "lists")
    assert any("worker: no image to train on shows one" in note for note in prepared.notes)

    from mtv_perception.export import report
    from mtv_perception.training import trained, trainer

    scored = []

    def export_precisions(network, out, precisions, images, about, dataset, **_):
        scored.append(dataset)
        return [report.PrecisionReport("int8", out)]

    config = SimpleNamespace(network=SimpleNamespace(labels=prepared.labels, size_hw=(64, 64)))
    monkeypatch.setattr(trainer, "load_run", lambda _: (config, None))
    monkeypatch.setattr(trained, "trained_of_run", lambda *_: Trained(("truck",), ()))
    monkeypatch.setattr(report, "export_precisions", export_precisions)
    module._export(options, prepared, None)

    names = {scored[0].labels.names[c] for s in scored[0].samples for c in s.box_classes}
    assert names == {"truck"}


@pytest.mark.parametrize("change", ["an image more", "another label"])
def test_data_that_changed_since_training_are_refused(tmp_path, floor, stages, change):
    root = floor()
    options = FitOptions((root,), tmp_path / "model")
    fit(options, quiet)
    labels = sorted(root.rglob("*.txt"))
    if change == "another label":
        labels[0].write_text("1 0.5 0.5 0.2 0.2\n")
    else:
        image = next(p for p in root.rglob("*") if p.stem == labels[0].stem and p != labels[0])
        image.with_stem("new").write_bytes(image.read_bytes())
        labels[0].with_stem("new").write_text(labels[0].read_text())

    with pytest.raises(ConfigError, match="they have changed since; choose another --out"):
        fit(options, quiet)
