import pytest

pytest.importorskip("rclpy", reason="needs a ROS 2")

from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool
from vision_msgs.msg import Detection2DArray

from mtv_perception.bags.reader import RAW, BagSource
from mtv_perception.bags.writer import BagWriter
from mtv_perception.compare.compare import compare_runs
from mtv_perception.compare.runs import open_run
from mtv_perception.messages.typestore import builder
from mtv_perception.replay.replay import replay
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact

BEGIN_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
STAMPS = [BEGIN_NS + index * PERIOD_NS for index in range(12)]


def stamps(images):
    return [stamp_ns(image.header) for image in images]


def times(clock):
    return [tick.clock.sec * 1_000_000_000 + tick.clock.nanosec for tick in clock]


ALONE = {"wait_for_subscribers": 0, "settle": 0.0, "linger": 0.0}


def test_a_bag_is_played_at_its_own_stamps_with_a_clock(stage, image_bag):
    images, clock = stage.listen(Image, "image"), stage.listen(Clock, "/clock", depth=5000)
    process = stage.start("image_replay_node", source=str(image_bag), clock=True, linger=0.2)
    stage.wait(lambda: process.poll() is not None, "the end of the bag")
    stage.spin(0.5)
    assert set(stamps(images)) <= set(STAMPS) and stamps(images) == sorted(stamps(images)) != []
    assert {image.header.frame_id for image in images} == {"front_camera"}
    ticks = times(clock)
    assert ticks == sorted(ticks)
    assert STAMPS[0] <= ticks[0] and ticks[-1] <= STAMPS[-1]
    assert len(set(ticks)) > len(STAMPS)
    assert process.returncode == 0


def test_an_image_out_of_order_does_not_turn_the_clock_back(stage, write_images):
    order = [0, 1, 2, 4, 3, 5, 6, 7, 8, 9, 10, 11]
    images, clock = stage.listen(Image, "image"), stage.listen(Clock, "/clock", depth=5000)
    process = stage.start(
        "image_replay_node", source=str(write_images(order)), clock=True, linger=0.2
    )
    stage.wait(lambda: process.poll() is not None, "the end of the bag")
    stage.spin(0.5)
    assert stamps(images) == [STAMPS[0] + moment * PERIOD_NS for moment in order]
    ticks = times(clock)
    assert ticks == sorted(ticks) and len(set(ticks)) > len(STAMPS)


def test_images_before_the_first_one_are_published(stage, write_images):
    """They were taken for those before the offset, and the bag began again for ever."""
    order = range(11, -1, -1)
    images = stage.listen(Image, "image")
    process = stage.start("image_replay_node", source=str(write_images(order)), clock=True)
    stage.wait(lambda: process.poll() is not None, "the end of the bag")
    stage.spin(0.5)
    assert process.returncode == 0
    assert stamps(images) == STAMPS[::-1]
    assert "11 images are stamped before an earlier one" in stage.log("image_replay_node")


def test_stamps_below_zero_are_skipped_and_counted(stage, write_images):
    below = -(STAMPS[0] // PERIOD_NS) - 1
    source = write_images([below, 0, 1, below, 2])
    process = stage.start("image_replay_node", source=str(source), clock=True, **ALONE)
    stage.wait(lambda: process.poll() is not None, "the end of the bag")
    assert process.returncode == 1
    log = stage.log("image_replay_node")
    assert "/image#3: expected a stamp from 0 on, got -" in log
    assert "published 3 frames, skipped 2" in log


def test_it_begins_where_asked_pauses_jumps_and_loops(stage, image_bag):
    images = stage.listen(Image, "image")
    stage.start(
        "image_replay_node",
        source=str(image_bag),
        clock=True,
        start_offset=0.6,
        loop=True,
        speed=2.0,
    )
    stage.wait(lambda: images, "an image")
    assert stamps(images)[0] >= STAMPS[6]
    answer = stage.call(SetBool, "image_replay/pause", SetBool.Request(data=True))
    assert answer.message == "paused"
    stage.spin(0.5)  # what was on its way
    before = len(images)
    stage.spin(1.0)
    assert len(images) == before
    stage.call(SetBool, "image_replay/pause", SetBool.Request(data=False))
    stage.wait(lambda: len(images) > before, "images after the pause")
    seek(stage, 0.2)
    stage.wait(
        lambda: STAMPS[2] in stamps(images) or STAMPS[3] in stamps(images),
        "images before the offset",
    )
    stage.wait(lambda: backward(stamps(images)) >= 2, "time jumping back at the end of the bag")
    fixed = SetParameters.Request(parameters=[Parameter("speed", value=3.0).to_parameter_msg()])
    assert not stage.call(SetParameters, "image_replay/set_parameters", fixed).results[0].successful


def seek(stage, seconds):
    jump = SetParameters.Request(
        parameters=[Parameter("start_offset", value=seconds).to_parameter_msg()]
    )
    assert stage.call(SetParameters, "image_replay/set_parameters", jump).results[0].successful


def test_an_offset_behind_the_end_is_told_and_the_node_plays_on(stage, image_bag):
    images = stage.listen(Image, "image")
    stage.start("image_replay_node", source=str(image_bag), clock=True, loop=True, speed=2.0)
    stage.wait(lambda: images, "an image")
    seek(stage, 99.0)
    stage.wait(
        lambda: "at most 1.10 s, the source's length, got 99" in stage.log("image_replay_node"),
        "a word about the offset",
    )
    before = len(images)
    stage.wait(lambda: len(images) > before, "images from the beginning")


@pytest.mark.parametrize("loop", [False, True])
def test_an_offset_behind_the_end_ends_the_node_at_start(stage, image_bag, loop):
    stage.listen(Image, "image")
    process = stage.start(
        "image_replay_node", source=str(image_bag), clock=True, loop=loop, start_offset=1.2
    )
    stage.wait(lambda: process.poll() is not None, "the end of the node")
    assert process.returncode == 2
    assert "start_offset: expected at most 1.10 s" in stage.log("image_replay_node")


def test_a_broken_image_in_a_bag_is_skipped(stage, image_bag, tmp_path):
    """The rest of the bag is played."""
    build = builder()
    with BagSource(image_bag) as bag, BagWriter(tmp_path / "broken") as broken:
        for index, message in enumerate(bag.messages(bag.named(["/image"]))):
            content = bag.deserialize(message)
            if index == 4:
                content = build.make("sensor_msgs/msg/Image", **{**vars(content), "step": 1})
            broken.write("/image", RAW, message.log_ns, content)
    images = stage.listen(Image, "image")
    process = stage.start("image_replay_node", source=str(tmp_path / "broken"), rate=10.0)
    stage.wait(lambda: process.poll() is not None, "the end of the bag")
    assert process.returncode == 1
    log = stage.log("image_replay_node")
    assert "image skipped" in log and "published 11 frames, skipped 1" in log
    assert images


def backward(values):
    return sum(later < earlier for earlier, later in zip(values, values[1:], strict=False))


@pytest.mark.parametrize("parameters", [{"speed": -1.0}, {"encoding": "nv21"}])
def test_mistakes_end_the_node(stage, image_bag, parameters):
    process = stage.start("image_replay_node", source=str(image_bag), **parameters)
    stage.wait(lambda: process.poll() is not None, "the end of the node")
    assert process.returncode == 2
    assert f"{next(iter(parameters))}: expected" in stage.log("image_replay_node")


def test_the_node_and_the_offline_replay_say_the_same(stage, image_bag, model, tmp_path):
    """Through DDS, round a loop and through seeks in simulated time: the same boxes, scores and
    pixels as offline.
    """
    recorder = stage.start("recorder_node", bag=str(tmp_path / "recorded"))
    # Offline it is LiteRT, so that the same input gives the same numbers everywhere.
    engine = {"backend": "litert", "use_sim_time": True, "time_jump": 0.15}
    stage.start("perception_node", model=model, **engine)
    stage.wait(lambda: " ready" in stage.log("perception_node"), "the model")
    found = stage.listen(Detection2DArray, "detections")
    stage.start("image_replay_node", source=str(image_bag), clock=True, loop=True, speed=0.25)
    stage.wait(
        lambda: backward(stamps(found)) >= 1 and len(set(stamps(found))) >= 3,
        "results in two rounds",
    )
    seek(stage, 0.9)  # From here on the loop is the last three images.
    stage.wait(lambda: min(stamps(found)[-4:]) >= STAMPS[9], "results after a seek ahead")
    seek(stage, 0.0)
    stage.wait(lambda: stamps(found)[-1] < STAMPS[9], "results after a seek back")
    stage.stop(recorder)
    replay(image_bag, tmp_path / "offline", Perceiver(load_artefact(model), PerceiverConfig()))
    offline, recorded = open_run(tmp_path / "offline"), open_run(tmp_path / "recorded")
    assert set(recorded.frames) <= set(offline.frames)
    comparison = compare_runs(recorded, offline)
    assert comparison.figures["unmatched"] == 0.0
    assert comparison.figures["score_drift"] in (0.0, None)
    assert comparison.figures["box_iou"] in (None, pytest.approx(1.0, abs=1e-6))
    assert comparison.figures["mask_agreement"] in (1.0, None)
