import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

import yaml
from vision_msgs.msg import Detection2DArray

from mtv_perception.bags.topics import result_topics
from mtv_perception.ros.process.processes import stop_node
from mtv_perception.ros.tools.recorder import RECORDED

pytest.importorskip("rosbags", reason="needs the replay extra")


def metadata(bag):
    text = (bag / "metadata.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["rosbag2_bagfile_information"]


def counts(bag):
    found = metadata(bag)["topics_with_message_count"]
    return {topic["topic_metadata"]["name"]: topic["message_count"] for topic in found}


def end(graph):
    process, graph.process = graph.process, None
    return stop_node(process)


@pytest.mark.parametrize("cameras", [[], ["front"], ["front", "rear"]], ids=len)
def test_every_topic_of_every_camera_is_recorded(own_graph, tmp_path, monkeypatch, cameras):
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    own_graph.start("recorder_node", bag=str(tmp_path / "bag"), cameras=cameras)
    for camera in cameras or [""]:
        topic = result_topics(camera)["detections"]
        message = Detection2DArray(header=own_graph.header())
        own_graph.publisher(Detection2DArray, topic[1:]).publish(message)
        own_graph.delivered(topic[1:], node="recorder")
    assert end(own_graph) == 0, own_graph.log()
    expected = {result_topics(c)[name] for c in cameras or [""] for name in RECORDED}
    found = counts(tmp_path / "bag")
    assert set(found) == expected
    assert all(found[result_topics(c)["detections"]] == 1 for c in cameras or [""])
    assert metadata(tmp_path / "bag")["ros_distro"] == "kilted"


def test_a_recorder_of_other_cameras_says_so_and_ends_with_status_two(own_graph, tmp_path):
    own_graph.start("recorder_node", bag=str(tmp_path / "bag"), cameras=["left"])
    publisher = own_graph.node.create_publisher(Detection2DArray, "front/detections", 5)
    topic = f"{own_graph.namespace}/left/detections"
    own_graph.wait(lambda: f"nothing on {topic}" in own_graph.log(), "a word about the silence")
    assert f"{own_graph.namespace}/front/detections" in own_graph.log()
    own_graph.node.destroy_publisher(publisher)
    assert end(own_graph) == 2
    assert "no detections were recorded" in own_graph.log()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_bag_is_replaced_only_when_told(own_graph, tmp_path, overwrite):
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "bag.mcap").write_bytes(b"precious")
    process = own_graph.start("recorder_node", bag=str(bag), overwrite=overwrite)
    if overwrite:
        own_graph.wait(lambda: (bag / "bag_0.mcap").exists(), "the new bag")
        assert not (bag / "bag.mcap").exists()
        end(own_graph)
        return
    own_graph.process = None
    own_graph.wait(lambda: process.poll() is not None, "the end")
    assert process.returncode == 2
    assert "overwrite:=true" in own_graph.log() and "Traceback" not in own_graph.log()
    assert (bag / "bag.mcap").read_bytes() == b"precious"


@pytest.mark.parametrize("place", ["file/below", "/proc/nowhere", "folder"])
def test_a_bag_that_can_not_be_written_is_named(own_graph, tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/notes.txt").touch()
    process = own_graph.start("recorder_node", bag=str(tmp_path / place), overwrite=True)
    own_graph.process = None
    own_graph.wait(lambda: process.poll() is not None, "the end")
    assert process.returncode == 2
    assert place in own_graph.log() and "Traceback" not in own_graph.log()
    assert (tmp_path / "folder/notes.txt").exists()
