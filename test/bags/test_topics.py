"""Which topics are pictures of cameras: chosen, named, and what is left out is said."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mtv_perception.bags.reader import COMPRESSED, RAW
from mtv_perception.bags.storage import Topic
from mtv_perception.bags.topics import choose_cameras, pictures_of, result_topics
from mtv_perception.errors import ReplayError

STRING = "std_msgs/msg/String"
NOISE = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)


def raw(encoding="bgr8", data=NOISE):
    return SimpleNamespace(encoding=encoding, data=data.reshape(-1), height=40, width=60)


def packed(form="jpeg", pixels=NOISE):
    _, coded = cv2.imencode(".png", pixels)
    return SimpleNamespace(format=form, data=coded.reshape(-1))


class FakeBag:
    """Topics with their first messages, by name and type.

    A number stands for how many there are.
    """

    path = "bag"

    def __init__(self, topics):
        self.firsts, self.counts = {}, {}
        for key, content in topics.items():
            name, msgtype = key if isinstance(key, tuple) else (key, None)
            message, count = content if isinstance(content, tuple) else (content, 4)
            if msgtype is None:
                msgtype = COMPRESSED if hasattr(message, "format") else RAW
            topic = Topic(name, msgtype)
            self.firsts[topic], self.counts[topic] = message, count

    def first(self, topic):
        return self.firsts[topic] if self.counts[topic] else None

    def deserialize(self, message):
        return message


def cameras_of(topics, wanted=()):
    return choose_cameras(FakeBag(topics), wanted).by_name


def left_out(topics, wanted=()):
    return {
        (item.topic.name, item.topic.msgtype): item.why
        for item in choose_cameras(FakeBag(topics), wanted).left_out
    }


@pytest.mark.parametrize(
    ("topics", "cameras"),
    [
        ({"/image": raw()}, {"/image": ""}),
        (
            {"/a/b/image_raw": raw(), ("/tf", "tf2_msgs/msg/TFMessage"): None},
            {"/a/b/image_raw": ""},
        ),
        (
            {"/front/image": raw(), "/rear/image": raw()},
            {"/front/image": "front", "/rear/image": "rear"},
        ),
        ({"/c/image": raw(), "/c/image/compressed": packed()}, {"/c/image": ""}),
        (
            {"/c/image/compressed": packed(), "/d/image": raw()},
            {"/c/image/compressed": "c", "/d/image": "d"},
        ),
        ({"/c/left": raw(), "/c/right": raw()}, {"/c/left": "c/left", "/c/right": "c/right"}),
        ({"/image": raw(), "/front/image": raw()}, {"/image": "", "/front/image": "front"}),
    ],
)
def test_cameras_are_found_and_named(topics, cameras):
    assert cameras_of(topics) == cameras


@pytest.mark.parametrize(
    "name",
    [
        "/depth_camera/image_raw",
        "/depthai_oak/rgb/image_raw",
        "/camera_depth/color/image_raw",
        "/rgbd/image",
    ],
)
@pytest.mark.parametrize("encoding", ["bgr8", "rgb8", "mono8", "yuv422_yuy2", "bayer_rggb8"])
def test_a_colour_image_of_a_depth_camera_is_a_picture(name, encoding):
    assert cameras_of({name: raw(encoding)}) == {name: ""}
    coded = f"{name}/compressed"
    pixels = NOISE.astype(np.uint16 if encoding.startswith("bayer") else np.uint8)
    assert cameras_of({coded: packed(f"{encoding}; png compressed", pixels)}) == {coded: ""}


@pytest.mark.parametrize(
    ("name", "message", "why"),
    [
        ("/aligned/image_raw", raw("16UC1"), "depth image by its encoding 16UC1"),
        ("/range/image", raw("32FC1"), "depth image by its encoding 32FC1"),
        ("/camera/depth/image_rect", raw("mono16"), "depth image by its encoding mono16"),
        ("/c/image_raw/compressedDepth", packed("16UC1; compressedDepth png"), "transport"),
        (
            "/aligned/image/compressed",
            packed("16UC1; png compressed "),
            "depth image by its format",
        ),
        (
            "/c/depth/image_raw/compressed",
            packed("mono16; png compressed", NOISE.astype(np.uint16)),
            "depth image by its format",
        ),
        (
            "/c/depth/image_raw/compressed",
            packed("png", NOISE.astype(np.uint16)),
            "depth image by its name and its 16 bits",
        ),
        ("/camera/stream", packed("h264"), "video stream"),
        ("/x/segmentation/mask", raw("mono8"), "result of this package"),
        ("/overlay/compressed", packed(), "result of this package"),
        ("/camera/semantic_segmentation", raw("mono8", NOISE % 7), "class numbers"),
        ("/camera/instance_ids", raw("mono8", NOISE % 20), "class numbers"),
        ("/camera/labels_map", raw("rgb8", np.repeat(NOISE % 5, 3)), "class numbers"),
        ("/camera/seg/image_raw", raw("mono8", NOISE % 7), "class numbers"),
        ("/camera/semantic/compressed", packed("png", NOISE % 7), "class numbers"),
        (
            "/camera/semantic/compressed",
            packed("rgb8; png compressed", np.dstack([NOISE % 5] * 3)),
            "class numbers",
        ),
        ("/rear/image", (raw(), 0), "nothing was recorded"),
    ],
)
def test_what_is_no_picture_is_left_out_and_named(name, message, why):
    topics = {name: message, "/front/image_raw": raw()}
    assert cameras_of(topics) == {"/front/image_raw": ""}
    ((found, reason),) = left_out(topics).items()
    assert found[0] == name and why in reason
    with pytest.raises(ReplayError, match=r"--topics"):
        choose_cameras(FakeBag({name: message}))
    assert cameras_of(topics, [name]) == {name: ""}


@pytest.mark.parametrize(
    "name", ["/segmentation_camera/image_raw", "/class_room/image", "/labelled/cam"]
)
def test_a_picture_with_a_telling_name_is_a_picture(name):
    assert cameras_of({name: raw("rgb8", np.tile(NOISE, 3))}) == {name: ""}
    assert cameras_of({f"{name}/compressed": packed()}) == {f"{name}/compressed": ""}


def test_the_better_one_of_a_topic_and_its_compressed_twin_is_used():
    for image, twin, better in (
        ((raw(), 4), (packed(), 4), "/c/image"),
        ((raw(), 0), (packed(), 4), "/c/image/compressed"),
        ((raw(), 2), (packed(), 40), "/c/image/compressed"),
        ((raw("nv12"), 4), (packed(), 4), "/c/image/compressed"),
        ((raw(), 4), (packed(), 0), "/c/image"),
    ):
        topics = {"/c/image": image, "/c/image/compressed": twin}
        assert list(cameras_of(topics)) == [better]
        assert len(left_out(topics)) == 1


@pytest.mark.parametrize("names", [(RAW, STRING), (STRING, RAW)])
def test_a_name_with_two_types_gives_the_images(names):
    topics = {("/image", msgtype): raw() for msgtype in names}
    assert cameras_of(topics) == {"/image": ""}
    assert cameras_of(topics, ["/image"]) == {"/image": ""}
    assert left_out(topics) == {("/image", STRING): f"{STRING} is not read"}


TOPICS = {"/front/image": raw(), "/rear/image": raw(), "/depth/image": raw("16UC1")}


@pytest.mark.parametrize(
    ("wanted", "cameras"),
    [
        (("/depth/image",), {"/depth/image": ""}),
        (("x=/front/image",), {"/front/image": "x"}),
        (("x=/front/image", "/rear/image"), {"/front/image": "x", "/rear/image": "rear"}),
        (("=/front/image", "/rear/image"), {"/front/image": "", "/rear/image": "rear"}),
    ],
)
def test_topics_can_be_chosen_and_named(wanted, cameras):
    assert cameras_of(TOPICS, wanted) == cameras
    assert set(left_out(TOPICS, wanted).values()) == {"not among the topics asked for"}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (("/side/image",), "expected image topic /side/image, the bag has /depth/image"),
        (("x=/front/image", "x=/rear/image"), "a name of its own"),
    ],
)
def test_mistakes_are_named(wanted, said):
    with pytest.raises(ReplayError, match=said):
        choose_cameras(FakeBag(TOPICS), wanted)


@pytest.mark.parametrize(
    "kind",
    ["tf2_msgs/msg/TFMessage", "foxglove.CompressedImage", "foxglove_msgs/msg/CompressedVideo"],
)
def test_a_bag_without_images_is_said_with_its_types(kind):
    with pytest.raises(ReplayError, match=rf"expected an image topic .* /x \({kind}\)"):
        choose_cameras(FakeBag({("/x", kind): None}))


@pytest.mark.parametrize(
    "kind",
    [
        "foxglove_msgs/msg/CompressedVideo",
        "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
        "theora_image_transport/msg/Packet",
        "realsense2_camera_msgs/msg/RGBD",
        "rtabmap_msgs/msg/RGBDImages",
    ],
)
def test_images_of_a_foreign_type_beside_a_camera_are_named(kind):
    topics = {"/image": raw(), ("/video", kind): None}
    assert left_out(topics) == {("/video", kind): f"{kind} is not read"}


@pytest.mark.parametrize(
    "kind", ["velodyne_msgs/msg/VelodynePacket", "visualization_msgs/msg/ImageMarker"]
)
def test_what_holds_no_images_is_not_named(kind):
    assert left_out({"/image": raw(), ("/other", kind): None}) == {}


def test_topics_are_those_of_the_node():
    assert result_topics("")["status"] == "/perception/status"
    assert result_topics("front")["status"] == "/perception/front/status"
    assert result_topics("front")["mask"] == "/front/segmentation/mask"


def test_pictures_are_those_of_cameras_alone():
    """A depth image of the same stamp would cover the picture."""
    bag = FakeBag(
        {("/camera/image_raw", RAW): raw(), ("/camera/depth/image_raw", RAW): raw("16UC1")}
    )

    assert [topic.name for topic in pictures_of(bag, ())] == ["/camera/image_raw"]
    assert pictures_of(bag, ["/camera/image_raw"]) == []
    assert pictures_of(FakeBag({("/depth", RAW): raw("16UC1")}), ()) == []


@pytest.mark.parametrize(("raws", "coded"), [(4, 3), (3, 4)])
@pytest.mark.parametrize("wanted", [(), ("/image",)])
def test_of_image_types_of_one_name_the_one_with_more_messages_is_used(raws, coded, wanted):
    topics = {("/image", RAW): (raw(), raws), ("/image", COMPRESSED): (packed(), coded)}
    fuller, other = (RAW, COMPRESSED) if raws > coded else (COMPRESSED, RAW)
    assert list(choose_cameras(FakeBag(topics), wanted).cameras) == [Topic("/image", fuller)]
    (why,) = left_out(topics).values()
    assert list(left_out(topics)) == [("/image", other)]
    assert why == f"{fuller} of the same name has more messages"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (("../x=/image",), "expected a camera's name of letters, digits and '_'.*got '../x'"),
        (("1a=/image",), "got '1a'"),
        (("ü=/image",), "got 'ü'"),
        (("a b=/image",), "got 'a b'"),
        (("a//b=/image",), "got 'a//b'"),
        (("a=/image", "b=/image"), "--topics b=/image: expected one name for /image, got 'a' too"),
    ],
)
def test_a_name_that_is_no_part_of_a_topic_is_refused(wanted, why):
    with pytest.raises(ReplayError, match=why):
        choose_cameras(FakeBag({"/image": raw()}), wanted)
    for name in ("a=/image", "/a/b/=/image", "=/image", "_a1=/image", "/image"):
        assert list(cameras_of({"/image": raw()}, (name, name))) == ["/image"]
