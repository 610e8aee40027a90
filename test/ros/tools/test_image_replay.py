import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from sensor_msgs.msg import CompressedImage, Image

from mtv_perception.ros.conversions import compressed_to_rgb, image_to_rgb, stamp_ns

GREYS = (40, 120, 200)


@pytest.fixture
def folder(tmp_path):
    """A folder of images, each of its own grey."""
    path = tmp_path / "images"
    path.mkdir()
    for index, grey in enumerate(GREYS):
        assert cv2.imwrite(str(path / f"{index}.png"), np.full((24, 32, 3), grey, np.uint8))
    return path


@pytest.mark.parametrize(
    ("parameters", "kind", "topic", "to_rgb"),
    [
        ({"encoding": "rgb8"}, Image, "image", image_to_rgb),
        ({"encoding": "mono8"}, Image, "image", image_to_rgb),
        ({"compressed": True}, CompressedImage, "image/compressed", compressed_to_rgb),
    ],
)
def test_a_folder_is_published_once_in_order_and_the_node_ends(
    own_graph, folder, parameters, kind, topic, to_rgb
):
    heard = own_graph.subscribe(kind, topic)
    process = own_graph.start(
        "image_replay_node", source=str(folder), frame_id="lens", rate=20.0, **parameters
    )
    own_graph.wait(lambda: process.poll() is not None, "the end", alive=False)
    assert process.returncode == 0, own_graph.log()
    assert [round(float(to_rgb(message).mean())) for message in heard] == pytest.approx(
        GREYS, abs=2
    )
    assert {message.header.frame_id for message in heard} == {"lens"}
    stamps = [stamp_ns(message.header) for message in heard]
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "/no/such/clip.mp4"},
        {"source": ""},
        {"encoding": "octarine8"},
        {"rate": 0.0},
        {"rate": "fast"},
        {"stamps_file": "/no/such/folder/stamps"},
    ],
    ids=str,
)
def test_what_can_not_be_replayed_is_an_error_and_status_two(own_graph, folder, wrong):
    parameters = {"source": str(folder), "wait_for_subscribers": 0, "linger": 0.0, **wrong}
    process = own_graph.start("image_replay_node", **parameters)
    own_graph.process = None
    own_graph.wait(lambda: process.poll() is not None, "the end")
    assert process.returncode == 2
    assert next(iter(wrong)) in own_graph.log() and "Traceback" not in own_graph.log()


def write_bag_of_ros1(folder):
    path = folder / "run.bag"
    path.write_bytes(b"#ROSBAG V2.0\n")
    return path, "rosbags-convert"


def write_archive(folder):
    path = folder / "run.mcap.gz"
    path.write_bytes(b"\x1f\x8b")
    return path, "unpack run.mcap.gz first"


def write_metadata_alone(folder):
    (folder / "bag").mkdir()
    (folder / "bag" / "metadata.yaml").write_text(
        "rosbag2_bagfile_information: {relative_file_paths: [bag_0.mcap]}"
    )
    return folder / "bag", "without its storage files"


def write_nothing(folder):
    (folder / "empty").mkdir()
    return folder / "empty", "expected images"


@pytest.mark.parametrize(
    "write", [write_bag_of_ros1, write_archive, write_metadata_alone, write_nothing]
)
def test_a_source_without_images_is_refused_before_anyone_subscribes(own_graph, tmp_path, write):
    source, said = write(tmp_path)
    process = own_graph.start("image_replay_node", source=str(source))
    own_graph.process = None
    own_graph.wait(lambda: process.poll() is not None, "the end")
    assert process.returncode == 2
    assert said in own_graph.log() and "Traceback" not in own_graph.log()


@pytest.mark.parametrize("count", [1, 2])
def test_a_loop_keeps_its_rate_from_round_to_round(own_graph, folder, count):
    for index in range(count, len(GREYS)):
        (folder / f"{index}.png").unlink()
    heard = own_graph.subscribe(Image, "image")
    own_graph.start("image_replay_node", source=str(folder), rate=10.0, loop=True)
    own_graph.wait(lambda: len(heard) > 8, "several rounds")
    stamps = [stamp_ns(message.header) for message in heard]
    # A late frame may be followed by one that comes early; most are a tenth of a second apart.
    assert np.median(np.diff(stamps)) > 50_000_000


def test_an_image_that_jpeg_can_not_hold_is_skipped(own_graph, tmp_path):
    folder = tmp_path / "wide"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "a.png"), np.zeros((2, 65530), np.uint8))
    own_graph.subscribe(CompressedImage, "image/compressed")
    process = own_graph.start("image_replay_node", source=str(folder), compressed=True)
    own_graph.process = None
    own_graph.wait(lambda: process.poll() is not None, "the end")
    assert process.returncode == 2
    assert "65530x2" in own_graph.log() and "Traceback" not in own_graph.log()


def test_damage_that_leaves_no_frame_is_status_two(own_graph, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(500))
    process = own_graph.start(
        "image_replay_node", source=str(tmp_path / "clip.mp4"), wait_for_subscribers=0, linger=0.0
    )
    own_graph.process = None
    own_graph.wait(lambda: process.poll() is not None, "the end")
    assert process.returncode == 2
    assert "clip.mp4: expected a video" in own_graph.log()
    assert "Traceback" not in own_graph.log()
