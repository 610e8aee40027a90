"""`mtv view live`: the callbacks with a stand-in for Rerun, and the command with the real one where
it is installed.
"""

import os
import subprocess
import sys
from unittest.mock import MagicMock

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs a ROS 2")
pytest.importorskip("rosbags", reason="mtv_perception.replay needs rosbags")

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from mtv_perception.cli.main import main
from mtv_perception.labels import WAREHOUSE
from mtv_perception.msg import PerceptionStatus
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros.conversions import byte_array, detection_array, image_message, label_info
from mtv_perception.ros.qos import LATCHED, newest_only
from mtv_perception.ros.tools import live_view
from mtv_perception.types import Detections

FOUND = Detections(np.array([[2, 3, 20, 30]], np.float32), np.float32([0.8]), np.int32([2]))


@pytest.fixture
def camera(stage):
    """Publishes what a camera and its perception node would, again and again."""
    node, picture = stage.node, newest_only("best_effort")
    publishers = {
        "labels": node.create_publisher(LabelInfo, "/front/label_info", LATCHED),
        "detections": node.create_publisher(Detection2DArray, "/front/detections", 5),
        "mask": node.create_publisher(Image, "/front/segmentation/mask", picture),
        "image": node.create_publisher(CompressedImage, "/front/image/compressed", picture),
        "status": node.create_publisher(PerceptionStatus, "/perception/front/status", 5),
    }
    publishers["labels"].publish(label_info(WAREHOUSE, 0.3, Header()))

    def publish(stamp):
        header = Header(frame_id="front")
        header.stamp.sec = stamp
        _, coded = cv2.imencode(".png", np.full((48, 64, 3), 90, np.uint8))
        publishers["image"].publish(
            CompressedImage(header=header, format="png", data=byte_array(coded.reshape(-1)))
        )
        publishers["detections"].publish(detection_array(FOUND, WAREHOUSE, header))
        publishers["mask"].publish(image_message(np.full((48, 64), 2, np.uint8), "mono8", header))
        publishers["status"].publish(PerceptionStatus(header=header, network_ms=9.0))

    return publish


@pytest.fixture
def stand_in(monkeypatch):
    rerun = MagicMock()
    monkeypatch.setitem(sys.modules, "rerun", rerun)
    monkeypatch.setitem(sys.modules, "rerun.blueprint", rerun.blueprint)
    return rerun


def test_what_a_camera_and_its_node_say_is_logged(stage, camera, stand_in):
    from mtv_perception.ros.tools.live_view import LiveViewNode

    recording = MagicMock()
    node = LiveViewNode(recording, "front", context=stage.context)
    stage.executor.add_node(node)
    wanted = {
        "camera/front/image",
        "camera/front/mask",
        "camera/front/boxes",
        "plots/objects/front/person",
        "plots/score/front/person",
        "plots/ms/front/network",
    }
    stamps = iter(range(1, 10_000))

    def logged():
        camera(next(stamps))
        return wanted <= {call.args[0] for call in recording.log.call_args_list}

    stage.wait(logged, "everything in the recording")
    assert node.frames > 0
    assert stand_in.Boxes2D.call_args.kwargs["labels"] == ["person 0.80"]
    stage.executor.remove_node(node)
    node.destroy_node()


def test_the_command_fails_where_it_heard_nothing(stand_in, monkeypatch, capsys):
    heard = iter([0, 3])
    monkeypatch.setattr(live_view, "view_live", lambda *given: next(heard))
    assert main(["view", "live", "--camera", "rear"]) == 2
    assert "/rear/detections, heard none" in capsys.readouterr().err
    assert main(["view", "live", "--camera", "rear"]) == 0


def test_the_command_records_a_running_node_and_ends_in_time(stage, camera, tmp_path):
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    command = [
        sys.executable,
        str(SOURCE_ROOT / "scripts" / "mtv"),
        "view",
        "live",
        "--camera",
        "front",
    ]
    log = (tmp_path / "view.log").open("w")
    environment = {**os.environ, "ROS_DOMAIN_ID": str(stage.domain)}
    process = subprocess.Popen(
        [*command, "--seconds", "20", "--save", str(tmp_path / "live.rrd")],
        env=environment,
        stdout=log,
        stderr=log,
    )
    stage.processes.append((process, log))
    stamps = iter(range(1, 100_000))

    def ended():
        camera(next(stamps))
        return process.poll() is not None

    stage.wait(ended, "the end of the view")
    text = (tmp_path / "view.log").read_text()
    assert process.returncode == 0 and "live: " in text and "live: 0 frames" not in text
    assert (tmp_path / "live.rrd").read_bytes()[:2] == b"RR"
