import cv2
import numpy as np
import pytest

from mtv_perception.bags.writer import BagWriter
from mtv_perception.cli.main import main
from mtv_perception.labels import LabelSet
from mtv_perception.messages.typestore import builder
from mtv_perception.types import Detections


@pytest.fixture
def run_bag(tmp_path):
    build, kind = builder(), "vision_msgs/msg/Detection2DArray"
    found = Detections(
        np.array([[2, 3, 20, 30]], np.float32), np.array([0.8], np.float32), np.array([2], np.int32)
    )
    with BagWriter(tmp_path / "run") as bag:
        for index in range(3):
            header = build.header(index * 100_000_000, "camera")
            bag.write("/detections", kind, index, build.detection_array(found, LabelSet(), header))
            mask = build.image(np.full((48, 64), 2, np.uint8), "mono8", header)
            bag.write("/segmentation/mask", "sensor_msgs/msg/Image", index, mask)
            _, coded = cv2.imencode(".png", np.full((48, 64, 3), 90, np.uint8))
            bag.write(
                "/image/compressed",
                "sensor_msgs/msg/CompressedImage",
                index,
                build.compressed(coded, "png", header),
            )
    return tmp_path / "run"


def test_a_run_becomes_a_recording(run_bag, tmp_path, capsys):
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    assert main(["view", str(run_bag), "--save", str(tmp_path / "r" / "run.rrd")]) == 0
    assert "3 frames" in capsys.readouterr().out
    assert (tmp_path / "r" / "run.rrd").read_bytes()[:4].startswith(b"RR")


def test_without_rerun_it_says_how_to_get_it(run_bag, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rerun", None)
    assert main(["view", str(run_bag), "--save", str(tmp_path / "run.rrd")]) == 2
    assert "pip install rerun-sdk" in capsys.readouterr().err


def test_what_is_not_in_the_recording_is_said(run_bag, tmp_path, capsys):
    """A bag that lost its end, and an image that nothing can read."""
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    (file,) = run_bag.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:-300])
    with BagWriter(tmp_path / "images") as bag:
        header = builder().header(0, "camera")
        broken = builder().compressed(np.zeros(9, np.uint8), "png", header)
        bag.write("/image/compressed", "sensor_msgs/msg/CompressedImage", 0, broken)

    arguments = ["--images", str(tmp_path / "images"), "--save", str(tmp_path / "run.rrd")]
    assert main(["view", str(run_bag), *arguments]) == 1

    said = capsys.readouterr().out
    assert "DAMAGED, the rest is shown" in said
    assert "1 images can't be read and are not shown" in said


def test_a_class_that_the_bag_does_not_name_is_an_error(run_bag, tmp_path, capsys):
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    build = builder()
    found = Detections(
        np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.array([1], np.int32)
    )
    with BagWriter(tmp_path / "other") as bag:
        message = build.detection_array(
            found, LabelSet(("background", "crate")), build.header(0, "camera"), "name"
        )
        bag.write("/detections", "vision_msgs/msg/Detection2DArray", 0, message)

    assert main(["view", str(tmp_path / "other"), "--save", str(tmp_path / "run.rrd")]) == 2
    assert "/detections: " in capsys.readouterr().err


def test_a_run_of_two_models_is_refused(tmp_path, capsys):
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    build = builder()
    with BagWriter(tmp_path / "run") as bag:
        header = build.header(0, "camera")
        message = build.detection_array(Detections(), LabelSet(), header)
        bag.write("/detections", "vision_msgs/msg/Detection2DArray", 0, message)
        for names in (("rail", "person"), ("person", "rail")):
            info = build.label_info(LabelSet(("background", *names)), 0.5, header)
            bag.write("/label_info", "vision_msgs/msg/LabelInfo", 0, info)

    assert main(["view", str(tmp_path / "run"), "--save", str(tmp_path / "run.rrd")]) == 2
    assert "expected one model" in capsys.readouterr().err
