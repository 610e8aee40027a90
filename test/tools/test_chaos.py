import sys

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from rclpy.time import Time
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from mtv_perception.msg import PerceptionStatus, ZoneState, ZoneStateArray
from mtv_perception.resources import SOURCE_ROOT

sys.path.insert(0, str(SOURCE_ROOT / "tools" / "attacks"))
import chaos
from chaos_monitor import Monitor, Truth

NOW = 1_000 * chaos.SECOND
CLASSES = ["background", "rail", "person"]


def header(stamp=NOW):
    return Header(stamp=Time(nanoseconds=stamp).to_msg())


def array(*class_ids, stamp=NOW):
    message = Detection2DArray(header=header(stamp))
    for class_id in class_ids:
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = class_id
        message.detections.append(Detection2D(results=[result]))
    return message


def status(stamp=NOW, **changes):
    values = {"source_height": 120, "source_width": 160, "classes": CLASSES, "received": 1}
    return PerceptionStatus(header=header(stamp), **{**values, "processed": 1, **changes})


def zones(valid, occupied, stamp=NOW):
    state = ZoneState(header=header(stamp), valid=valid, occupied=occupied)
    return ZoneStateArray(header=header(stamp), zones=[state])


@pytest.fixture
def monitor():
    """A monitor that knows of an image with a person."""
    monitor = Monitor()
    monitor.sent(NOW, Truth(person=True))
    monitor.sent(NOW + 1, Truth(broken=True))
    monitor.sent(NOW + 2, Truth(size_hw=(240, 320)))
    return monitor


def test_what_is_right_is_no_violation(monitor):
    monitor.silence(NOW - 100)
    monitor.speech(NOW - 50)
    monitor.detections(array("person"), NOW)
    monitor.status(status(), NOW)
    monitor.zones(zones(True, True), NOW)
    monitor.zones(zones(False, False, stamp=7), NOW)
    monitor.zones(zones(True, False, stamp=NOW + 3), NOW)
    assert len(monitor.violations) == 1, "the last is of an image that nobody sent"
    assert monitor.checked["zones"] == 3


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda m: m.detections(array("person", stamp=5), NOW), "never sent"),
        (lambda m: m.detections(array(stamp=NOW + 1), NOW), "broken"),
        (lambda m: [m.detections(array("person"), NOW) for _ in range(2)], "two results"),
        (lambda m: m.detections(array(), NOW), "expected 1"),
        (lambda m: m.detections(array("rail"), NOW), "called"),
        (lambda m: [m.detections(array("1"), NOW), m.status(status(), NOW)], "numbers"),
        (lambda m: [m.status(status(), NOW), m.detections(array("1"), NOW)], "numbers"),
        (lambda m: [m.silence(NOW - 9), m.detections(array("person"), NOW)], "while silent"),
        (lambda m: m.status(status(source_width=320), NOW), "size"),
        (lambda m: m.status(status(failed=1), NOW), "received"),
        (lambda m: m.zones(zones(True, False), NOW), "FREE with a person inside"),
        (lambda m: m.zones(zones(True, False, stamp=NOW + 2), NOW), "another size"),
        (lambda m: m.zones(zones(True, True), NOW + chaos.SECOND), "old"),
    ],
)
def test_every_violation_is_found(monitor, say, words):
    say(monitor)
    assert any(words in text for text in monitor.violations), monitor.violations


@pytest.mark.parametrize("seed", [3])
def test_a_short_storm_does_no_harm(ros_domain, tmp_path, seed):
    storm = chaos.run_seed(seed, 15.0, ros_domain, tmp_path)
    assert not storm.monitor.violations
    assert storm.monitor.checked["detections"] and storm.monitor.checked["zones"]
    assert storm.events
