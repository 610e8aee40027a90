import argparse
import json
import os
import shutil

import cv2
import numpy as np
import pytest

from mtv_perception.cli import stats
from mtv_perception.errors import DatasetError


@pytest.fixture
def root(tmp_path):
    for name in ("images", "labels", "masks"):
        (tmp_path / "set" / name).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "set" / "images" / "a.png"), np.zeros((96, 128, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "set" / "masks" / "a.png"), np.full((96, 128), 2, np.uint8))
    (tmp_path / "set" / "labels" / "a.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (tmp_path / "set" / "classes.txt").write_text("person\n")
    return tmp_path / "set"


def run(*arguments):
    parser = argparse.ArgumentParser()
    stats.configure(parser)
    return stats.run(parser.parse_args([str(item) for item in arguments]))


def test_help_is_one_line():
    assert stats.HELP
    assert "\n" not in stats.HELP


def test_table(root, capsys):
    assert run(root, "--size", 96, 128) == 0
    text = capsys.readouterr().out
    assert "person" in text
    assert "100.00%" in text
    assert "32x48" in text


def test_files(root, tmp_path):
    json_path, plot_path = tmp_path / "out" / "a.json", tmp_path / "out" / "a.png"
    copy = shutil.copytree(root, tmp_path / "copy")
    assert (
        run(
            root, copy, "--size", 96, 128, "--json", json_path, "--plot", plot_path, "--clusters", 2
        )
        == 0
    )
    content = json.loads(json_path.read_text())
    assert content["size_hw"] == [96, 128]
    assert [source["objects"] for source in content["sources"]] == [1, 1]
    assert content["classes"][2]["instances"] == 2
    assert content["clusters"]["shapes_wh"] == [[32, 48]]
    assert cv2.imread(str(plot_path)) is not None


def test_stated_format_and_other_names(root, tmp_path):
    json_path = tmp_path / "a.json"
    (root / "masks" / "a.png").unlink()
    assert (
        run(root, "--format", "yolo", "--names", "person", "--size", 96, 128, "--json", json_path)
        == 0
    )
    assert [item["name"] for item in json.loads(json_path.read_text())["classes"]] == [
        "background",
        "person",
    ]


@pytest.mark.parametrize("arguments", [["--clusters", 0], ["--size", 0, 64], ["--size", 30, 30]])
def test_bad_arguments(root, arguments):
    with pytest.raises(ValueError, match="Expected"):
        run(root, *arguments)


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetError, match="gone"):
        run(tmp_path / "gone")


def test_the_data_is_read_as_the_options_say(root, tmp_path):
    cv2.imwrite(str(root / "images" / "b.png"), np.zeros((96, 128, 3), np.uint8))
    (root / "classes.txt").write_text("human\n")
    json_path = tmp_path / "a.json"
    options = [
        "--rename",
        "human=person",
        "--fold",
        "0/2",
        "--box-classes",
        "person",
        "--json",
        json_path,
    ]
    assert run(root, "--size", 96, 128, *options) == 0
    (source,) = json.loads(json_path.read_text())["sources"]
    assert (source["images"], source["objects"]) == (1, 1)


def test_faults_of_several_data_sets_are_told_at_once(tmp_path):
    with pytest.raises(DatasetError, match="(?s)gone.*lost"):
        run(tmp_path / "gone", tmp_path / "lost")


@pytest.mark.parametrize("again", ["set", "set/../set", "link", "set/data.yaml"])
def test_images_are_not_counted_twice(root, tmp_path, again):
    os.symlink(root, tmp_path / "link")
    (root / "data.yaml").write_text("names: [person]\ntrain: images\n")
    with pytest.raises(DatasetError) as error:
        run(root, tmp_path / again)
    assert str(error.value).startswith(
        f"{tmp_path / again}: expected images that no data set before"
    )
    assert f"got 1 of {root} again, such as" in str(error.value)


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (
            ("--mask-255", "person"),
            "mask_255: person has no effect: no mask file has the value 255",
        ),
        (("--mask-255", "ignore"), "mask_255: ignore has no effect"),
    ],
)
def test_options_about_masks_that_have_none_to_apply_to(root, caplog, options, note):
    assert run(root, *options) == 0
    assert note in caplog.text


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (("--mask-255", "person"), "mask_255: person has no effect: there are no mask files"),
        (
            ("--mask-classes", "rail,person"),
            "mask_classes: rail, person has no effect: there are no",
        ),
    ],
)
def test_options_about_masks_without_any(root, caplog, options, note):
    (root / "masks" / "a.png").unlink()
    assert run(root, *options) == 0
    assert note in caplog.text


def test_a_meaning_of_255_that_masks_use_is_no_note(root, caplog):
    cv2.imwrite(str(root / "masks" / "a.png"), np.full((96, 128), 255, np.uint8))
    assert run(root, "--mask-255", "person") == 0
    assert "no effect" not in caplog.text
