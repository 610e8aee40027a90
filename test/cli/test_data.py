"""`mtv data pseudo-masks` on two drawn images, with a teacher that knows people by their red."""

import json

import cv2
import numpy as np
import pytest

from mtv_perception.cli.main import main
from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.data.repair import teachers
from mtv_perception.data.sample import sample_mask
from mtv_perception.labels import WAREHOUSE


def read_coco(root, labels, **options):
    return read_dataset(root, ReadOptions(labels, **options), "coco")


PERSON = WAREHOUSE.id_of("person")


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(
        teachers,
        "LiteRtTeacher",
        lambda path, threads: lambda crop: (crop[..., 0] - crop[..., 1]).clip(0, 1),
    )

    def call(*options):
        return main(["data", "pseudo-masks", *map(str, options), "--teacher", "any.tflite"])

    return call


@pytest.fixture
def boxes(tmp_path):
    """A person, red and round, and an empty image; in COCO's layout, without masks."""
    folder = tmp_path / "boxes"
    (folder / "images").mkdir(parents=True)
    image = np.full((120, 160, 3), 90, np.uint8)
    cv2.imwrite(str(folder / "images" / "b.png"), image)
    cv2.ellipse(image, (70, 60), (19, 39), 0, 0, 360, (0, 0, 255), -1)
    cv2.imwrite(str(folder / "images" / "a.png"), image)
    index = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 160, "height": 120} for n in "ab"],
        "annotations": [{"id": 1, "image_id": "a", "category_id": 2, "bbox": [50, 20, 40, 80]}],
        "categories": [{"id": 2, "name": "person"}],
    }
    (folder / "annotations.json").write_text(json.dumps(index))
    return folder


def test_masks_then_measured_against_themselves(run, boxes, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(boxes, "--out", out) == 0
    first, second = (sample_mask(sample) for sample in read_coco(out, WAREHOUSE).samples)
    assert first[60, 70] == PERSON and first[5, 5] == 0 and 0.05 < (first == PERSON).mean() < 0.15
    assert not second.any()
    capsys.readouterr()
    assert run(out, "--measure") == 0
    figures = json.loads(capsys.readouterr().out)["person"]
    assert figures["images"] == 1 and figures["right"] == figures["right_as_class"] == 1.0


def test_measuring_leaves_large_boxes_out(run, boxes, tmp_path, capsys):
    run(boxes, "--out", tmp_path / "out")
    capsys.readouterr()
    run(tmp_path / "out", "--measure", "--max-side", 50)
    assert json.loads(capsys.readouterr().out)["person"]["images"] == 0


def test_measuring_without_masks_is_refused(run, boxes, capsys):
    assert run(boxes, "--measure") == 2
    assert "expected images with masks to measure the teachers on" in capsys.readouterr().err


def test_an_unknown_class_is_refused_by_name(run, boxes, tmp_path, capsys):
    assert run(boxes, "--out", tmp_path / "out", "--classes", "persn") == 2
    assert "--classes: expected classes of" in capsys.readouterr().err


def test_a_folder_without_an_index_is_one_sentence(tmp_path, capsys):
    assert main(["data", "upright", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "expected annotations.json" in capsys.readouterr().err


def test_check_says_what_it_has_read(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "labels"):
        (tmp_path / "floor" / folder).mkdir(parents=True)
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "floor/images" / f"{number}.png"), pixels)
        (tmp_path / "floor/labels" / f"{number}.txt").write_text("0 .5 .5 .5 .5\n")
    (tmp_path / "floor/classes.txt").write_text("Pedestrian (worker)\ntruck\n")

    assert main(["data", "check", "floor"]) == 0
    said = capsys.readouterr().out
    assert "3 images, 3 objects: Pedestrian (worker) 3" in said and "0 images with masks" in said
