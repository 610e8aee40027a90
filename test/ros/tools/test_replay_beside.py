"""What a replay publishes beside images: over real DDS, from bags with rclpy's own messages."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")
pytest.importorskip("rosbags", reason="needs rosbags")
pytest.importorskip("tf2_msgs.msg", reason="needs tf2_msgs")

from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from mtv_perception.bags.beside import find_beside
from mtv_perception.bags.reader import BagSource
from mtv_perception.bags.writer import BagWriter
from mtv_perception.errors import ReplayError
from mtv_perception.ros.conversions import byte_array, image_message, stamp_ns

BEGIN_NS, PERIOD_NS, FRAMES = 1_700_000_000_000_000_000, 100_000_000, 6
HEIGHT, WIDTH = 24, 32
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CALIBRATION = """
image_width: 32
image_height: 24
camera_name: lens
camera_matrix: {rows: 3, cols: 3, data: [30, 0, 16, 0, 31, 12, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0.01, 0, 0, 0]}
"""


def header(index, frame_id="lens", offset_ns=0):
    stamp = Time(nanoseconds=BEGIN_NS + index * PERIOD_NS + offset_ns)
    return Header(stamp=stamp.to_msg(), frame_id=frame_id)


def colour(index):
    return image_message(np.full((HEIGHT, WIDTH, 3), 40 + index, np.uint8), "rgb8", header(index))


def depth(index, encoding="16UC1"):
    kind = np.uint16 if encoding == "16UC1" else np.float32
    data = np.full((HEIGHT, WIDTH), 1000 + index, kind)
    size = data.itemsize
    return Image(
        header=header(index, offset_ns=2_000_000),
        height=HEIGHT,
        width=WIDTH,
        encoding=encoding,
        step=WIDTH * size,
        data=byte_array(data.view(np.uint8)),
    )


def info(index, focal=30.0):
    k = [focal, 0.0, 16.0, 0.0, focal, 12.0, 0.0, 0.0, 1.0]
    return CameraInfo(header=header(index), height=HEIGHT, width=WIDTH, k=k)


def transforms(index, parent, *children):
    found = []
    for child in children:
        item = TransformStamped(header=header(index, parent), child_frame_id=child)
        item.transform.translation.x = float(index)
        item.transform.rotation.w = 1.0
        found.append(item)
    return TFMessage(transforms=found)


@pytest.fixture
def write(tmp_path):
    """Writes a bag of (topic, time, message); returns its folder."""

    def make(messages, name="bag"):
        with BagWriter(tmp_path / name) as bag:
            for topic, log_ns, message in sorted(messages, key=lambda item: item[1]):
                kind = type(message)
                bag.add_topic(topic, f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}")
                bag.write_cdr(topic, log_ns, serialize_message(message))
        return tmp_path / name

    return make


def drive(prefix="/front", camera_info="camera_info", encoding="16UC1"):
    """The messages of a drive: depth comes 20 ms after its image, TF twice as often."""
    found = [
        ("/tf_static", BEGIN_NS, transforms(0, "base_link", "lens")),
        ("/tf_static", BEGIN_NS + 1, transforms(0, "base_link", "laser")),
    ]
    for index in range(FRAMES):
        at = BEGIN_NS + index * PERIOD_NS
        found += [
            (f"{prefix}/image_raw", at + 2_000_000, colour(index)),
            (f"{prefix}/{camera_info}", at + 1_000_000, info(index)),
            (f"{prefix}/depth/image_raw", at + 20_000_000, depth(index, encoding)),
            ("/tf", at + 500_000, transforms(index, "map", "base_link")),
            ("/tf", at + 50_000_000, transforms(index, "map", "base_link")),
        ]
    return found


@pytest.fixture
def hear(own_graph):
    """Starts the node; what it published by topic, and its exit status."""

    def run(source, **parameters):
        heard = {
            "image": own_graph.subscribe(Image, "image"),
            "camera_info": own_graph.subscribe(CameraInfo, "camera_info"),
            "depth/image": own_graph.subscribe(Image, "depth/image"),
            "/tf": own_graph.subscribe(TFMessage, "/tf", QoSProfile(depth=100)),
            "/tf_static": own_graph.subscribe(TFMessage, "/tf_static", LATCHED),
        }
        process = own_graph.start(
            "image_replay_node", source=str(source), rate=20.0, linger=2.0, **parameters
        )
        own_graph.wait(lambda: process.poll() is not None, "the end", alive=False)
        status, own_graph.process = process.returncode, None
        return heard, status

    return run


@pytest.mark.parametrize("clock", [False, True])
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_calibration_depth_and_transforms_go_out_with_the_images(hear, write, clock, encoding):
    heard, status = hear(write(drive(encoding=encoding)), clock=clock)

    assert status == 0
    images = [stamp_ns(message.header) for message in heard["image"]]
    assert len(images) == FRAMES
    assert [stamp_ns(message.header) for message in heard["camera_info"]] == images
    assert all(message.k[0] == 30 for message in heard["camera_info"])
    assert [message.encoding for message in heard["depth/image"]] == [encoding] * FRAMES
    assert [bytes(m.data) for m in heard["depth/image"]] == [
        bytes(depth(index, encoding).data) for index in range(FRAMES)
    ]
    own = [item for message in heard["/tf"] for item in message.transforms]
    assert [item.transform.translation.x for item in own] == [
        i for i in range(FRAMES) for _ in "ab"
    ]
    (latched,) = heard["/tf_static"]
    assert {item.child_frame_id for item in latched.transforms} == {"lens", "laser"}
    late = [stamp_ns(m.header) - at for m, at in zip(heard["depth/image"], images, strict=True)]
    assert late == [2_000_000] * FRAMES
    if clock:
        assert images == [BEGIN_NS + index * PERIOD_NS for index in range(FRAMES)]
    else:
        assert min(stamp_ns(item.header) for item in own) > BEGIN_NS + 10**15


@pytest.mark.parametrize("log_offset_ns", [-3_000_000, 0, 4_000_000])
def test_equal_stamps_stay_equal_whatever_was_written_first(hear, write, log_offset_ns):
    messages = [
        (f"/camera/{what}", at, message) for what, at, message in _synchronised(log_offset_ns)
    ]
    heard, status = hear(write(messages))

    assert status == 0
    stamps = [
        [stamp_ns(m.header) for m in heard[t]] for t in ("image", "camera_info", "depth/image")
    ]
    assert len(stamps[0]) == FRAMES
    assert stamps[0] == stamps[1] == stamps[2]


def _synchronised(log_offset_ns):
    """Depth with the stamp of its image, and the calibration, written before or after it."""
    for index in range(FRAMES):
        at, exact = BEGIN_NS + index * PERIOD_NS // 3, depth(index)
        image, calibration = colour(index), info(index)
        for message in (image, calibration, exact):
            message.header.stamp = Time(nanoseconds=at).to_msg()
        yield "image_raw", at + 5_000_000, image
        yield "camera_info", at + 5_000_000 + log_offset_ns, calibration
        yield "depth/image_raw", at + 5_000_001 + log_offset_ns, exact


@pytest.mark.parametrize(
    ("off", "silent"),
    [
        ({"camera_info": False}, {"camera_info"}),
        ({"depth": False}, {"depth/image"}),
        ({"tf": False}, {"/tf", "/tf_static"}),
    ],
    ids=("camera_info", "depth", "tf"),
)
def test_each_can_be_switched_off(hear, write, off, silent):
    heard, status = hear(write(drive()), **off)

    assert status == 0
    assert {topic for topic, messages in heard.items() if not messages} == silent


def test_a_jump_leaves_out_what_was_recorded_before(hear, write):
    heard, status = hear(write(drive()), clock=True, start_offset=0.25)

    assert status == 0
    assert len(heard["image"]) == len(heard["camera_info"]) == FRAMES - 3
    assert min(stamp_ns(m.header) for m in heard["depth/image"]) > BEGIN_NS + 2 * PERIOD_NS - 1
    assert len(heard["/tf_static"]) == 1


def test_a_calibration_file_is_published_for_images_without_one(hear, tmp_path, write):
    (tmp_path / "lens.yaml").write_text(CALIBRATION)
    bag = write(
        [item for item in drive() if item[0].endswith("image_raw") and "depth" not in item[0]]
    )

    heard, status = hear(bag, calibration=str(tmp_path / "lens.yaml"))

    assert status == 0
    assert [m.header for m in heard["camera_info"]] == [m.header for m in heard["image"]]
    (first, *_) = heard["camera_info"]
    assert list(first.k) == [30, 0, 16, 0, 31, 12, 0, 0, 1]
    assert list(first.p) == [30, 0, 16, 0, 0, 31, 12, 0, 0, 0, 1, 0]
    assert list(first.d) == [0.1, 0.01, 0, 0, 0] and first.distortion_model == "plumb_bob"
    assert (first.height, first.width) == (HEIGHT, WIDTH)


def test_a_calibration_file_replaces_that_of_the_bag(hear, tmp_path, write):
    (tmp_path / "lens.yaml").write_text(CALIBRATION)

    heard, status = hear(write(drive()), calibration=str(tmp_path / "lens.yaml"))

    assert status == 0
    assert {message.k[4] for message in heard["camera_info"]} == {31}
    assert len(heard["camera_info"]) == FRAMES


@pytest.mark.parametrize(
    ("change", "parameters", "status", "said"),
    [
        (("image_width: 32", "image_width: 64"), {}, 2, "describes a 64x24 image"),
        (("camera_matrix", "matrix"), {}, 2, "found no camera_matrix"),
        (("30, 0, 16", "30, 0"), {}, 2, "lens.yaml"),
        (("lens", "lens"), {"camera_info_topic": "/front/camera_info"}, 2, "calibration: expected"),
        (None, {"camera_info_topic": "/rear/camera_info"}, 2, "the bag has /front/camera_info"),
        (None, {"depth_topic": "/front/image_raw"}, 2, "the bag has /front/depth/image_raw"),
        (None, {"calibration": "missing.yaml"}, 2, "missing.yaml"),
    ],
)
def test_mistakes_are_said(own_graph, tmp_path, write, change, parameters, status, said):
    if change:
        (tmp_path / "lens.yaml").write_text(CALIBRATION.replace(*change))
        parameters = {"calibration": str(tmp_path / "lens.yaml"), **parameters}
    process = own_graph.start(
        "image_replay_node",
        source=str(write(drive())),
        wait_for_subscribers=0,
        settle=0.0,
        linger=0.0,
        **parameters,
    )
    own_graph.process = None
    own_graph.wait(lambda: process.poll() is not None, "the end")
    assert process.returncode == status, own_graph.log()
    assert said in own_graph.log() and "Traceback" not in own_graph.log()


@pytest.mark.parametrize(
    ("prefixes", "wanted", "camera_info", "depth_topic"),
    [
        (["/front"], {}, "/front/camera_info", "/front/depth/image_raw"),
        (["/front", "/rear"], {}, "/front/camera_info", "/front/depth/image_raw"),
        (
            ["/front", "/rear"],
            {"camera_info": "/rear/camera_info", "depth": "/rear/depth/image_raw"},
            "/rear/camera_info",
            "/rear/depth/image_raw",
        ),
    ],
)
def test_the_topics_beside_an_image_are_those_of_its_camera(
    write, prefixes, wanted, camera_info, depth_topic
):
    messages = [item for prefix in prefixes for item in drive(prefix)]
    with BagSource(write(messages)) as bag:
        found = find_beside(bag, "/front/image_raw", wanted)

    assert {role: topic.name for role, topic in found.topics.items()} == {
        "camera_info": camera_info,
        "depth": depth_topic,
        "tf": "/tf",
        "tf_static": "/tf_static",
    }
    assert len(found.left_out) == 2 * (len(prefixes) - 1)


@pytest.mark.parametrize("name", ["calibration/info", "camera_info"])
def test_a_single_calibration_is_found_anywhere(write, name):
    with BagSource(write(drive(camera_info=name))) as bag:
        assert find_beside(bag, "/front/image_raw", {}).topics["camera_info"].name.endswith(name)


def test_nothing_of_another_camera_is_taken(write):
    """Also where there is one alone: it lies beside images of its own."""
    front = [item for item in drive() if "depth" not in item[0] and "camera_info" not in item[0]]
    with BagSource(write([*front, *drive("/rear")])) as bag:
        found = find_beside(bag, "/front/image_raw", {})
        own = find_beside(bag, "/rear/image_raw", {})

    assert set(found.topics) == {"tf", "tf_static"}
    assert sorted(found.left_out) == [
        "/rear/camera_info: another camera_info",
        "/rear/depth/image_raw: another depth",
    ]
    assert set(own.topics) == {"camera_info", "depth", "tf", "tf_static"}


def test_none_is_guessed_among_several(write):
    messages = [
        *drive(camera_info="a/camera_info"),
        ("/front/b/camera_info", BEGIN_NS, info(0)),
        ("/front/depth/second", BEGIN_NS, depth(0)),
    ]
    with BagSource(write(messages)) as bag:
        found = find_beside(bag, "/front/image_raw", {})
        assert set(found.topics) == {"tf", "tf_static"}
        assert len(found.left_out) == 4
        with pytest.raises(ReplayError, match="expected the depth topic /no"):
            find_beside(bag, "/front/image_raw", {"depth": "/no"})
