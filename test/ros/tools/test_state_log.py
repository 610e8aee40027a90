"""The state log: what it writes, and that it ends where it can't."""

import json

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

from mtv_perception.msg import ZoneState, ZoneStateArray
from mtv_perception.ros.process.processes import stop_node
from mtv_perception.ros.tools.state_log import objects_line

ZONES = ZoneStateArray(zones=[ZoneState(name="stop", valid=True)])


def test_states_become_lines(own_graph, tmp_path):
    file = tmp_path / "states.jsonl"
    own_graph.start("state_log_node", file=str(file))
    send = own_graph.publisher(ZoneStateArray, "zones/zones").publish
    own_graph.wait(lambda: send(ZONES) or (file.exists() and file.read_text()), "a line")
    line = json.loads(file.read_text().splitlines()[0])
    assert line["kind"] == "zones" and line["zones"]["stop"]["state"] == "free"


def test_a_full_disk_ends_the_node(own_graph):
    process = own_graph.start("state_log_node", file="/dev/full")
    send = own_graph.publisher(ZoneStateArray, "zones/zones").publish
    own_graph.process = None
    own_graph.wait(lambda: send(ZONES) or process.poll() is not None, "the end")
    assert process.returncode == 1
    assert "can't be written any more" in own_graph.log() and "Traceback" not in own_graph.log()


def test_an_object_without_a_class_is_left_out():
    known = Detection3D(id="7", results=[ObjectHypothesisWithPose()])
    line = objects_line(Detection3DArray(detections=[Detection3D(), known]))
    assert [item["id"] for item in line["objects"]] == ["7"]


def test_a_log_that_heard_nothing_says_so(own_graph, tmp_path):
    own_graph.start("state_log_node", file=str(tmp_path / "states.jsonl"))
    own_graph.wait(
        lambda: f"nothing on {own_graph.namespace}/zones/zones" in own_graph.log(), "a word"
    )
    process, own_graph.process = own_graph.process, None

    assert stop_node(process) == 2
    assert "nothing was written: expected messages on zones/zones" in own_graph.log()
