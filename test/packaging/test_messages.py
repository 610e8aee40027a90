import array
import math
import time

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
messages = pytest.importorskip(
    "mtv_perception.msg", reason="the messages are not generated; run: make setup"
)
vision = pytest.importorskip(
    "vision_msgs.msg", reason="there is no vision_msgs here; run: make setup"
)

import rclpy  # noqa: E402
from builtin_interfaces.msg import Time  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

UPSTREAM_DETECTION2DARRAY = (
    "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968"
)

HEADER = Header(stamp=Time(sec=12, nanosec=345), frame_id="camera_front")

STATUS_FIELDS = {
    "header": HEADER,
    "model_id": "warehouse-0123abcd",
    "decode_ms": 0.5,
    "preprocess_ms": 1.25,
    "network_ms": 10.5,
    "postprocess_ms": 2.75,
    "publish_ms": 0.25,
    "stamp_to_publish_ms": 33.5,
    "received": 2**64 - 1,
    "processed": 2**40,
    "dropped": 3,
    "stale": 4,
    "failed": 5,
    "detections": 2**32 - 1,
    "source_width": 640,
    "source_height": 480,
    "model_hash": "0123abcd" * 8,
    "classes": ["background", "person"],
    "score_thresholds": [1.0, 0.25],
    "box_classes": ["person"],
    "mask_classes": [],
    "suppressed_classes": ["person"],
    "truncated": True,
    "image_health": "dark",
    "image_health_detail": "mean 3",
    "epoch": 7,
    "lost": 2**40,
    "model_thresholds": [1.0, 0.5],
}

ZONE_FIELDS = {
    "header": HEADER,
    "name": "dock 4 ⟂ gate",
    "valid": True,
    "occupied": True,
    "since": Time(sec=-1, nanosec=999_999_999),
    "objects": 7,
    "nearest_distance": 1.5,
    "reason": "no result yet",
}


def plain(value):
    """Lists of numbers arrive as array.array."""
    return list(value) if isinstance(value, array.array) else value


def round_trip(message):
    return deserialize_message(serialize_message(message), type(message))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("PerceptionStatus", STATUS_FIELDS),
        ("ZoneState", ZONE_FIELDS),
        ("ZoneStateArray", {"header": HEADER, "zones": [], "sequence": 2**63}),
    ],
)
def test_every_field_survives_a_round_trip(name, fields):
    kind = getattr(messages, name)
    assert set(kind.get_fields_and_field_types()) == set(fields)

    result = round_trip(kind(**fields))

    assert {field: plain(getattr(result, field)) for field in fields} == fields


def test_zones_of_an_array_survive_a_round_trip():
    zones = [messages.ZoneState(**ZONE_FIELDS), messages.ZoneState(name="aisle 1")]

    result = round_trip(messages.ZoneStateArray(header=HEADER, zones=zones))

    assert list(result.zones) == zones


def test_nearest_distance_can_be_unknown():
    assert math.isnan(round_trip(messages.ZoneState(nearest_distance=math.nan)).nearest_distance)


def test_a_new_zone_state_is_unknown():
    assert messages.ZoneState().valid is False


def test_a_detection_survives_a_round_trip():
    detection = vision.Detection2D(header=HEADER, id="7")
    detection.bbox.center.position.x = 320.5
    detection.bbox.center.position.y = 240.25
    detection.bbox.size_x = 64.0
    detection.bbox.size_y = 32.0
    hypothesis = vision.ObjectHypothesisWithPose(
        hypothesis=vision.ObjectHypothesis(class_id="2", score=0.875)
    )
    detection.results = [hypothesis]
    message = vision.Detection2DArray(header=HEADER, detections=[detection])

    assert round_trip(message) == message


def test_label_info_survives_a_round_trip():
    classes = [vision.VisionClass(class_id=2, class_name="person")]
    message = vision.LabelInfo(header=HEADER, class_map=classes, threshold=0.5)

    assert round_trip(message) == message


@pytest.fixture
def node():
    context = Context()
    rclpy.init(context=context)
    node = Node(
        "test_messages", context=context, enable_rosout=False, start_parameter_services=False
    )
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def published_type_hash(node, kind):
    """The hash by which other ROS processes judge whether they have the same message type."""
    topic = "~/type_hash"
    node.create_publisher(kind, topic, 1)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for info in node.get_publishers_info_by_topic(node.resolve_topic_name(topic)):
            if not hasattr(info, "topic_type_hash"):
                pytest.skip("This ROS 2 has no type hashes (Iron and newer have).")
            return str(info.topic_type_hash)
        time.sleep(0.05)
    raise AssertionError(f"{topic} did not appear within 10 s.")


def test_detections_have_the_type_hash_of_upstream(node):
    assert published_type_hash(node, vision.Detection2DArray) == UPSTREAM_DETECTION2DARRAY
