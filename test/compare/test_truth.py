import json

import cv2
import numpy as np
import pytest

from mtv_perception.bags.reader import COMPRESSED, RAW, BagSource
from mtv_perception.bags.writer import BagWriter
from mtv_perception.cli import evaluate as command
from mtv_perception.cli.main import main
from mtv_perception.compare.truth import read_bag_dataset, read_truth
from mtv_perception.data.sample import read_image
from mtv_perception.errors import DatasetError, ReplayError
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.labels import LabelSet
from mtv_perception.messages.typestore import builder
from mtv_perception.replay.replay import ReplayOptions, replay
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


def test_a_bag_has_no_list_of_images(bag, tmp_path, capsys):
    (tmp_path / "list.txt").write_text("0.png\n")
    options = ["--data", str(bag), "--take", f"list:{tmp_path / 'list.txt'}"]
    assert main(["evaluate", "--model", "warehouse", *options]) == 2
    assert "--take: expected fold:K/N or not-fold:K/N of a bag" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [("--split", "val"), ("--format", "yolo"), ("--mask-255", "person")]
)
@pytest.mark.parametrize("name", ["evaluate", "tune"])
def test_options_that_a_bag_can_not_follow_are_refused(bag, capsys, name, option):
    """Else the whole bag would be judged as its split."""
    assert main([name, "--data", str(bag), *option]) == 2
    said = capsys.readouterr().err
    assert f"{option[0][2:]}: expected none for a bag" in said and f"got {option[1]!r}" in said


def test_the_command_takes_a_bag(bag, tmp_path, red_finder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(command, "open_model", lambda args: (red_finder(), LABELS, "red"))
    out = tmp_path / "scores.json"
    assert main(["evaluate", "--model", "red", "--data", str(bag), "--json", str(out)]) == 0
    scores = json.loads(out.read_text())
    assert scores["images"] == 6 and scores["per_class"]["person"]["ap"] == pytest.approx(1.0)


@pytest.mark.parametrize("broken", ["image", "truth", None])
def test_what_a_bag_leaves_out_is_an_exit_status(
    write_bag, tmp_path, red_finder, monkeypatch, capsys, broken
):
    """The figures of the rest would pass as those of the whole bag."""
    folder, build = write_bag(frames=4, truth=truth), builder()
    with BagSource(folder) as source:
        messages = [
            (m.topic, m.msgtype, m.log_ns, source.deserialize(m))
            for m in source.messages(source.counts)
        ]
    images = [m for m in messages if m[0] == "/image"]
    with BagWriter(tmp_path / "bag") as writer:
        for topic, kind, at, content in messages:
            if content is images[1][3] and broken == "image":
                content.encoding = "nv12"
            if content is not images[1][3] or broken != "truth":
                writer.write(topic, kind, at, content)
        if broken is None:  # Nobody has looked at it.
            header = build.header(at + 10**9, "camera")
            writer.write(
                "/image",
                RAW,
                at + 10**9,
                build.image(np.zeros((48, 64, 3), np.uint8), "bgr8", header),
            )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(command, "open_model", lambda args: (red_finder(), LABELS, "red"))
    out = tmp_path / "scores.json"
    options = ["--data", str(tmp_path / "bag"), "--json", str(out)]
    assert main(["evaluate", "--model", "red", *options]) == int(broken is not None)
    said, scores = capsys.readouterr().out, json.loads(out.read_text())
    assert ("1 truths without an image of their stamp are left out" in said) == (broken is not None)
    assert ("1 images that can't be decoded are left out" in said) == (broken == "image")
    assert scores["images"] == (4 if broken is None else 3)
    assert bool(scores["data"]["left_out"]) == (broken is not None)


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


def write_truth(write_bag, spoil, mask=None, name="plain"):
    """A bag whose true objects `spoil` has changed, perhaps with true masks."""
    folder, build = write_bag(name, frames=2, truth=truth), builder()
    with BagSource(folder) as bag:
        messages = [
            (m.topic, m.msgtype, m.log_ns, bag.deserialize(m)) for m in bag.messages(bag.counts)
        ]
    with BagWriter(folder.with_name(f"{name}_spoilt")) as writer:
        for topic, msgtype, stamp, content in messages:
            if topic == "/truth/detections" and content.detections:
                spoil(content)
            writer.write(topic, msgtype, stamp, content)
            if mask is not None and msgtype == RAW:
                image = build.image(mask, "mono8", content.header)
                writer.write("/truth/segmentation/mask", RAW, stamp, image)
    return folder.with_name(f"{name}_spoilt")


def change(path, value):
    """Set a field of the first object."""

    def spoil(message):
        *parents, name = path.split(".")
        item = message.detections[0]
        for parent in parents:
            item = item.results[0] if parent == "results" else getattr(item, parent)
        setattr(item, name, value)

    return spoil


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        *(("bbox.center.position." + axis, NAN, "box with an area, got .*nan") for axis in "xy"),
        *((f"bbox.size_{axis}", value, "box with an area") for axis in "xy" for value in (NAN, INF, 0.0, -5.0)),
        ("bbox.center.position.x", 5000.0, "lies outside the image of 64x48"),
        ("bbox.center.position.x", 62.0, "lies outside"),
        ("bbox.center.position.y", -INF, "box with an area"),
        ("bbox.size_x", 500.0, "lies outside"),
        ("bbox.center.theta", 0.7, "upright box, got one turned by 0.700"),
        ("bbox.center.theta", NAN, "box with an area"),
        ("results", [], "expected a class, got no hypothesis"),
        ("results.hypothesis.class_id", "4", "forklift or its number, got .4."),
        ("results.hypothesis.class_id", "99999999999999999999", "forklift or its number, got"),
        ("results.hypothesis.class_id", "-1", "got '-1'"),
        ("results.hypothesis.class_id", "", "got ''"),
        ("results.hypothesis.class_id", "Person", "got 'Person'"),
        ("results.hypothesis.class_id", "2.0", "got '2.0'"),
    ],
)  # fmt: skip
def test_objects_that_are_none_are_faults_and_never_scored(write_bag, tmp_path, path, value, said):
    bag = write_truth(write_bag, change(path, value))
    with pytest.raises(DatasetError, match=said):
        read_bag_dataset(bag, LABELS, cache=tmp_path / "cache")


def test_boxes_as_fractions_are_named(write_bag, tmp_path):
    def spoil(message):
        box = message.detections[0].bbox
        box.center.position.x, box.center.position.y, box.size_x, box.size_y = 0.5, 0.4, 0.2, 0.3

    with pytest.raises(DatasetError, match="in pixels, got fractions of the image"):
        read_bag_dataset(write_truth(write_bag, spoil), LABELS, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.full((24, 32), 1, np.uint8), "expected a mask of 64x48 pixels"),
        (np.full((48, 64), 4, np.uint8), r"class numbers below 4 or 255, got \[4\]"),
        (np.full((48, 64), 200, np.uint8), "got .200."),
    ],
)
def test_true_masks_that_do_not_fit_are_faults(write_bag, tmp_path, mask, said):
    bag = write_truth(write_bag, lambda message: None, mask)
    with pytest.raises(DatasetError, match=said):
        read_bag_dataset(bag, LABELS, cache=tmp_path / "cache")
    whole = np.full((48, 64), 255, np.uint8)
    good = write_truth(write_bag, lambda message: None, whole, "good")
    assert len(read_bag_dataset(good, LABELS, cache=tmp_path / "other")) == 2


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("broken", [None, 0, 1, 3])
def test_a_broken_image_takes_its_own_truth_along(tmp_path, distinct, broken):
    bag = tmp_path / "bag"
    make, expected = builder(), [index for index in range(4) if index != broken]
    with BagWriter(bag) as writer:
        for index in range(4):
            header = make.header((index + 1) * 10**8 if distinct else 0, "camera")
            pixels = np.full((48, 64, 3), 40 * (index + 1), np.uint8)
            png = cv2.imencode(".png", pixels)[1].reshape(-1)
            image = make.compressed(png[:60] if index == broken else png, "png", header)
            box = np.array([[10 * index, 5, 10 * index + 8, 20]], np.float32)
            found = Detections(box, np.ones(1, np.float32), np.full(1, 2, np.int32))
            at = 10**9 + index * 10**8
            writer.write("/image/compressed", COMPRESSED, at, image)
            boxes = make.detection_array(found, LABELS, header, "id")
            writer.write("/truth/detections", "vision_msgs/msg/Detection2DArray", at, boxes)
    samples = read_bag_dataset(bag, LABELS, cache=tmp_path / "cache").samples

    assert [read_image(s.image_path)[0, 0, 0] // 40 - 1 for s in samples] == expected
    assert [s.boxes_xyxy[0, 0] // 10 for s in samples] == expected


def test_results_are_no_truth_unless_they_are_named(bag, tmp_path, red_finder):
    """A model held against its own results would be perfect."""
    out = tmp_path / "run"
    options = ReplayOptions(extras=("input", "status"))
    replay(bag, out, red_finder(), options)

    with pytest.raises(ReplayError, match=r"expected one topic of truth.*\(results of a network\)"):
        read_truth(out, LABELS)
    assert len(read_truth(out, LABELS, "/detections")) == 6
