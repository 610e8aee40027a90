"""What a node says about a topic on which nothing comes: in one process, with real publishers."""

import itertools

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

import rclpy
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from mtv_perception.ros.qos import LATCHED, overridable, watched
from mtv_perception.ros.silence import what_is_heard

BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=5)
_serial = itertools.count()


@pytest.fixture
def nodes(ros):
    """Two nodes in a namespace of their own, and what makes publishers of the second one."""
    namespace = f"/silence_{next(_serial)}"
    own, other = (
        rclpy.create_node(name, namespace=namespace, context=ros.context)
        for name in ("listener", "camera")
    )
    yield own, other
    for node in (own, other):
        node.destroy_node()


def heard(nodes, published, kind=Image, topic="image", qos=BEST_EFFORT):
    own, other = nodes
    for name, message, profile in published:
        other.create_publisher(message, name, profile)
    return what_is_heard(own, topic, kind, qos).replace(own.get_namespace(), "")


@pytest.mark.parametrize(
    ("published", "kind", "topic", "said"),
    [
        ([], Image, "image", "nothing on /image (sensor_msgs/msg/Image): no publisher"),
        ([("image", String, 5)], Image, "image", "1 publisher of std_msgs/msg/String"),
        ([("image", String, 5)], Image, "image", "by /camera. Remap to a topic of type"),
        ([("image", CompressedImage, 5)], Image, "image", "`transport: compressed` and remap"),
        ([("image", Image, 5)], CompressedImage, "image", "`transport: raw` and remap image"),
        ([("image/compressed", CompressedImage, 5)], Image, "image", "set `transport: compressed`"),
        ([("image", Image, 5)], CompressedImage, "image/compressed", "set `transport: raw`"),
        ([("image_raw", Image, 5)], Image, "image", "remap with -r image:="),
        ([("image_raw", Image, 5)], Image, "image", "/image_raw"),
        ([("image", Image, 5)] * 2, Image, "image", "2 publishers of sensor_msgs/msg/Image"),
        ([("image", Image, 5)], Image, "image", "is the node active"),
    ],
)
def test_the_cause_and_the_cure_are_told(nodes, published, kind, topic, said):
    text = heard(nodes, published, kind, topic)
    assert said in text and "\n" not in text


@pytest.mark.parametrize(
    ("wanted", "there", "is_proposed"),
    [
        ("segmentation/mask", "front/segmentation/mask", True),
        ("segmentation/mask", "camera/image_raw", False),
        ("segmentation/mask", "overlay", False),
        ("segmentation/mask", "segmentation/confidence", False),
        ("image", "camera/image_raw", True),
        ("image", "camera/color/image_rect_color", True),
        ("image", "segmentation/mask", False),
        ("image", "overlay", False),
        ("front/image", "front_camera/image", True),
        ("camera_info", "camera/camera_info", True),
        ("camera_info", "camera/info", False),
    ],
)
def test_a_topic_is_proposed_by_its_last_name_not_by_its_type(nodes, wanted, there, is_proposed):
    text = heard(nodes, [(there, Image, 5)], topic=wanted)

    assert (f"remap with -r {wanted}:=/{there}." in text) == is_proposed
    assert (there in text) == is_proposed
    assert ("Start the node" in text) != is_proposed


@pytest.mark.parametrize(
    ("wanted", "there", "is_proposed"),
    [
        ("image/compressed", "camera/image_raw/compressed", True),
        ("image/compressed", "overlay/compressed", False),
    ],
)
def test_a_compressed_topic_is_proposed_by_the_name_before(nodes, wanted, there, is_proposed):
    text = heard(nodes, [(there, CompressedImage, 5)], CompressedImage, wanted)

    assert (f"remap with -r {wanted}:=/{there}." in text) == is_proposed


@pytest.mark.parametrize(
    ("offered", "wanted", "fits"),
    [
        (BEST_EFFORT, RELIABLE, False),
        (RELIABLE, LATCHED, False),
        (RELIABLE, BEST_EFFORT, True),
        (LATCHED, RELIABLE, True),
        (BEST_EFFORT, BEST_EFFORT, True),
    ],
    ids=["reliability", "durability", "more", "latched", "same"],
)
def test_a_quality_of_service_that_does_not_fit_is_told(nodes, offered, wanted, fits):
    text = heard(nodes, [("image", Image, offered)], qos=wanted)
    assert ("quality of service does not fit" in text) != fits


def test_the_nodes_own_pictures_are_no_cure(nodes):
    nodes[0].create_publisher(Image, "overlay", 5)
    assert "overlay" not in heard(nodes, [])


@pytest.mark.parametrize(
    ("policy", "value", "attribute", "expected"),
    [
        ("depth", "7", "depth", 7),
        ("reliability", "best_effort", "reliability", ReliabilityPolicy.BEST_EFFORT),
        ("durability", "volatile", "durability", DurabilityPolicy.VOLATILE),
    ],
)
def test_every_policy_of_a_topic_can_be_overridden(ros, policy, value, attribute, expected):
    name = f"qos_overrides./latched.publisher.{policy}"
    node = rclpy.create_node(
        "overridden", context=ros.context, cli_args=["--ros-args", "-p", f"{name}:={value}"]
    )
    before = getattr(LATCHED, attribute)
    publisher = overridable(node.create_publisher, Image, "/latched", LATCHED)
    other = overridable(node.create_publisher, Image, "/other", LATCHED)
    found = node.get_publishers_info_by_topic("/latched")[0].qos_profile
    if attribute != "depth":  # DDS does not tell others the depth.
        assert getattr(found, attribute) == expected
    assert node.get_parameter(name).value == (int(value) if value.isdigit() else value)
    # A profile that several topics share is not changed.
    assert getattr(LATCHED, attribute) == before
    assert publisher is not other
    node.destroy_node()


@pytest.mark.parametrize(
    ("policy", "value", "expected"),
    [
        ("deadline", "7000000000", Duration(seconds=7)),
        ("liveliness", "automatic", LivelinessPolicy.AUTOMATIC),
        ("liveliness_lease_duration", "9000000000", Duration(seconds=9)),
    ],
)
def test_deadline_and_liveliness_of_a_watched_topic_can_be_overridden(ros, policy, value, expected):
    name = f"qos_overrides./watched.publisher.{policy}"
    node = rclpy.create_node(
        "overridden", context=ros.context, cli_args=["--ros-args", "-p", f"{name}:={value}"]
    )
    publisher = overridable(node.create_publisher, Image, "/watched", watched(5, 2.0, 3.0))
    found = node.get_publishers_info_by_topic("/watched")[0].qos_profile
    assert getattr(found, policy) == expected
    untouched = {"deadline": 2, "liveliness_lease_duration": 3}
    for other in untouched.keys() - {policy}:
        assert getattr(found, other) == Duration(seconds=untouched[other])
    node.destroy_publisher(publisher)
    node.destroy_node()


def test_an_override_that_is_no_value_of_the_policy_is_an_error_of_ours(ros):
    from mtv_perception.errors import ConfigError

    name = "qos_overrides./x.publisher.reliability"
    node = rclpy.create_node(
        "wrong", context=ros.context, cli_args=["--ros-args", "-p", f"{name}:=maybe"]
    )
    with pytest.raises(ConfigError, match="qos_overrides of /x.*maybe"):
        overridable(node.create_publisher, Image, "/x", 5)
    node.destroy_node()


@pytest.mark.parametrize(
    "given", [[], ["-p", "qos_overrides./watched.publisher.deadline:=7000000000"]]
)
def test_a_topic_that_is_created_again_takes_its_new_profile(ros, given):
    arguments = ["--ros-args", *given] if given else []
    node = rclpy.create_node("again", context=ros.context, cli_args=arguments)
    for longest in (0.5, 5.0, 0.1):
        publisher = overridable(node.create_publisher, Image, "/watched", watched(5, longest))
        found = node.get_publishers_info_by_topic("/watched")[0].qos_profile
        assert found.deadline == Duration(seconds=7 if given else longest)
        assert found.liveliness_lease_duration == Duration(seconds=longest)
        node.destroy_publisher(publisher)
    node.destroy_node()
