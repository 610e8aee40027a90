import json
import shutil

import cv2
import numpy as np
import pytest
from mcap_ros2.reader import read_ros2_messages
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from mtv_perception.errors import ReplayError
from mtv_perception.messages.typestore import typestore
from mtv_perception.replay.jobs import make_jobs
from mtv_perception.replay.replay import ReplayOptions, replay
from mtv_perception.replay.resume import read_state
from mtv_perception.resources import share_folders

OUTPUTS = {
    "/detections",
    "/label_info",
    "/vision_info",
    "/segmentation/mask",
    "/segmentation/confidence",
    "/segmentation/label_info",
}


# Of the ten types of ros-perception/vision_msgs, branch ros2.
UPSTREAM = {
    "vision_msgs/msg/Detection2DArray": "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
    "vision_msgs/msg/LabelInfo": "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783",
    "vision_msgs/msg/VisionInfo": "RIHS01_95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284",
}


def deterministic(messages):
    return [item for item in messages if not item[0].endswith("/status")]


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        (StoragePlugin.MCAP, CompressionMode.NONE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.MESSAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
    ],
)
@pytest.mark.parametrize("form", ["raw", "compressed"])
def test_every_storage_and_form_gives_the_same_results(
    tmp_path, write_bag, red_finder, contents, plainly, storage, compression, form
):
    bag = write_bag(storage=storage, compression=compression, topics={"/image": form})
    report = replay(bag, tmp_path / "out", red_finder())
    assert (report.frames, report.failed, report.damage) == (6, 0, "")
    replay(write_bag("plain"), tmp_path / "reference", red_finder())
    ours, plain = (
        plainly(deterministic(contents(tmp_path / name))) for name in ("out", "reference")
    )
    assert ours == plain
    found = [m for topic, _, m in contents(tmp_path / "out") if topic == "/detections"]
    assert [item.detections[0].bbox.center.position.x for item in found] == [
        10.0 + i for i in range(6)
    ]


def test_messages_carry_the_source_header_and_the_nodes_topics(
    tmp_path, write_bag, red_finder, contents, plainly
):
    bag = write_bag(topics={"/front/image": "raw"})
    replay(bag, tmp_path / "out", red_finder(), ReplayOptions(extras=()))
    messages = contents(tmp_path / "out")
    assert {topic for topic, _, _ in messages} == OUTPUTS
    sources = contents(bag)
    for wanted in ("/detections", "/segmentation/mask", "/segmentation/confidence"):
        headers = [(stamp, plainly(m.header)) for topic, stamp, m in messages if topic == wanted]
        assert headers == [(stamp, plainly(m.header)) for _, stamp, m in sources]
    for topic, _, message in messages:
        if topic == "/detections":
            assert [plainly(item.header) for item in message.detections] == [
                plainly(message.header)
            ]
        if topic == "/segmentation/mask":
            assert (message.encoding, message.step, message.is_bigendian) == (
                "mono8",
                message.width,
                0,
            )


def test_several_cameras_have_topics_of_their_own(tmp_path, write_bag, red_finder, contents):
    bag = write_bag(topics={"/front/image": "raw", "/rear/image": "compressed"})
    report = replay(bag, tmp_path / "out", red_finder())
    assert report.frames == 12
    topics = [topic for topic, _, _ in contents(tmp_path / "out")]
    for topic in ("/front/detections", "/rear/segmentation/mask", "/perception/rear/status"):
        assert topics.count(topic) == 6


def test_chosen_topics_can_be_named(tmp_path, write_bag, red_finder, contents):
    bag = write_bag(topics={"/front/image": "raw", "/rear/image": "compressed"})
    replay(bag, tmp_path / "out", red_finder(), ReplayOptions(topics=("gate=/rear/image",)))
    assert "/gate/detections" in {topic for topic, _, _ in contents(tmp_path / "out")}
    with pytest.raises(
        ReplayError, match="expected image topic /side/image, the bag has /front/image"
    ):
        replay(bag, tmp_path / "other", red_finder(), ReplayOptions(topics=("/side/image",)))


def test_extras_are_written_on_request(tmp_path, write_bag, red_finder, contents):
    bag = write_bag()
    extras = ("input", "color", "overlay", "annotations", "status")
    replay(bag, tmp_path / "out", red_finder(), ReplayOptions(extras=extras))
    messages = contents(tmp_path / "out")
    topics = {topic for topic, _, _ in messages}
    others = {
        "/segmentation/color",
        "/overlay/compressed",
        "/image_annotations",
        "/perception/status",
    }
    assert topics == {*OUTPUTS, *others, "/image"}
    assert [m for t, _, m in messages if t == "/image"] != []
    overlay = next(m for t, _, m in messages if t == "/overlay/compressed")
    assert cv2.imdecode(overlay.data, cv2.IMREAD_COLOR).shape == (48, 64, 3)
    colours = next(m for t, _, m in messages if t == "/segmentation/color")
    assert colours.encoding == "rgb8"
    assert tuple(colours.data.reshape(48, 64, 3)[20, 10]) == red_finder().spec.labels.colour(2)
    annotations = next(m for t, _, m in messages if t == "/image_annotations")
    corners = [(point.x, point.y) for point in annotations.points[0].points]
    assert corners == [(4, 10), (16, 10), (16, 30), (4, 30)]
    assert annotations.texts[0].text == "person 0.90"
    last = [m for t, _, m in messages if t == "/perception/status"][-1]
    assert (last.received, last.processed, last.failed, last.detections) == (6, 6, 0, 1)
    assert (last.preprocess_ms, last.network_ms, last.postprocess_ms) == (1, 2, 3)


def test_the_same_input_gives_the_same_messages(tmp_path, write_bag, red_finder):
    bag = write_bag()
    options = ReplayOptions(extras=("annotations", "input"))
    for name in ("one", "two"):
        replay(bag, tmp_path / name / "out", red_finder(), options)
    one, two = ((tmp_path / name / "out" / "out_0.mcap").read_bytes() for name in ("one", "two"))
    assert one == two


def test_helpers_change_nothing_but_the_time(tmp_path, write_bag, red_finder, draw):
    def pixels(index):
        return draw(index) if index != 7 else np.zeros((0, 0, 3), np.uint8)

    bag, options = write_bag(frames=30, pixels=pixels), ReplayOptions(extras=("annotations",))
    helpers = [red_finder(), red_finder()]
    for name, others in (("alone", []), ("helped", helpers)):
        report = replay(bag, tmp_path / name / "out", red_finder(), options, helpers=others)
        assert (report.frames, report.failed, report.detections) == (29, 1, 29)
    alone, helped = (
        (tmp_path / name / "out" / "out_0.mcap").read_bytes() for name in ("alone", "helped")
    )
    assert alone == helped
    assert sum(helper.calls for helper in helpers) > 0


@pytest.mark.parametrize(("msgtype", "digest"), UPSTREAM.items())
def test_types_have_upstreams_hashes(msgtype, digest):
    assert typestore().hash_rihs01(msgtype) == digest


def test_standard_types_have_the_hashes_of_the_ros_that_is_here():
    """What its generators wrote beside each message; a bag names each of these types."""
    checked = 0
    for msgtype in (
        "sensor_msgs/msg/Image",
        "sensor_msgs/msg/CompressedImage",
        "std_msgs/msg/Header",
    ):
        package, _, name = msgtype.split("/")
        for share in share_folders(package):
            hashes = json.loads((share / "msg" / f"{name}.json").read_text())["type_hashes"]
            found = {item["type_name"]: item["hash_string"] for item in hashes}
            assert typestore().hash_rihs01(msgtype) == found[msgtype]
            checked += 1
    if not checked:
        pytest.skip("no ROS 2 here")


def test_two_readers_find_the_same_content_and_upstreams_hashes(
    tmp_path, write_bag, red_finder, contents, plainly
):
    replay(
        write_bag(), tmp_path / "out", red_finder(), ReplayOptions(extras=("annotations", "status"))
    )
    ours = [
        (topic, stamp, plainly(message)) for topic, stamp, message in contents(tmp_path / "out")
    ]
    other = [
        (item.channel.topic, item.log_time_ns, plainly(item.ros_msg))
        for item in read_ros2_messages(str(tmp_path / "out" / "out_0.mcap"))
    ]
    assert len(ours) == len(other) == 3 + 5 * 6
    assert sorted(map(repr, ours)) == sorted(map(repr, other))
    metadata = (tmp_path / "out" / "metadata.yaml").read_text()
    assert "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968" in metadata
    assert typestore().hash_rihs01("sensor_msgs/msg/Image") in metadata


def test_metadata_lists_latched_topics_and_files(tmp_path, write_bag, red_finder):
    import yaml

    replay(write_bag(), tmp_path / "out", red_finder())
    text = (tmp_path / "out" / "metadata.yaml").read_text()
    assert "&id" not in text and "*id" not in text
    information = yaml.safe_load(text)["rosbag2_bagfile_information"]
    assert information["relative_file_paths"] == ["out_0.mcap"]
    profiles = {
        item["topic_metadata"]["name"]: item["topic_metadata"]["offered_qos_profiles"]
        for item in information["topics_with_message_count"]
    }
    assert profiles["/label_info"][0]["durability"] == "transient_local"
    assert profiles["/detections"] == []


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf"), 1e-300, 1e15])
def test_a_rate_that_gives_no_stamps_is_refused(rate):
    """From 1e9 on all frames had one stamp."""
    with pytest.raises(ValueError, match=r"--rate\) of 0.001 to 1000 frames a second"):
        ReplayOptions(rate=rate)


def test_videos_and_folders_are_inputs_too(tmp_path, red_finder, draw, contents):
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(4):
        cv2.imwrite(str(folder / f"{index}.png"), draw(index)[..., ::-1])
    (folder / "2.png").write_bytes(b"no image")
    report = replay(folder, tmp_path / "out", red_finder(), ReplayOptions(rate=5.0))
    assert (report.frames, report.failed) == (3, 1)
    assert "2.png" in report.faults[0]
    stamps = [stamp for topic, stamp, _ in contents(tmp_path / "out") if topic == "/detections"]
    assert stamps == [0, 200_000_000, 600_000_000]


def test_unreadable_images_are_counted_and_the_rest_goes_on(tmp_path, write_bag, red_finder, draw):
    def pixels(index):
        return draw(index) if index != 2 else np.zeros((0, 0, 3), np.uint8)

    report = replay(write_bag(pixels=pixels), tmp_path / "out", red_finder())
    assert (report.frames, report.failed) == (5, 1)
    assert "got 0x0" in report.faults[0]


def test_an_existing_output_is_not_overwritten_unasked(tmp_path, write_bag, red_finder):
    bag = write_bag()
    replay(bag, tmp_path / "out", red_finder())
    with pytest.raises(ReplayError, match="expected no such folder"):
        replay(bag, tmp_path / "out", red_finder())
    assert replay(bag, tmp_path / "out", red_finder(), ReplayOptions(overwrite=True)).frames == 6
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(ReplayError, match=r"notes\.txt"):
        replay(bag, tmp_path / "out", red_finder(), ReplayOptions(overwrite=True))


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("extras", [(), ("status",), ("input", "annotations", "status")])
@pytest.mark.parametrize("killed", [False, True])
def test_an_interrupted_replay_goes_on_where_it_was(
    tmp_path, write_bag, red_finder, contents, plainly, extras, killed
):
    bag = write_bag(frames=30, topics={"/front/image": "raw", "/rear/image": "compressed"})
    options = ReplayOptions(extras=extras, resume=True)
    perceiver = red_finder()

    def stop(done, total):
        assert total == 60
        if done == 41:
            raise Interrupted

    with pytest.raises(Interrupted):
        replay(bag, tmp_path / "out", perceiver, options, stop)
    assert read_state(tmp_path / "out")["state"] == "running"
    if killed:  # As a process that was killed leaves it: no metadata, the file cut anywhere.
        (tmp_path / "out" / "metadata.yaml").unlink()
        file = tmp_path / "out" / "out_0.mcap"
        file.write_bytes(file.read_bytes()[: int(file.stat().st_size * 0.97)])
    again = red_finder()
    report = replay(bag, tmp_path / "out", again, options)
    assert report.frames == 60 and report.resumed + again.calls == 60
    assert killed or report.resumed > 30
    reference = replay(bag, tmp_path / "whole", red_finder(), ReplayOptions(extras=extras))
    assert reference.resumed == 0
    assert plainly(deterministic(contents(tmp_path / "out"))) == plainly(
        deterministic(contents(tmp_path / "whole"))
    )
    assert not list(tmp_path.glob(".*unfinished"))
    assert replay(bag, tmp_path / "out", red_finder(), options).skipped


def test_other_settings_are_no_continuation(tmp_path, write_bag, red_finder):
    bag = write_bag()
    replay(bag, tmp_path / "out", red_finder())
    with pytest.raises(ReplayError, match="expected a replay with extras"):
        replay(bag, tmp_path / "out", red_finder(), ReplayOptions(extras=(), resume=True))


def test_nothing_to_read_is_said(tmp_path, red_finder):
    with pytest.raises(ReplayError, match="found nothing"):
        replay(tmp_path / "absent", tmp_path / "out", red_finder())
    (tmp_path / "no.mcap").write_bytes(b"nonsense")
    with pytest.raises(ReplayError, match="expected a rosbag2 bag"):
        replay(tmp_path / "no.mcap", tmp_path / "out", red_finder())
    shutil.rmtree(tmp_path / "out", ignore_errors=True)


@pytest.mark.parametrize("below", ["", "inside"])
def test_a_source_is_never_written_over(tmp_path, write_bag, red_finder, below):
    bag = write_bag("out" if not below else f"out/{below}")
    before = {path: path.read_bytes() for path in bag.rglob("*") if path.is_file()}
    with pytest.raises(ReplayError, match="found the source"):
        replay(bag, tmp_path / "out", red_finder(), ReplayOptions(overwrite=True))
    assert {path: path.read_bytes() for path in bag.rglob("*") if path.is_file()} == before


def test_sources_in_the_folder_of_results_are_refused_before_any_is_replayed(tmp_path):
    sources = [tmp_path / "rec" / name for name in ("a", "b")]
    with pytest.raises(ReplayError, match="found the source"):
        make_jobs(sources, tmp_path / "rec")


@pytest.mark.parametrize("change", ["grown", "shrunk"])
def test_another_input_of_the_same_name_is_no_continuation(tmp_path, draw, red_finder, change):
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(6):
        cv2.imwrite(str(folder / f"{index}.png"), draw(index))
    replay(folder, tmp_path / "out", red_finder(), ReplayOptions(resume=True))
    if change == "grown":
        cv2.imwrite(str(folder / "6.png"), draw(6))
    else:
        (folder / "0.png").unlink()
    with pytest.raises(ReplayError, match="expected the files that the replay"):
        replay(folder, tmp_path / "out", red_finder(), ReplayOptions(resume=True))


def test_a_limit_that_is_given_up_is_no_continuation(tmp_path, write_bag, red_finder):
    bag = write_bag()
    replay(bag, tmp_path / "out", red_finder(), ReplayOptions(max_pixels=100))
    with pytest.raises(ReplayError, match="expected a replay with max_pixels"):
        replay(bag, tmp_path / "out", red_finder(), ReplayOptions(resume=True))


def test_other_content_of_the_same_size_is_no_continuation(tmp_path, draw, red_finder):
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.bmp"), draw(1))
    replay(folder, tmp_path / "out", red_finder(), ReplayOptions(resume=True))
    cv2.imwrite(str(folder / "a.bmp"), draw(2))
    with pytest.raises(ReplayError, match="the content differs; replay it again with --overwrite"):
        replay(folder, tmp_path / "out", red_finder(), ReplayOptions(resume=True))


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_finished_bag_that_was_damaged_since_is_no_result(
    tmp_path, write_bag, red_finder, damage
):
    bag = write_bag()
    replay(bag, tmp_path / "out", red_finder())
    (file,) = (tmp_path / "out").glob("*.mcap")
    content = file.read_bytes()
    file.unlink() if damage == "removed" else file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ReplayError, match="out.*; replay it again with --overwrite"):
        replay(bag, tmp_path / "out", red_finder(), ReplayOptions(resume=True))


@pytest.mark.parametrize("state", ["", "a: [", "[1]", "{frames: 3}"])
def test_a_broken_state_says_how_to_go_on(tmp_path, write_bag, red_finder, state):
    bag = write_bag()
    replay(bag, tmp_path / "out", red_finder())
    (tmp_path / "out" / "replay.yaml").write_text(state)
    with pytest.raises(ReplayError, match="replay.yaml.*(?s:.*)again with --overwrite"):
        replay(bag, tmp_path / "out", red_finder(), ReplayOptions(resume=True))
    assert replay(bag, tmp_path / "out", red_finder(), ReplayOptions(overwrite=True)).frames == 6


def test_an_empty_folder_and_a_link_are_written_to(tmp_path, write_bag, red_finder):
    bag, real, link = write_bag(), tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    for options in (ReplayOptions(), ReplayOptions(overwrite=True), ReplayOptions(resume=True)):
        assert replay(bag, link, red_finder(), options).frames == 6
    assert link.is_symlink() and (real / "real_0.mcap").is_file()


@pytest.mark.parametrize("options", [ReplayOptions(overwrite=True), ReplayOptions(resume=True)])
def test_a_bag_that_is_being_written_is_left_alone(tmp_path, write_bag, red_finder, options):
    bag, said = write_bag(), []

    def meanwhile(done, total):
        with pytest.raises(ReplayError, match="another process writes it") as error:
            replay(bag, tmp_path / "out", red_finder(), options)
        said.append(error)

    assert replay(bag, tmp_path / "out", red_finder(), progress=meanwhile).frames == 6
    assert len(said) == 6
    assert replay(bag, tmp_path / "out", red_finder(), ReplayOptions(resume=True)).skipped


def test_an_image_that_cannot_be_read_is_counted(tmp_path, draw, red_finder):
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), draw(1))
    (folder / "b.png").symlink_to(tmp_path / "nothing.png")
    report = replay(folder, tmp_path / "out", red_finder())
    assert (report.frames, report.failed) == (1, 1)
    assert "b.png: expected an image file, could not read it" in report.faults[0]
