"""`mtv evaluate` and `mtv tune` from the command line, with a network that answers from the
labels.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mtv_perception.cli import evaluate, tune
from mtv_perception.cli.main import main
from mtv_perception.evaluation.settings import IOU_THRESHOLD
from mtv_perception.labels import WAREHOUSE, LabelSet
from mtv_perception.runtime.artefact import no_lower
from mtv_perception.types import Detections, Result, Segmentation

HEIGHT, WIDTH = 60, 80
BOX_XYWH = [10, 5, 20, 40]


@pytest.fixture
def data(tmp_path):
    """Four images in COCO's layout: a bright one with a person, then dark ones without."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    images = [
        {"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in range(1, 5)
    ]
    for image in images:
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        if image["id"] == 1:
            mask[5:45, 10:30] = 2
        cv2.imwrite(
            str(folder / "images" / image["file_name"]),
            np.full((HEIGHT, WIDTH, 3), 200 * (image["id"] == 1), np.uint8),
        )
        cv2.imwrite(str(folder / "masks" / image["file_name"]), mask)
    person = {"id": 1, "image_id": 1, "category_id": 2, "bbox": BOX_XYWH, "area": 800, "iscrowd": 0}
    categories = [{"id": i, "name": name} for i, name in enumerate(WAREHOUSE.names) if i]
    index = {"images": images, "annotations": [person], "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(index))
    return folder


@pytest.fixture
def written():
    """What `mtv tune --write` would have written."""
    return []


@pytest.fixture(autouse=True)
def fake_network(monkeypatch, written):
    def perceiver(artefact, config):
        def perceive(image):
            mask, found = np.zeros(image.shape[:2], np.uint8), Detections()
            if image.mean() > 100:
                mask[5:45, 10:30] = 2
                found = Detections(
                    np.array([[10, 5, 30, 45]], np.float32), np.float32([0.8]), np.int32([2])
                )
            return Result(found, Segmentation(mask, mask), image.shape[:2])

        perceive.engine = "litert"
        return perceive

    spec = SimpleNamespace(thresholds={"person": 0.35}, operating_points={}, iou_threshold=0.45)
    artefact = SimpleNamespace(
        labels=WAREHOUSE, model_id="fake-v1", size_hw=(64, 64), folder=Path("m"), spec=spec
    )
    for module in (evaluate, tune):
        monkeypatch.setattr(module, "find_model", lambda name: name)
        monkeypatch.setattr(module, "load_artefact", lambda folder: artefact)
        monkeypatch.setattr(module, "Perceiver", perceiver)
    monkeypatch.setattr(tune, "write_thresholds", lambda *args: written.append(args))


def test_evaluate_writes_json_and_report(data, tmp_path, capsys):
    out, report = tmp_path / "out" / "scores.json", tmp_path / "out" / "report.html"
    assert (
        main(
            [
                "evaluate",
                "--model",
                "m",
                "--data",
                str(data),
                "--json",
                str(out),
                "--report",
                str(report),
            ]
        )
        == 0
    )
    scores = json.loads(out.read_text())
    assert scores["model"] == "fake-v1" and scores["images"] == 4
    assert (
        scores["settings"] | {"iou_threshold": IOU_THRESHOLD, "engine": "litert"}
        == scores["settings"]
    )
    assert scores["data"]["path"] == str(data)
    assert (
        scores["per_class"]["person"]["ap"] == pytest.approx(1)
        and scores["per_class"]["rail"]["ap"] is None
    )
    assert scores["miou"] == 1 and scores["iou"]["forklift"] is None
    assert "fake-v1 on data" in report.read_text()
    shown = capsys.readouterr().out
    assert "person" in shown and "1.000" in shown and "4 images of data" in shown


def test_limit_and_fold_take_a_part(data, tmp_path):
    def images(*options):
        out = tmp_path / "scores.json"
        assert (
            main(["evaluate", "--model", "m", "--data", str(data), "--json", str(out), *options])
            == 0
        )
        return json.loads(out.read_text())["images"]

    assert images("--limit", "3") == 3
    assert images("--fold", "0/2") == 2
    assert images("--fold", "0,1,3/4") == 3
    (tmp_path / "judge.txt").write_text("images/2.png\nimages/4.png\n")
    assert images("--take", f"list:{tmp_path / 'judge.txt'}") == 2
    index = ["--data", str(data / "annotations.json")]  # The same set by its index file.
    assert images(*index, "--take", f"list:{tmp_path / 'judge.txt'}") == 2
    assert images("--take", "not-fold:0/4") == 3
    assert images("--fold", "0/2", "--limit", "1", "--iou", "0.6", "--threads", "1") == 1
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["data"] | {"take": "fold:0/2", "limit": 1, "split": ""} == scores["data"]
    assert scores["settings"] | {"iou_threshold": 0.6, "threads": 1} == scores["settings"]


@pytest.mark.parametrize("options", [["--take", "half"], ["--take", "all", "--fold", "0/2"]])
def test_a_part_that_is_none_is_refused(data, options, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", "--model", "m", "--data", str(data), *options])
    assert "--take" in capsys.readouterr().err


def test_classes_can_be_named(data, tmp_path):
    out = tmp_path / "scores.json"
    options = ["--box-classes", "person,forklift", "--mask-classes", "forklift"]
    assert (
        main(["evaluate", "--model", "m", "--data", str(data), "--json", str(out), *options]) == 0
    )
    scores = json.loads(out.read_text())
    assert scores["per_class"]["person"]["ap"] == pytest.approx(1)
    assert scores["iou"]["person"] is None


def test_a_peer_is_judged_by_the_boxes_of_persons_alone(data, tmp_path, monkeypatch, capsys):
    """It finds no forklift and has no mask, which is no mistake of it."""
    index = json.loads((data / "annotations.json").read_text())
    index["annotations"].append(index["annotations"][0] | {"id": 2, "category_id": 3})
    (data / "annotations.json").write_text(json.dumps(index))
    perceive = evaluate.Perceiver(None, None)

    def boxes_alone(image):
        blank = np.zeros(image.shape[:2], np.uint8)
        return replace(perceive(image), segmentation=Segmentation(blank, blank))

    monkeypatch.setattr(evaluate, "open_peer", lambda name, threads: boxes_alone)
    out = tmp_path / "scores.json"
    options = ["--model", "pico.onnx", "--data", str(data), "--json", str(out)]
    assert main(["evaluate", *options]) == 0
    scores = json.loads(out.read_text())
    assert scores["map"] == scores["per_class"]["person"]["ap"] == pytest.approx(1)
    assert scores["per_class"]["forklift"]["ap"] is None
    assert scores["miou"] is None and scores["iou"]["person"] is None
    assert scores["not_trained"]["boxes"] == ["rail", "forklift"]
    assert scores["settings"]["engine"] == "the peer's own"
    assert scores["not_trained"]["masks"] == ["rail", "person", "forklift"]
    assert "not trained" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--severities", "3"], "--severities is of --robustness: expected --robustness"),
        (["--model", "pico.onnx", "--iou", "0.3"], "pico.onnx: expected no --iou for a peer"),
        (["--model", "pico.onnx", "--backend", "auto", "--device", "GPU"], "--backend, --device"),
    ],
)
def test_options_that_nothing_follows_are_refused(data, options, said, capsys):
    assert main(["evaluate", "--data", str(data), *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["person", "worker"])
def test_people_are_told_of_if_the_model_knows_them(name, data, monkeypatch, capsys):
    known = evaluate.load_artefact("m")
    names = [name if x == "person" else x for x in WAREHOUSE.names]
    other = SimpleNamespace(**{**vars(known), "labels": LabelSet(tuple(names))})
    monkeypatch.setattr(evaluate, "load_artefact", lambda folder: other)
    options = ["--rename", f"person={name}"]
    assert main(["evaluate", "--model", "m", "--data", str(data), *options]) == 0
    assert ("person recall" in capsys.readouterr().out) == (name == "person")


def test_robustness_is_added(data, tmp_path):
    pytest.importorskip("imagecorruptions")
    out = tmp_path / "scores.json"
    options = ["--robustness", "--severities", "5", "--limit", "1", "--json", str(out)]
    assert main(["evaluate", "--model", "m", "--data", str(data), *options]) == 0
    robustness = json.loads(out.read_text())["robustness"]
    assert robustness["severities"] == [5] and len(robustness["map"]["corrupted"]) == 15
    assert robustness["map"]["clean"] == pytest.approx(1)


@pytest.mark.parametrize("command", ["evaluate", "tune"])
def test_class_names_of_the_data_can_be_mapped(command, data, tmp_path, capsys):
    index = (
        (data / "annotations.json").read_text().replace("person", "human").replace("rail", "dog")
    )
    dog = {"id": 2, "image_id": 2, "category_id": 1, "bbox": BOX_XYWH}
    index = json.loads(index)
    index["annotations"].append(dog)
    (data / "annotations.json").write_text(json.dumps(index))
    call = [command, "--model", "m", "--data", str(data), "--json", str(tmp_path / "scores.json")]
    assert main(call) == 2
    assert "got 'human', 'dog' too; rename each" in capsys.readouterr().err
    assert main([*call, "--rename", "human=person", "dog=background"]) == 0
    assert main([*call, "--rename", "human=person", "--rename", "dog=background"]) == 0
    assert "person" in (tmp_path / "scores.json").read_text()


@pytest.mark.parametrize(
    "options",
    [
        ["--rename", "human"],
        ["--fold", "2/2"],
        ["--fold", "x"],
        ["--limit", "0"],
        ["--severities", "6"],
        ["--format", "none"],
    ],
    ids=" ".join,
)
def test_bad_options_are_refused(options, data, capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "--model", "m", "--data", str(data), *options])
    assert re.search("expected|invalid choice", capsys.readouterr().err)


def test_tune_writes_where_asked(data, tmp_path, written, capsys):
    out = tmp_path / "tuning.json"
    options = ["--goal", "person=recall:0.9", "--json", str(out), "--write"]
    assert main(["tune", "--model", "m", "--data", str(data), *options]) == 0
    tuning = json.loads(out.read_text())
    assert tuning["thresholds"] == {"person": pytest.approx(0.4)} and tuning["images"] == 4
    assert [str(written[0][0]), *written[0][1:]] == [
        "m",
        tuning["thresholds"],
        tuning["iou_threshold"],
        "balanced",
    ]
    shown = capsys.readouterr().out
    assert "0.400" in shown and "before: person 0.350, NMS overlap 0.45" in shown


def test_tune_writes_the_point_of_few_false_alarms_and_leaves_the_overlap(data, tmp_path, written):
    out = tmp_path / "tuning.json"
    options = ["--operating-point", "few_false_alarms", "--json", str(out), "--write"]
    assert main(["tune", "--model", "m", "--data", str(data), *options]) == 0
    tuning = json.loads(out.read_text())
    assert all(point["fppi"] <= 0.1 for point in tuning["points"].values())
    assert tuning["iou_threshold"] == 0.45  # the model's, which stays
    assert written[0][1:] == (tuning["thresholds"], None, "few_false_alarms")


@pytest.mark.parametrize("point", ["balanced", "few_false_alarms"])
def test_tune_says_that_another_point_was_chosen_for_other_values(data, point, capsys):
    tune.load_artefact("m").spec.operating_points["few_false_alarms"] = {"person": 0.37}
    options = ["--operating-point", point, "--write"]
    assert main(["tune", "--model", "m", "--data", str(data), *options]) == 0
    said = "few_false_alarms: chosen for the values before" in capsys.readouterr().out
    assert said == (point == "balanced")


@pytest.mark.parametrize(
    ("balanced", "found", "written_value"),
    [({}, 0.2, 0.2), ({"person": 0.35}, 0.2, 0.35), ({"person": 0.35}, 0.5, 0.5)],
)
def test_fewer_false_alarms_never_come_from_a_lower_threshold(balanced, found, written_value):
    values = no_lower({"person": found, "forklift": 0.1}, balanced)

    assert values == {"person": written_value, "forklift": 0.1}


def test_tune_writes_nothing_where_a_goal_is_out_of_reach(data, written, capsys):
    index = json.loads((data / "annotations.json").read_text())
    unseen = {"id": 2, "image_id": 2, "category_id": 2, "bbox": BOX_XYWH, "area": 800, "iscrowd": 0}
    index["annotations"].append(unseen)
    (data / "annotations.json").write_text(json.dumps(index))

    assert (
        main(
            ["tune", "--model", "m", "--data", str(data), "--goal", "person=recall:0.9", "--write"]
        )
        == 2
    )

    assert written == []
    assert "out of reach for person" in capsys.readouterr().err


def test_tune_writes_nothing_where_a_goal_can_not_be_measured(data, written, capsys):
    """No forklift is in the images."""
    arguments = ["--goal", "forklift=recall:0.9", "--write"]

    assert main(["tune", "--model", "m", "--data", str(data), *arguments]) == 2
    assert written == []
    assert "no object and right detection of forklift" in capsys.readouterr().err


def test_tune_tells_of_classes_without_an_object(data, capsys):
    call = ["tune", "--model", "m", "--data", str(data)]
    said = "forklift: these images have no object of such a class"
    assert main(call) == 0
    shown = capsys.readouterr().out
    assert said in shown and "NOT measured" not in shown
    assert main([*call, "--goal", "forklift=recall:0.9"]) == 1
    shown = capsys.readouterr().out
    assert said in shown and "goal NOT measured for forklift" in shown


def test_tune_writes_nothing_unasked(data, written):
    assert main(["tune", "--model", "m", "--data", str(data)]) == 0
    assert written == []


def test_an_impossible_goal_is_refused(data, capsys):
    with pytest.raises(SystemExit):
        main(["tune", "--model", "m", "--data", str(data), "--goal", "person=recall:2"])
    assert "at most 1.0" in capsys.readouterr().err
    assert main(["tune", "--model", "m", "--data", str(data), "--goal", "cat=f1"]) == 2
    assert "got 'cat'" in capsys.readouterr().err
