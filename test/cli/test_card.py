"""`mtv card` on a handful of drawn images, with a network that sees red rectangles."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mtv_perception.cli import card
from mtv_perception.cli.main import main
from mtv_perception.labels import WAREHOUSE
from mtv_perception.types import Detections, Result, Segmentation

BOX_XYWH = [10, 5, 20, 40]


def perceive(image):
    mask = np.where(image[..., 0] > image[..., 1] + 100, np.uint8(2), np.uint8(0))
    found = Detections()
    if mask.any():
        x, y, w, h = cv2.boundingRect(mask)
        found = Detections(np.float32([[x, y, x + w, y + h]]), np.float32([0.8]), np.int32([2]))
    return Result(found, Segmentation(mask, mask), image.shape[:2])


@pytest.fixture
def opened():
    """How often a network was opened."""
    return []


@pytest.fixture
def model_card(monkeypatch, opened):
    def perceiver(artefact, config):
        opened.append(config)
        return perceive

    module = card
    artefact = SimpleNamespace(labels=WAREHOUSE, model_id="fake-v1")
    monkeypatch.setattr(module, "find_model", lambda name: name)
    monkeypatch.setattr(module, "load_artefact", lambda folder: artefact)
    monkeypatch.setattr(module, "Perceiver", perceiver)
    return module


@pytest.fixture
def data(tmp_path):
    """Four images in COCO's layout; the person of the last one is not red."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    images, people = [], []
    for number in range(1, 5):
        image = np.full((60, 80, 3), 90, np.uint8)
        image[5:45, 10:30] = (0, 0, 255) if number < 4 else (255, 0, 0)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), image)
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 60})
        people.append({"id": number, "image_id": number, "category_id": 2, "bbox": BOX_XYWH})
    index = {"images": images, "annotations": people, "categories": [{"id": 2, "name": "person"}]}
    (folder / "annotations.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize("more", [[], ["--fold", "0/2", "--box-classes", "person,forklift"]])
def test_three_small_pictures(model_card, opened, data, tmp_path, capsys, more):
    out = tmp_path / "out"
    curves = ["--curves", str(data), *more] if more else []
    options = [
        "--model",
        "any",
        "--data",
        str(data),
        "--clip",
        str(data / "images"),
        "--out",
        str(out),
        *curves,
    ]
    assert main(["card", *options]) == 0
    assert len(opened) == 1
    assert {path.name for path in out.iterdir()} == {"seen.jpg", "worst.jpg", "curves.png"}
    for path in out.iterdir():
        assert path.stat().st_size < 150_000 and (cv2.imread(str(path)) != 255).any()
    assert "fake-v1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("count", "numbers"), [(0, []), (1, [2]), (2, [1, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])]
)
def test_clip_images_are_spread(model_card, tmp_path, count, numbers):
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((20, 30, 3), 10 * number, np.uint8))
    shown = [int(image[0, 0, 0]) // 10 for image in model_card.clip_images(tmp_path, count)]
    assert shown == numbers


def test_options_of_curves_without_curves_are_an_error(tmp_path, capsys):
    arguments = [
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "card"),
        "--box-classes",
        "person",
    ]
    assert main(["card", *arguments]) == 2
    assert "expected --curves DATA, got none" in capsys.readouterr().err
