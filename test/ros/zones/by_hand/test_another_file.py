"""Another zones file is taken into use while the node runs."""

import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

import rclpy
from rclpy.duration import Duration
from visualization_msgs.msg import Marker, MarkerArray

from mtv_perception.ros.zones import node as node_module

TWO = ({"name": "front", "zones": [{"name": "a"}]}, {"name": "rear", "zones": [{"name": "b"}]})


def owned(node):
    parts = (node.subscriptions, node.publishers)
    topics = [sorted(item.topic_name for item in part) for part in parts]
    return topics, sorted(timer.timer_period_ns for timer in node.timers)


def test_the_zones_of_the_old_file_are_unknown_before_those_of_the_new_one_come(by_hand):
    by_hand.start(*TWO)
    for camera in ("front", "rear"):
        by_hand.see(camera=camera)
    assert by_hand.words() == {"a": "free", "b": "free"}
    first, *later = by_hand.brings(lambda: by_hand.use({"zones": [{"name": "a"}]}))
    assert {zone.name for zone in first.zones} == {"a", "b"}
    for zone in first.zones:
        assert not zone.valid and not zone.occupied and "another zones file" in zone.reason
    by_hand.wait(0.2)
    assert by_hand.words() == {"a": "unknown"}
    numbers = [message.sequence for message in by_hand.messages("zones")]
    assert numbers == list(range(1, len(numbers) + 1)) and not later


def test_nothing_of_the_old_file_stays(by_hand):
    by_hand.start(*TWO)
    before = owned(by_hand.node)
    by_hand.use()
    assert owned(by_hand.node) != before
    by_hand.use(*TWO)
    assert owned(by_hand.node) == before


def test_a_display_is_told_to_drop_the_markers_of_an_old_file(by_hand):
    by_hand.start()
    viewer = rclpy.create_node("viewer", context=by_hand.context)
    topic = f"{by_hand.node.get_fully_qualified_name()}/markers"
    viewer.create_subscription(MarkerArray, topic, lambda _: None, 5)
    try:
        end = time.monotonic() + 60
        while not by_hand.node.count_subscribers(topic) and time.monotonic() < end:
            time.sleep(0.01)
        assert wipes(by_hand) and wipes(by_hand)
        by_hand.use()
        assert wipes(by_hand) and wipes(by_hand)
    finally:
        viewer.destroy_node()


def wipes(by_hand):
    by_hand.pass_time(0.02)
    (shown,) = by_hand.brings(by_hand.see, "markers")
    return shown.markers[0].action == Marker.DELETEALL


@pytest.mark.parametrize("step", ["subscription", "publisher"])
def test_a_file_that_fails_in_use_leaves_the_old_one_watched(by_hand, monkeypatch, step):
    by_hand.start(*TWO)
    before, feed = owned(by_hand.node), node_module.ZoneFeed
    if step == "subscription":
        good, name = feed._listen, "_listen"
    else:
        good, name = feed._open, "_open"

    def failing(self, *arguments):
        if self.camera.name == "third":
            raise RuntimeError("no such topic")
        return good(self, *arguments)

    monkeypatch.setattr(feed, name, failing)
    by_hand.use(
        {"name": "front", "zones": [{"name": "c"}]}, {"name": "third", "zones": [{"name": "d"}]}
    )

    assert owned(by_hand.node) == before  # nothing of the refused file
    for camera in ("front", "rear"):
        by_hand.see(camera=camera)
    assert by_hand.words() == {"a": "free", "b": "free"}


@pytest.mark.parametrize("deadline", [0.3, 2.0])
def test_the_deadline_of_the_topic_is_that_of_the_new_file(by_hand, deadline):
    by_hand.start(deadline=1.0)
    by_hand.use(deadline=deadline, repeat=0.1)
    node = by_hand.node
    (info,) = node.get_publishers_info_by_topic(f"{node.get_fully_qualified_name()}/zones")
    assert info.qos_profile.deadline == Duration(seconds=deadline)
