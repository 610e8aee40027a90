"""The builder that the offline replay shares says what the node's conversions say."""

import importlib

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs a ROS 2")

from std_msgs.msg import Header

from mtv_perception.labels import LabelSet
from mtv_perception.replay.contents import MessageBuilder
from mtv_perception.ros import conversions
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.types import Detections


def kind(msgtype):
    package, _, name = msgtype.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


BUILD = MessageBuilder(kind, conversions.byte_array)
HEADER = BUILD.header(1_700_000_000_123_456_789, "camera")
FOUND = Detections(
    np.array([[1.5, 2, 30.25, 40], [0, 0, 640, 480]], np.float32),
    np.array([0.75, 0.3], np.float32),
    np.array([2, 3], np.int32),
)


def test_headers():
    assert isinstance(HEADER, Header)
    assert conversions.stamp_ns(HEADER) == 1_700_000_000_123_456_789


@pytest.mark.parametrize("class_id_as", ["id", "name"])
@pytest.mark.parametrize("found", [Detections(), FOUND])
def test_detections(found, class_id_as):
    ours = BUILD.detection_array(found, LabelSet(), HEADER, class_id_as)
    assert ours == conversions.detection_array(found, LabelSet(), HEADER, class_id_as)


@pytest.mark.parametrize(("shape", "encoding"), [((3, 4), "mono8"), ((3, 4, 3), "rgb8")])
def test_images(shape, encoding):
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert BUILD.image(pixels, encoding, HEADER) == conversions.image_message(pixels, encoding, HEADER)


def test_descriptions():
    assert BUILD.label_info(LabelSet(), 0.3, HEADER) == conversions.label_info(LabelSet(), 0.3, HEADER)
    spec = ModelSpec("m")
    assert BUILD.vision_info(spec, 4, HEADER) == conversions.vision_info(spec, 4, HEADER)
