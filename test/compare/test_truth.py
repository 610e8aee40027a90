import json

import numpy as np
import pytest

from mtv_perception.cli import evaluate as command
from mtv_perception.cli.main import main
from mtv_perception.compare.truth import read_bag_dataset, read_truth
from mtv_perception.data.sample import read_image
from mtv_perception.errors import DatasetError, ReplayError
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.labels import LabelSet
from mtv_perception.types import Detections

LABELS = LabelSet()


def truth(index):
    """Exactly what the scenes show."""
    if index == 3:
        return Detections()
    box = np.array([[4 + index, 10, 16 + index, 30]], np.float32)
    return Detections(box, np.ones(1, np.float32), np.full(1, 2, np.int32))


@pytest.fixture
def bag(write_bag):
    return write_bag(frames=6, truth=truth, visible=lambda index: index != 3)


def test_a_bag_with_truth_is_a_data_set(bag, tmp_path, draw):
    dataset = read_bag_dataset(bag, LABELS, cache=tmp_path / "cache")
    assert len(dataset) == 6 and dataset.name == "in"
    assert dataset.samples[0].boxes_xyxy.tolist() == [[4, 10, 16, 30]]
    assert len(dataset.samples[3].class_ids) == 0
    assert {sample.box_classes for sample in dataset.samples} == {(2,)}
    assert (read_image(dataset.samples[2].image_path) == draw(2)).all()


def test_it_can_be_evaluated(bag, tmp_path, red_finder):
    dataset = read_bag_dataset(bag, LABELS, cache=tmp_path / "cache")
    scores = evaluate(red_finder(), dataset, quiet=True).to_json()
    assert scores["per_class"]["person"]["ap"] == pytest.approx(1.0)


def test_the_command_takes_a_bag(bag, tmp_path, red_finder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(command, "open_model", lambda args: (red_finder(), LABELS, "red"))
    out = tmp_path / "scores.json"
    assert main(["evaluate", "--model", "red", "--data", str(bag), "--json", str(out)]) == 0
    scores = json.loads(out.read_text())
    assert scores["images"] == 6 and scores["per_class"]["person"]["ap"] == pytest.approx(1.0)


def test_classes_can_be_renamed_and_left_out(bag):
    renamed = read_truth(bag, LABELS, rename={"person": "forklift"})
    assert {int(item) for found in renamed.values() for item in found.class_ids} == {3}
    left_out = read_truth(bag, LABELS, rename={"person": "background"})
    assert all(len(found) == 0 for found in left_out.values())


def test_unknown_classes_and_topics_are_said(bag, write_bag, tmp_path):
    with pytest.raises(ReplayError, match="got 'person'"):
        read_truth(bag, LabelSet(("background", "dog")))
    with pytest.raises(ReplayError, match="expected one topic of truth"):
        read_truth(bag, LABELS, "/other")
    with pytest.raises(DatasetError, match="expected one topic of truth"):
        read_bag_dataset(write_bag("plain"), LABELS, cache=tmp_path / "cache")


def test_the_cache_follows_the_bag(bag, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    first = read_bag_dataset(bag, LABELS)
    assert first.samples[0].image_path.is_relative_to(tmp_path / "xdg" / "mtv_perception")
    assert read_bag_dataset(bag, LABELS).samples[0].image_path == first.samples[0].image_path
