import pytest

from mtv_perception.bags.reader import COMPRESSED, RAW
from mtv_perception.bags.topics import choose_cameras, result_topics
from mtv_perception.errors import ReplayError


@pytest.mark.parametrize(
    ("topics", "cameras"),
    [
        ({"/image": RAW}, {"/image": ""}),
        ({"/a/b/image_raw": RAW, "/tf": "tf2_msgs/msg/TFMessage"}, {"/a/b/image_raw": ""}),
        (
            {"/front/image": RAW, "/rear/image": RAW},
            {"/front/image": "front", "/rear/image": "rear"},
        ),
        ({"/c/image": RAW, "/c/image/compressed": COMPRESSED}, {"/c/image": ""}),
        (
            {"/c/image/compressed": COMPRESSED, "/d/image": RAW},
            {"/c/image/compressed": "c", "/d/image": "d"},
        ),
        ({"/c/left": RAW, "/c/right": RAW}, {"/c/left": "c/left", "/c/right": "c/right"}),
        ({"/image": RAW, "/front/image": RAW}, {"/image": "", "/front/image": "front"}),
        (
            {
                "/image": RAW,
                "/segmentation/mask": RAW,
                "/overlay/compressed": COMPRESSED,
                "/depth/image": RAW,
                "/image/compressedDepth": COMPRESSED,
            },
            {"/image": ""},
        ),
    ],
)
def test_cameras_are_found_and_named(topics, cameras):
    assert choose_cameras(topics, (), "bag") == cameras


TOPICS = {"/front/image": RAW, "/rear/image": RAW, "/depth/image": RAW}


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
    assert choose_cameras(TOPICS, wanted, "bag") == cameras


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (("/side/image",), "expected image topic /side/image, the bag has /depth/image"),
        (("x=/front/image", "x=/rear/image"), "a name of its own"),
    ],
)
def test_mistakes_are_named(wanted, said):
    with pytest.raises(ReplayError, match=said):
        choose_cameras(TOPICS, wanted, "bag")


def test_a_bag_without_images_is_said():
    with pytest.raises(ReplayError, match="expected an image topic, the bag has /tf"):
        choose_cameras({"/tf": "tf2_msgs/msg/TFMessage"}, (), "bag")


def test_topics_are_those_of_the_node():
    assert result_topics("")["status"] == "/perception/status"
    assert result_topics("front")["status"] == "/perception/front/status"
    assert result_topics("front")["mask"] == "/front/segmentation/mask"
