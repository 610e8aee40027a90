import json
import os
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mtv_perception.cli import replay
from mtv_perception.cli.main import main
from mtv_perception.errors import ArtefactError
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.settings import PerceiverConfig

pytest.importorskip("rosbags")


@pytest.fixture
def replay_model():
    try:
        return find_model(os.environ.get("MTV_TEST_MODEL", "warehouse"))
    except ArtefactError:
        pytest.skip("no model (models/warehouse, or the folder that MTV_TEST_MODEL names)")


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((48, 64, 3), 40 * index, np.uint8))
    return folder


def test_replay_writes_a_bag_a_golden_file_and_a_report(tmp_path, images, replay_model, capsys):
    out, golden, report = tmp_path / "out", tmp_path / "golden.jsonl", tmp_path / "report.json"
    command = ["replay", str(images), "--out", str(out), "--model", str(replay_model), "--quiet"]
    assert (
        main([*command, "--golden", str(golden), "--json", str(report), "--include", "overlay"])
        == 0
    )
    assert "3 frames" in capsys.readouterr().out
    assert json.loads(report.read_text())["runs"][0]["frames"] == 3
    assert main(["compare", str(golden), str(out)]) == 0
    assert main(command) == 2
    assert "expected no such folder" in capsys.readouterr().err
    assert main([*command, "--resume", "--include", "overlay"]) == 0
    assert "finished before" in capsys.readouterr().out


def test_damage_is_in_the_exit_status(tmp_path, images, replay_model, capsys):
    command = ["--model", str(replay_model), "--quiet"]
    assert (
        main(["replay", str(images), "--out", str(tmp_path / "a"), "--include", "input", *command])
        == 0
    )
    file = tmp_path / "a" / "a_0.mcap"
    file.write_bytes(file.read_bytes()[:-200])
    capsys.readouterr()
    golden = tmp_path / "golden.jsonl"
    again = ["replay", str(tmp_path / "a"), "--out", str(tmp_path / "b"), *command]
    assert main([*again, "--golden", str(golden)]) == 1
    said = capsys.readouterr()
    assert "DAMAGED" in said.out
    assert "not written" in said.err and not golden.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--jobs", "0"], "at least 1 job"),
        (["--model", "no_such_model"], "no_such_model"),
        (["--topics", "/image"], "expected a bag"),
    ],
)
def test_mistakes_are_one_line(tmp_path, images, replay_model, capsys, options, said):
    command = [
        "replay",
        str(images),
        "--out",
        str(tmp_path / "out"),
        "--model",
        str(replay_model),
        "--quiet",
    ]
    assert main([*command, *options]) == 2
    printed = capsys.readouterr()
    assert said in printed.out + printed.err


def without_people(folder, source):
    """The same network with a class of another name where people were."""
    from mtv_perception.config import from_mapping, to_plain
    from mtv_perception.runtime.artefact import ModelSpec, load_artefact, write_artefact

    artefact = load_artefact(source)
    plain = {**to_plain(artefact.spec), "thresholds": {}, "files": {}}
    plain |= {"trained": {}, "operating_points": {}}
    plain["classes"] = ["background", "rail", "pallet", "forklift"]
    return write_artefact(folder, from_mapping(ModelSpec, plain), artefact.content).folder


@pytest.mark.parametrize("command", ["replay", "predict"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--anonymise-score", "0.1"], "Expected --anonymise beside"),
        (["--anonymise-classes", "person"], "Expected --anonymise beside"),
        (["--anonymise", "--anonymise-score", "0"], "above 0"),
        (["--anonymise", "--anonymise-classes", "picker"], "got 'picker'"),
        (["--anonymise"], "a class of people"),
    ],
    ids=" ".join,
)
def test_what_would_not_hide_people_is_refused(
    tmp_path, images, replay_model, capsys, command, options, said
):
    model = replay_model
    if said == "a class of people":
        model = without_people(tmp_path / "other", replay_model)
    arguments = [command, str(images), "--out", str(tmp_path / "out"), "--model", str(model)]

    assert main([*arguments, *options]) == 2
    printed = capsys.readouterr()
    assert said in printed.out + printed.err
    assert not list(tmp_path.glob("out/**/*.jpg")) and not list(tmp_path.glob("out/*.mcap"))


@pytest.mark.parametrize("command", ["replay", "predict"])
def test_the_classes_that_are_pixelated_are_said(tmp_path, images, replay_model, capsys, command):
    arguments = [command, str(images), "--out", str(tmp_path / "out"), "--anonymise"]

    assert main([*arguments, "--model", str(replay_model)]) == 0
    assert "pixelated in every picture: person" in capsys.readouterr().out


def test_max_pixels_limit_a_replay(tmp_path, images, replay_model, capsys):
    def replay(name, limit):
        command = ["--model", str(replay_model), "--quiet", "--max-pixels", str(limit)]
        return main(["replay", str(images), "--out", str(tmp_path / name), *command])

    assert replay("a", 64 * 48) == 0
    assert replay("b", 64 * 48 - 1) == 2
    said = capsys.readouterr().out
    assert "3 not decodable" in said and "0.png: " in said and "--max-pixels raises" in said


@pytest.mark.parametrize(("cpus", "threads"), [(1, 1), (12, 6), (256, 64)])
def test_jobs_share_the_cpus_within_what_a_configuration_may_say(monkeypatch, cpus, threads):
    monkeypatch.setattr(replay.os, "cpu_count", lambda: cpus)
    args = SimpleNamespace(engine="local", jobs=2, inputs=["a", "b", "c"])
    assert replay._threads(args) == PerceiverConfig(num_threads=threads).num_threads


def test_a_full_disk_names_the_file(tmp_path, images, replay_model, capsys):
    command = ["replay", str(images), "--out", str(tmp_path / "out"), "--quiet"]
    assert main([*command, "--model", str(replay_model), "--json", "/dev/full"]) == 1
    assert "No space left on device: '/dev/full'" in capsys.readouterr().err
