import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

import numpy as np
import yaml
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from mtv_perception.bags.topics import anonymised_topic, result_topics
from mtv_perception.ros.conversions import compressed_message, image_message, stamp_ns
from mtv_perception.ros.process.processes import stop_node
from mtv_perception.ros.qos import LATCHED
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


def test_a_camera_that_brings_nothing_is_said(own_graph, tmp_path):
    own_graph.start("recorder_node", bag=str(tmp_path / "bag"), cameras=["front", "rear"])
    publisher = own_graph.publisher(Detection2DArray, "front/detections")
    publisher.publish(Detection2DArray(header=own_graph.header()))
    own_graph.delivered("front/detections", node="recorder")

    assert end(own_graph) == 1
    assert "nothing was recorded of rear/detections" in own_graph.log()


def test_statuses_and_masks_that_stay_away_are_said(own_graph, tmp_path):
    own_graph.start("recorder_node", bag=str(tmp_path / "bag"))
    topic = "segmentation/label_info"
    labels = own_graph.node.create_publisher(LabelInfo, topic, LATCHED)
    own_graph.wait(labels.get_subscription_count, f"a subscription of {topic}")
    labels.publish(LabelInfo(header=own_graph.header()))
    publisher = own_graph.publisher(Detection2DArray, "detections")
    for _ in range(5):
        publisher.publish(Detection2DArray(header=own_graph.header()))
    own_graph.delivered("detections", node="recorder")

    assert end(own_graph) == 1
    assert "fewer messages than detections" in own_graph.log()
    assert "perception/status: 5, segmentation/mask: 5" in own_graph.log()


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


def picture(graph, is_anonymised, form="jpeg"):
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    return compressed_message(pixels, form, graph.header(), is_anonymised)


@pytest.mark.parametrize("cameras", [[], ["front", "rear"]], ids=len)
def test_pictures_are_recorded_only_if_they_are_anonymised(own_graph, tmp_path, contents, cameras):
    # Pictures are best effort by default, and one that is lost on the way can't be expected here.
    surely = {
        f"qos_overrides.{own_graph.namespace}{anonymised_topic(camera)}.subscription.reliability": (
            "reliable"
        )
        for camera in cameras or [""]
    }
    own_graph.start(
        "recorder_node", bag=str(tmp_path / "bag"), cameras=cameras, anonymise=True, **surely
    )
    good, leaks = set(), 0
    for camera in cameras or [""]:
        topics = result_topics(camera)["detections"][1:], anonymised_topic(camera)[1:]
        detections, pictures = (
            own_graph.publisher(kind, topic)
            for kind, topic in zip((Detection2DArray, CompressedImage), topics, strict=True)
        )
        for is_anonymised, form in (
            (True, "jpeg"),
            (False, "jpeg"),
            (False, "png"),
            (True, "jpeg"),
        ):
            message = picture(own_graph, is_anonymised, form)
            detections.publish(Detection2DArray(header=message.header))
            pictures.publish(message)
            for topic in topics:
                own_graph.delivered(topic, node="recorder")
            leaks += not is_anonymised
            good |= {stamp_ns(message.header)} if is_anonymised else set()
    kept = [f"{anonymised_topic(camera)[1:]}: 2" for camera in cameras or [""]]

    assert end(own_graph) == 1, own_graph.log()
    assert f"pictures refused: {leaks}" in own_graph.log()
    assert all(text in own_graph.log() for text in kept)
    found = [m for topic, _, m in contents(tmp_path / "bag") if topic.endswith("/compressed")]
    assert {stamp_ns(message.header) for message in found} == good
    assert len(found) == len(good)


def test_cameras_own_pictures_are_not_recorded(own_graph, tmp_path):
    """Whatever is published beside the results, also under the names of pictures."""
    own_graph.start("recorder_node", bag=str(tmp_path / "bag"), anonymise=True)
    own_graph.publisher(CompressedImage, "image_anonymised/compressed")
    others = [
        own_graph.node.create_publisher(kind, topic, 5)
        for kind, topic in (
            (Image, "image"),
            (CompressedImage, "image/compressed"),
            (Image, "image_anonymised"),
            (CompressedImage, "overlay/compressed"),
        )
    ]
    pixels = np.full((48, 64, 3), 90, np.uint8)
    for publisher in others:
        assert publisher.get_subscription_count() == 0
        header = own_graph.header()
        is_raw = publisher.msg_type is Image
        publisher.publish(
            image_message(pixels, "rgb8", header)
            if is_raw
            else compressed_message(pixels, "jpeg", header, True)
        )
    end(own_graph)
    assert sum(counts(tmp_path / "bag").values()) == 0


def test_missing_pictures_are_said(own_graph, tmp_path):
    own_graph.start("recorder_node", bag=str(tmp_path / "bag"), anonymise=True)
    publisher = own_graph.publisher(Detection2DArray, "detections")
    publisher.publish(Detection2DArray(header=own_graph.header()))
    own_graph.delivered("detections", node="recorder")
    own_graph.wait(
        lambda: "set `anonymise` on the perception node" in own_graph.log(), "a word about it"
    )

    assert end(own_graph) == 1
    assert f"nothing on {own_graph.namespace}/image_anonymised/compressed" in own_graph.log()


@pytest.mark.parametrize("cameras", [["front camera"], ["front", "front"], ["9"]], ids=str)
def test_wrong_cameras_leave_the_bag_that_is_there(own_graph, tmp_path, cameras):
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "bag.mcap").write_bytes(b"precious")
    process = own_graph.start("recorder_node", bag=str(bag), overwrite=True, cameras=cameras)
    own_graph.process = None
    own_graph.wait(lambda: process.poll() is not None, "the end")
    assert process.returncode == 2
    assert "cameras: expected" in own_graph.log() and "Traceback" not in own_graph.log()
    assert (bag / "bag.mcap").read_bytes() == b"precious"


def test_a_folder_of_settings_is_no_bag(own_graph, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "zones.yaml").write_text("mine")
    process = own_graph.start("recorder_node", bag=str(tmp_path / "config"), overwrite=True)
    own_graph.process = None
    own_graph.wait(lambda: process.poll() is not None, "the end")
    assert process.returncode == 2 and "choose another" in own_graph.log()
    assert (tmp_path / "config" / "zones.yaml").read_text() == "mine"


def test_a_clock_that_stands_at_zero_is_told(own_graph, tmp_path):
    own_graph.start("recorder_node", bag=str(tmp_path / "bag"), use_sim_time=True)
    publisher = own_graph.publisher(Detection2DArray, "detections")
    publisher.publish(Detection2DArray(header=own_graph.header()))
    own_graph.delivered("detections", node="recorder")
    own_graph.wait(lambda: "something has to publish /clock" in own_graph.log(), "a word about it")

    assert end(own_graph) == 1
    assert "1 messages are recorded at time 0" in own_graph.log()
