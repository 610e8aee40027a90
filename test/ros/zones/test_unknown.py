"""Whatever goes wrong, a zone that is not known to be free is never published as free."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import LivelinessPolicy, QoSProfile
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker

from mtv_perception.msg import ZoneStateArray

INSIDE = (3.0, 0.0)
STALE_SLACK_NS = 2_000_000_000  # for a busy machine; what it took is reported


def xyz(cloud):
    return np.frombuffer(bytes(cloud.data), "<f4").reshape(-1, 3)


def test_nothing_is_known_before_names_and_calibration_came(stage, tools, tmp_path):
    stage.start(tools.zones_file(tmp_path))
    stage.wait(stage.detections.get_subscription_count, "a subscription")
    end = time.monotonic() + 1.0
    stage.wait(lambda: time.monotonic() > end and stage.zones, "messages", lambda: stage.see())

    assert {tools.meaning(state) for _, state in stage.states()} == {"unknown"}
    stage.introduce()
    stage.make("free")


def test_unknown_has_lasted_since_the_node_knows_of_the_camera(stage, tools, tmp_path):
    begun = stage.now()
    stage.start(tools.zones_file(tmp_path))
    stage.introduce()
    stage.make("free")

    unknown = [state for _, state in stage.states(begun) if not state.valid]
    assert unknown and all(tools.stamp_ns_of(state.since) >= begun for state in unknown)


def test_a_calibration_that_no_longer_holds_makes_the_zone_unknown(stage, tools, tmp_path):
    stage.start(tools.zones_file(tmp_path))
    stage.introduce()
    stage.make("free")
    stage.introduce(binning=2)
    stage.wait(
        lambda: stage.is_now("unknown") and "binning" in stage.last().reason, "unknown", stage.see
    )
    began, end = stage.now(), time.monotonic() + 1.0
    stage.wait(lambda: time.monotonic() > end, "time", stage.see)
    assert {tools.meaning(state) for _, state in stage.states(began)} == {"unknown"}
    assert all(tools.stamp_ns_of(state.since) <= began for _, state in stage.states(began))

    stage.introduce()
    stage.make("free")


def test_a_silent_source_makes_the_zone_unknown_until_it_recovers(
    stage, tools, tmp_path, record_property
):
    stage.start(tools.zones_file(tmp_path, deadline=0.4))
    stage.introduce()
    stage.make("free")
    last = stage.see()
    stage.wait(lambda: tools.stamp_ns(stage.last().header) == last, "the last result")
    stage.wait(lambda: stage.is_now("unknown"), "unknown")
    first = next(z for at, z in stage.states(last) if not z.valid)
    noticed = tools.stamp_ns(first.header) - last
    record_property("noticed_ms", noticed / 1e6)
    assert 400_000_000 < noticed < 400_000_000 + STALE_SLACK_NS

    began = stage.now()
    stage.wait(lambda: len(stage.states(began)) >= 5, "repetitions")
    assert {tools.meaning(state) for _, state in stage.states(began)} == {"unknown"}
    points = stage.wait(
        lambda: [xyz(cloud) for at, cloud in stage.clouds if at >= began], "a cloud"
    )[-1]
    assert len(points) > 100
    low, high = np.min(tools.stop, 0), np.max(tools.stop, 0)
    assert (points[:, :2] >= low - 1e-5).all() and (points[:, :2] <= high + 1e-5).all()

    def fault():
        return [
            s
            for _, m in stage.diagnostics
            for s in m.status
            if s.level == b"\x02" and "stop" in s.message
        ]

    stage.wait(fault, "diagnostics")
    stage.make("free")
    stage.wait(lambda: len(xyz(stage.clouds[-1][1])) == 0, "an empty cloud", stage.see)


def test_a_single_result_after_silence_is_not_enough_for_free(stage, tools, tmp_path):
    stage.start(tools.zones_file(tmp_path, zone={"leave_results": 3}, deadline=5.0))
    stage.introduce()
    stamps = []
    stage.wait(lambda: stage.is_now("free"), "free", lambda: stamps.append(stage.see()))
    judged = sorted({tools.stamp_ns(z.header) for _, z in stage.states() if z.valid})

    assert sum(stamp <= judged[0] for stamp in stamps) >= 3


def test_old_and_early_results_do_not_count(stage, tools, tmp_path):
    stage.start(tools.zones_file(tmp_path, deadline=0.5))
    stage.introduce()
    stage.make("free")
    stage.wait(lambda: stage.is_now("unknown"), "unknown")
    for shift in (-3_000_000_000, 3_000_000_000):
        began = stage.now()
        end = time.monotonic() + 0.8
        stage.wait(
            lambda end=end: time.monotonic() > end,
            "time",
            lambda shift=shift: stage.see(stamp=stage.now() + shift),
        )
        assert {tools.meaning(state) for _, state in stage.states(began)} == {"unknown"}


def test_messages_that_make_no_sense_are_refused_and_the_node_lives(stage, tools, tmp_path):
    stage.start(tools.zones_file(tmp_path, zone={"tests": ["foot", "mask"]}, deadline=0.4))
    stage.introduce()
    floor = np.zeros((480, 640), np.uint8)
    stage.wait(lambda: stage.is_now("free"), "free", lambda: stage.see_mask(floor, stage.see()))
    stage.wait(lambda: stage.is_now("unknown"), "unknown")

    def rubbish():
        stage.see([(np.nan, 0.0)])
        stage.see_mask(floor[:70, :160], stage.see())
        header = stage.header(stage.now())
        stage.detections.publish(tools.detection_of_class("99", header))
        stage.status.publish(tools.status_message(header))

    end = time.monotonic() + 1.0
    began = stage.now()
    stage.wait(lambda: time.monotonic() > end, "time", rubbish)
    assert "free" not in {tools.meaning(state) for _, state in stage.states(began)}
    stage.wait(lambda: stage.is_now("free"), "free", lambda: stage.see_mask(floor, stage.see()))


def test_mask_alone_occupies_and_a_missing_mask_is_not_free(stage, tools, tmp_path):
    stage.start(tools.zones_file(tmp_path, zone={"tests": ["foot", "mask"]}, deadline=0.6))
    stage.introduce()
    floor = np.zeros((480, 640), np.uint8)
    someone = floor.copy()
    x0, y0, x1, y1 = map(round, tools.person_box(*INSIDE))
    someone[y0:y1, x0:x1] = 2
    stage.wait(lambda: stage.is_now("free"), "free", lambda: stage.see_mask(floor, stage.see()))
    stage.wait(
        lambda: stage.is_now("occupied"), "occupied", lambda: stage.see_mask(someone, stage.see())
    )
    assert stage.last().objects == 1
    assert stage.last().nearest_distance == pytest.approx(np.hypot(2.7, 1.2), abs=0.1)
    # From here on no mask comes: occupied is held while it is fresh, then unknown; free it never
    # is.
    began = stage.now()
    stage.wait(lambda: stage.is_now("unknown"), "unknown", stage.see)
    assert "free" not in {tools.meaning(state) for _, state in stage.states(began)}


def test_the_end_is_announced_as_unknown(stage, tools, tmp_path):
    process = stage.start(tools.zones_file(tmp_path, deadline=10.0))
    stage.introduce()
    stage.make("free")
    process.terminate()

    assert process.wait(30) == 0
    end = time.monotonic() + 10
    while not stage.is_now("unknown") and time.monotonic() < end:
        time.sleep(0.05)
    assert stage.is_now("unknown")


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"deadlin": 1.0}, "deadlin"), ({"zone": {"polygon": [[0, 0], [1, 1]]}}, "three or more")],
)
def test_a_wrong_file_is_one_clear_error(stage, tools, tmp_path, changes, text):
    process = stage.start(tools.zones_file(tmp_path, **changes))

    assert process.wait(60) != 0
    assert text in stage.log()
    assert "Traceback" not in stage.log()


def test_markers_show_the_zone_and_do_not_outlive_the_node(stage, tools, tmp_path):
    stage.host(tools.zones_file(tmp_path, deadline=0.5, repeat=0.1))
    stage.introduce()

    def shown(word):
        with stage.changed:
            arrays = [message.markers for _, message in stage.markers]
        return [item for item in arrays if item and item[-1].text == f"stop\n{word}"]

    stage.wait(lambda: shown("occupied"), "a marker", lambda: stage.see([INSIDE]))
    outline, title = shown("occupied")[-1][-2:]
    assert outline.header.frame_id == "base_link"
    assert len(outline.points) == 5
    for marker in (outline, title):
        lifetime = marker.lifetime.sec + marker.lifetime.nanosec / 1e9
        assert lifetime == pytest.approx(0.6)
    # A display drops what an earlier node, perhaps with more zones, has left, also if it misses the
    # first message.
    firsts = [array.markers[0] for _, array in stage.markers]
    assert {(first.action, first.ns) for first in firsts} == {(Marker.DELETEALL, "zones")}


def test_states_are_published_at_a_fixed_period_with_a_sequence_number(stage, tools, tmp_path):
    stage.host(tools.zones_file(tmp_path, deadline=20.0, repeat=0.05))
    stage.introduce()
    stage.make("free")
    began = stage.now()  # No result comes from here on, and the last one stays fresh.
    stage.wait(lambda: len(stage.states(began)) >= 5, "repetitions")

    assert {tools.meaning(state) for _, state in stage.states(began)} == {"free"}
    numbers = [message.sequence for _, message in stage.zones]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_results_of_the_future_are_not_used(stage, tools, tmp_path):
    stage.host(tools.zones_file(tmp_path, deadline=0.5))
    stage.introduce()
    stage.make("free")
    began, end = stage.now(), time.monotonic() + 1.5

    def see():
        stage.see([INSIDE], stamp=stage.now() + 300_000_000)

    stage.wait(lambda: time.monotonic() > end, "time", see)
    assert not [z for _, z in stage.states(began) if z.valid and tools.stamp_ns(z.header) > began]
    assert stage.is_now("unknown")
    assert "in the future" in stage.last().reason


def test_the_middleware_can_watch_the_zones(stage, tools, tmp_path):
    """A consumer that asks for deadline and liveliness is served, and told when the node hangs."""
    lost = []
    stage.host(tools.zones_file(tmp_path, deadline=0.5))
    stage.introduce()
    watch = SubscriptionEventCallbacks(
        deadline=lambda _: None,
        liveliness=lambda event: lost.append(event.alive_count == 0),
    )
    qos = QoSProfile(
        depth=5,
        deadline=Duration(seconds=0.5),
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=Duration(seconds=0.5),
    )
    received = []
    stage.node.create_subscription(
        ZoneStateArray, "zones/zones", received.append, qos, event_callbacks=watch
    )
    stage.wait(lambda: received, "a message under these qualities of service")
    stage.process.hold()  # It is alive, but its callbacks do not run.
    stage.wait(lambda: lost and lost[-1], "the loss of liveliness")
    stage.process.hold(False)
    stage.wait(lambda: not lost[-1], "liveliness again")


def test_a_wrong_zones_file_is_refused_at_run_time_and_the_old_one_stays(stage, tools, tmp_path):
    good = tools.zones_file(tmp_path)
    stage.host(good)
    stage.introduce()
    stage.make("free")
    for file, text in (
        (tools.zones_file(tmp_path, deadlin=1.0), "deadlin"),
        (tmp_path / "nowhere.yaml", "nowhere.yaml"),
        ("", "zones_file"),
    ):
        (answer,) = stage.process.set(zones_file=str(file))
        assert not answer.successful and text in answer.reason
    assert stage.process.node.get_parameter("zones_file").value == str(good)
    stage.make("free")

    (answer,) = stage.process.set(zones_file=str(tools.zones_file(tmp_path, zone={"name": "new"})))
    assert answer.successful
    stage.wait(lambda: stage.last().name == "new", "the new zone")
    stage.calibrate()
    stage.make("free")


def test_what_is_missing_is_logged_with_what_is_seen(stage, tools, tmp_path):
    stage.node.destroy_publisher(stage._info)
    stage.publish_elsewhere(Image, "camera_info")
    stage.start(tools.zones_file(tmp_path))

    # The first word may come before the publisher of another type is discovered.
    wrong_type = "sensor_msgs/msg/Image"
    stage.wait(lambda: wrong_type in stage.log(), "a word about the type of camera_info")
    assert "sensor_msgs/msg/CameraInfo" in stage.log()
    assert "detections" in stage.log()
