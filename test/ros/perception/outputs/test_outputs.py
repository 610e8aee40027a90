import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from mtv_perception.labels import LabelSet
from mtv_perception.messages.foxglove import DEFINITIONS
from mtv_perception.ros.conversions import compressed_to_rgb, image_to_rgb
from mtv_perception.ros.perception import outputs as outputs_module
from mtv_perception.ros.perception.config import NodeConfig
from mtv_perception.ros.perception.outputs import CameraOutputs
from mtv_perception.runtime.artefact import ModelSpec, Trained
from mtv_perception.types import Detections, Result, Segmentation

SPEC = ModelSpec("toy")
RESULT = Result(
    Detections(), Segmentation(np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.uint8)), (4, 6)
)
IMAGE = np.zeros((4, 6, 3), np.uint8)


class Publisher:
    """Notes what is published and claims subscribers."""

    def __init__(self):
        self.messages, self.subscribers = [], 0

    def publish(self, message):
        self.messages.append(message)

    def get_subscription_count(self):
        return self.subscribers


class Node:
    """Hands out publishers by topic."""

    def __init__(self):
        self.topics = {}

    def create_lifecycle_publisher(self, kind, topic, qos, **_):
        return self.topics.setdefault(topic, Publisher())

    def destroy_lifecycle_publisher(self, publisher):
        self.topics = {
            topic: other for topic, other in self.topics.items() if other is not publisher
        }


def publish(outputs, result, image, header, info=None):
    outputs.publish_detections(result.detections, header, LabelSet())
    outputs.publish_pictures(result, image, header, LabelSet(), info)


@pytest.fixture
def drawn(monkeypatch):
    """What has been drawn, for whom it was too expensive to draw."""
    calls = []
    for name in ("draw_overlay", "colour_mask"):
        monkeypatch.setattr(outputs_module, name, lambda *_, name=name: calls.append(name) or IMAGE)
    return calls


@pytest.fixture
def annotations_kind(monkeypatch):
    """foxglove_msgs.ImageAnnotations; where it is not installed, classes that take any fields."""
    try:
        from foxglove_msgs.msg import ImageAnnotations
    except ImportError:
        names = [name.split("/")[-1] for name in DEFINITIONS]
        kinds = {name: type(name, (SimpleNamespace,), {}) for name in names}
        monkeypatch.setitem(sys.modules, "foxglove_msgs.msg", SimpleNamespace(**kinds))
        ImageAnnotations = kinds["ImageAnnotations"]
    monkeypatch.setattr(outputs_module, "ANNOTATIONS_KIND", ImageAnnotations)
    return ImageAnnotations


def test_annotations_are_made_for_their_subscriber(annotations_kind):
    assert published(NodeConfig()) == {"detections"}
    node = Node()
    outputs = CameraOutputs(node, "front/", NodeConfig(), SPEC)
    node.topics["front/image_annotations"].subscribers = 1
    box = Detections(np.float32([[1, 2, 5, 4]]), np.float32([0.9]), np.int32([1]))
    header = Header(stamp=Time(sec=3), frame_id="f")
    publish(outputs, Result(box, RESULT.segmentation, (4, 6)), IMAGE, header)
    (message,) = node.topics["front/image_annotations"].messages
    assert isinstance(message, annotations_kind)
    (outline,), (text,) = message.points, message.texts
    assert [(point.x, point.y) for point in outline.points] == [(1, 2), (5, 2), (5, 4), (1, 4)]
    assert outline.timestamp == text.timestamp == header.stamp
    assert text.text == f"{LabelSet().names[1]} 0.90"


def test_without_foxglove_msgs_there_is_no_topic_for_annotations(monkeypatch):
    monkeypatch.setattr(outputs_module, "ANNOTATIONS_KIND", None)
    node = Node()
    outputs = CameraOutputs(node, "", NodeConfig(), SPEC)
    assert "image_annotations" not in node.topics
    assert not outputs.wanted("annotations")


def published(config, subscribed=(), info=None):
    node = Node()
    outputs = CameraOutputs(node, "", config, SPEC)
    for topic in subscribed:
        node.topics[topic].subscribers = 1
    publish(outputs, RESULT, IMAGE, Header(frame_id="f"), info)
    return {topic for topic, publisher in node.topics.items() if publisher.messages}


def test_without_subscribers_only_detections_are_made(drawn):
    assert published(NodeConfig()) == {"detections"}
    assert drawn == []


@pytest.mark.parametrize(
    ("topic", "drawing"),
    [
        ("overlay", ["draw_overlay"]),
        ("overlay/compressed", ["draw_overlay"]),
        ("segmentation/color", ["colour_mask"]),
        ("segmentation/color/compressed", ["colour_mask"]),
        ("segmentation/mask", []),
        ("segmentation/confidence", []),
    ],
)
def test_a_picture_is_made_for_its_subscriber(drawn, topic, drawing):
    assert published(NodeConfig(), [topic]) == {"detections", topic}
    assert drawn == drawing


def test_a_picture_is_drawn_once_for_both_of_its_topics(drawn):
    topics = ["overlay", "overlay/compressed"]
    assert published(NodeConfig(), topics) == {"detections", *topics}
    assert drawn == ["draw_overlay"]


@pytest.mark.parametrize("topic", ["overlay/compressed", "segmentation/color/compressed"])
def test_compressed_pictures_decode_to_the_raw_ones(topic):
    node, raw = Node(), topic.removesuffix("/compressed")
    outputs = CameraOutputs(node, "", NodeConfig(), SPEC)
    for name in (topic, raw):
        node.topics[name].subscribers = 1
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 20:40] = 1
    result = Result(Detections(), Segmentation(mask, mask), (48, 64))
    publish(outputs, result, np.full((48, 64, 3), 90, np.uint8), Header())
    (coded,), (plain,) = node.topics[topic].messages, node.topics[raw].messages
    found, expected = compressed_to_rgb(coded), image_to_rgb(plain)

    assert found.shape == expected.shape
    assert np.median(np.abs(found.astype(int) - expected)) <= 2
    if "png" in coded.format:
        np.testing.assert_array_equal(found, expected)


def test_mask_and_confidence_can_be_switched_off():
    topics = ["segmentation/mask", "segmentation/confidence"]
    assert published(NodeConfig(publish_mask=False, publish_confidence=False), topics) == {
        "detections"
    }


def test_calibration_needs_the_parameter_and_a_camera_info():
    topic = "segmentation/camera_info"
    assert topic not in published(NodeConfig(), info=CameraInfo())
    assert topic not in published(NodeConfig(camera_info=True))
    assert topic in published(NodeConfig(camera_info=True), info=CameraInfo())


def test_every_topic_of_a_named_camera_has_its_prefix_and_goes_with_it():
    node = Node()
    outputs = CameraOutputs(node, "front/", NodeConfig(camera_info=True), SPEC)
    assert all(topic.removeprefix("~/").startswith("front/") for topic in node.topics)
    outputs.destroy()
    assert not node.topics


def test_a_model_that_was_not_trained_for_masks_has_no_mask_topics():
    node = Node()
    boxes_only = ModelSpec("toy", trained=Trained(masks=()))
    outputs = CameraOutputs(node, "", NodeConfig(camera_info=True), boxes_only)

    def mask_topics():
        return {topic for topic in node.topics if topic.startswith("segmentation/")}

    assert not mask_topics()
    publish(outputs, RESULT, IMAGE, Header(), CameraInfo())
    assert len(node.topics["detections"].messages) == 1
    outputs.fit(SPEC)
    assert mask_topics() == {
        f"segmentation/{name}"
        for name in (
            "mask",
            "confidence",
            "label_info",
            "color",
            "color/compressed",
            "camera_info",
        )
    }
    outputs.fit(boxes_only)
    assert not mask_topics()
