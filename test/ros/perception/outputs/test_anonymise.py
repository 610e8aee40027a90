"""Pictures of people: in a real node, over real DDS."""

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from mtv_perception.labels import LabelSet
from mtv_perception.ros.conversions import (
    compressed_to_rgb,
    image_message,
    image_to_rgb,
    stamp_ns,
)
from mtv_perception.ros.perception.config import NodeConfig
from mtv_perception.ros.perception.outputs import CameraOutputs
from mtv_perception.ros.qos import newest_only
from mtv_perception.runtime.artefact import ModelSpec, load_artefact, write_artefact
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.types import Detections, Result, Segmentation
from mtv_perception.visual.anonymise import anonymised, has_mark

PICTURES = (
    "overlay",
    "overlay/compressed",
    "image_anonymised",
    "image_anonymised/compressed",
)
RAW, JPEG = "image_anonymised", "image_anonymised/compressed"


@pytest.fixture
def people(clip):
    """A real picture of people."""
    _, image = cv2.VideoCapture(str(clip)).read()
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def listen_to_pictures(graph):
    qos = newest_only("reliable")
    for topic in PICTURES:
        graph.subscribe(CompressedImage if topic.endswith("/compressed") else Image, topic, qos)


def pixels(message):
    return image_to_rgb(message) if isinstance(message, Image) else compressed_to_rgb(message)


def pictures_of(graph, stamp):
    found = {
        topic: next((m for m in graph.heard[topic][1] if stamp_ns(m.header) == stamp), None)
        for topic in PICTURES
    }
    return found if all(found.values()) else None


def shown(graph, image):
    """The pictures of an image, by topic, and its result."""

    stamps = []

    def sent():
        message = image_message(image, "rgb8", graph.header())
        stamps.append(stamp_ns(message.header))
        graph.see(message)
        # Results go out before pictures, so those of an earlier image may be the first to be whole.
        return next(filter(None, (pictures_of(graph, stamp) for stamp in stamps)), None)

    return graph.wait(sent, "pictures on every topic")


def started(graph, **parameters):
    graph.listen()
    listen_to_pictures(graph)
    settings = {"image_reliability": "reliable", "camera_timeout": 3600.0, "num_threads": 1}
    graph.start(**settings, backend="litert", anonymise=True, **parameters)
    graph.settle()


def test_people_are_pixelated_in_every_picture_and_detections_stay(own_graph, model, people):
    started(own_graph, model=model)
    expected = Perceiver(load_artefact(model), PerceiverConfig(anonymise=True, num_threads=1))(
        people
    )
    hidden = anonymised(people, expected.people)
    assert (hidden != people).any()

    found = shown(own_graph, people)

    assert np.array_equal(pixels(found[RAW]), hidden)
    # The overlay draws boxes, a tint and labels over it; without them, it is the same.
    plain = expected.segmentation.class_ids == 0
    for topic in ("overlay", "overlay/compressed", JPEG):
        picture = pixels(found[topic])
        inside = (hidden != people).any(2) & plain
        to_hidden = np.abs(picture.astype(int) - hidden)[inside]
        to_people = np.abs(picture.astype(int) - people)[inside]
        assert np.median(to_hidden) < np.median(to_people) / 2, topic
    assert has_mark(bytes(found["overlay/compressed"].data))
    assert has_mark(bytes(found[JPEG].data))
    result = own_graph.wait(
        lambda: own_graph.result(stamp_ns(found[RAW].header)), "the result of the same stamp"
    )
    assert len(result.detections.detections) == len(expected.detections) > 0
    assert "pixelated in every picture: person" in own_graph.log()
    assert not own_graph.set_parameters(anonymise=False).successful


def test_without_anonymise_there_are_no_such_topics(own_graph, model):
    own_graph.listen()
    own_graph.start(model=model, image_reliability="reliable")
    own_graph.settle()

    names = dict(own_graph.node.get_topic_names_and_types())
    assert f"{own_graph.namespace}/overlay" in names
    assert not [name for name in names if name.startswith(f"{own_graph.namespace}/image_anon")]


def test_a_result_without_people_to_hide_hides_everything(own_graph, model):
    """The network of scripted_node.py does not say where people may be."""
    own_graph.listen()
    listen_to_pictures(own_graph)
    own_graph.start_scripted(model=model, anonymise=True)
    own_graph.settle(own_graph.scripted_image(own_graph.header()))
    message = own_graph.scripted_image(own_graph.header(), box_xyxy=(20, 20, 60, 100))

    picture = pixels(shown(own_graph, image_to_rgb(message))[RAW])

    assert len(np.unique(picture.reshape(-1, 3), axis=0)) <= 16


@pytest.mark.parametrize("order", [2, 3], ids=["raises", "breaks"])
def test_a_frame_that_fails_shows_no_picture_and_is_counted(own_graph, model, order):
    own_graph.listen()
    listen_to_pictures(own_graph)
    own_graph.start_scripted(model=model, anonymise=True)
    own_graph.settle(own_graph.scripted_image(own_graph.header()))
    message = own_graph.scripted_image(own_graph.header(), order)
    own_graph.send(message)

    found = own_graph.diagnosis(
        lambda status: status.level == DiagnosticStatus.ERROR, "an error about the frame"
    )

    assert "the delegate is lost" in found.message
    assert {item.key: item.value for item in found.values}["failed"] == "1"
    assert not [
        m
        for topic in PICTURES
        for m in own_graph.heard[topic][1]
        if stamp_ns(m.header) == stamp_ns(message.header)
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": ("background", "rail", "pallet", "forklift")}, "a class of people"),
        ({"trained": {"boxes": ["rail"]}}, "trained to box 'person'"),
    ],
    ids=["no class", "no boxes"],
)
def test_a_model_that_cannot_find_people_leaves_the_node_unconfigured(
    own_graph, model, tmp_path, change, said
):
    from dataclasses import replace

    from mtv_perception.config import from_mapping, to_plain

    artefact = load_artefact(model)
    plain = {**to_plain(artefact.spec), **change}
    if "classes" in change:
        plain |= {"thresholds": {}, "operating_points": {}, "trained": {}}
    spec = replace(from_mapping(ModelSpec, plain), files={})
    folder = write_artefact(tmp_path / "other", spec, artefact.content).folder

    own_graph.start(model=str(folder), anonymise=True)

    found = own_graph.diagnosis(
        lambda status: "can't configure" in status.message, "a word about the model"
    )
    assert said in found.message
    assert own_graph.state() == "unconfigured"


class _Publisher:
    def __init__(self):
        self.messages = []

    def publish(self, message):
        self.messages.append(message)

    def get_subscription_count(self):
        return 1


class _Node:
    def __init__(self):
        self.topics = {}

    def create_lifecycle_publisher(self, kind, topic, qos, **_):
        return self.topics.setdefault(topic, _Publisher())


@pytest.mark.parametrize("anonymise", [False, True])
@pytest.mark.parametrize("prefix", ["", "front/"])
def test_only_pictures_that_were_pixelated_say_so(anonymise, prefix):
    node, nothing = _Node(), np.zeros((48, 64), np.uint8)
    outputs = CameraOutputs(node, prefix, NodeConfig(), ModelSpec("toy"), anonymise)
    result = Result(
        Detections(), Segmentation(nothing, nothing), (48, 64), people=np.zeros((12, 16), bool)
    )

    image = np.full((48, 64, 3), 90, np.uint8)
    outputs.publish_pictures(result, image, Header(), LabelSet(), None)

    (overlay,) = node.topics[f"{prefix}overlay/compressed"].messages
    assert has_mark(bytes(overlay.data)) == anonymise
    assert (f"{prefix}{JPEG}" in node.topics) == anonymise
    (mask,) = node.topics[f"{prefix}segmentation/color/compressed"].messages
    assert not has_mark(bytes(mask.data))
