"""When states, points and diagnostics are published, and whose."""

import itertools

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.clock import ClockType

from mtv_perception.ros.zones import feed as feed_module

S = 1_000_000_000
ERROR, OK = b"\x02", b"\x00"
INSIDE = (3.0, 0.0)
TWO = ({"name": "front", "zones": [{"name": "a"}]}, {"name": "rear", "zones": [{"name": "b"}]})
TIMINGS = [(0.5, 0.1), (0.3, 0.05), (2.0, 1.0), (0.05, 0.01), (0.2, 1.0)]


@pytest.mark.parametrize("repeat", [0.05, 0.1, 0.5, 1.0])
def test_states_are_repeated_every_period_without_news(by_hand, repeat):
    by_hand.start(deadline=60.0, repeat=repeat)
    by_hand.see()
    steps = [len(by_hand.brings(step)) for step in [lambda: by_hand.wait(repeat / 8)] * 82]
    said = [index for index, count in enumerate(steps) if count]
    assert set(steps) == {0, 1}
    assert len(said) in (9, 10)  # A ninth step where a period is less than eight by rounding.
    assert {later - sooner for sooner, later in itertools.pairwise(said)} <= {8, 9}
    numbers = [message.sequence for message in by_hand.messages("zones")]
    assert numbers == list(range(1, len(numbers) + 1))


CAT = {"name": "b", "classes": ["cat"]}
BESIDE = {
    "alone": [{"name": "front", "zones": [{"name": "a"}]}],
    "beside a camera that never came": TWO,
    "beside a zone that can't be judged": [{"name": "front", "zones": [{"name": "a"}, CAT]}],
    "behind a zone that can't be judged": [{"name": "front", "zones": [CAT, {"name": "a"}]}],
}


@pytest.mark.parametrize("cameras", BESIDE.values(), ids=BESIDE)
def test_a_zone_that_becomes_unknown_is_published_at_once_and_once(by_hand, cameras):
    by_hand.start(*cameras, deadline=0.3, repeat=1.0)
    by_hand.see(camera="front")
    assert by_hand.words()["a"] == "free"
    by_hand.pass_time(0.28)
    assert not by_hand.brings(by_hand.tick)
    by_hand.pass_time(0.02)
    (said,) = by_hand.brings(by_hand.tick)
    assert not any(zone.valid for zone in said.zones)
    assert not by_hand.brings(by_hand.tick)


def test_an_unknown_zone_is_filled_with_points_though_another_is_free(by_hand):
    zones = [{"name": "a"}, {"name": "b", "tests": ["foot", "mask"]}]
    by_hand.start({"zones": zones}, deadline=0.3, mask_wait=0.05)
    by_hand.see(mask=np.zeros((480, 640), np.uint8))
    assert by_hand.messages("points")[-1].width == 0
    by_hand.pass_time(0.2)
    by_hand.see()
    by_hand.wait(0.06)
    assert by_hand.words() == {"a": "free", "b": "free"}
    by_hand.wait(0.06)
    assert by_hand.words() == {"a": "free", "b": "unknown"}
    assert by_hand.messages("points")[-1].width > 100


def test_each_camera_has_its_own_frame_points_and_diagnosis(by_hand):
    by_hand.start(*TWO)
    by_hand.see(INSIDE, camera="front", header=by_hand.header(frame="front_optical"))
    by_hand.see(camera="rear", header=by_hand.header(frame="rear_optical"))
    assert by_hand.words() == {"a": "occupied", "b": "free"}
    frames = {name: state.header.frame_id for name, state in by_hand.states().items()}
    assert frames == {"a": "front_optical", "b": "rear_optical"}
    widths = [by_hand.messages(f"{name}/points")[-1].width for name in ("front", "rear")]
    assert widths[0] > 0 and widths[1] == 0

    by_hand.pass_time(0.4)
    by_hand.see(camera="rear")
    by_hand.pass_time(0.2)
    said = by_hand.diagnoses()
    assert {name: status.level for name, status in said.items()} == {"front": ERROR, "rear": OK}
    assert "a (no result" in said["front"].message and "b" not in said["front"].message.split()


@pytest.mark.parametrize("zones", [[{"name": "a"}, CAT], [CAT, {"name": "a"}]])
def test_one_unknown_zone_among_others_is_an_error(by_hand, zones):
    by_hand.start({"zones": zones})
    by_hand.see(INSIDE)
    said = by_hand.diagnoses()[""]
    assert said.level == ERROR
    assert "b (the model knows no cat" in said.message
    assert (value(said, "unknown"), value(said, "occupied")) == ("b", "a")
    assert "the model knows no cat" in value(said, "reason b")


def test_a_failure_in_a_timer_leaves_the_node_silent_and_alive(by_hand, monkeypatch):
    by_hand.start(repeat=0.1)
    by_hand.see()

    def fail(*_):
        raise OSError("nobody expects this")

    with monkeypatch.context() as patch:
        patch.setattr(feed_module.ZoneFeed, "states", fail)
        assert not by_hand.brings(lambda: by_hand.wait(0.2))
        for timer in list(by_hand.node.timers):
            timer.callback()
    assert len(by_hand.brings(lambda: by_hand.wait(0.2))) == 1


@pytest.mark.parametrize(("deadline", "repeat"), TIMINGS)
@pytest.mark.parametrize("mask_wait", [0.0, 0.05, 0.6])
def test_timers_are_steady_and_fine_enough_for_what_they_watch(
    by_hand, deadline, repeat, mask_wait
):
    by_hand.start(deadline=deadline, repeat=repeat, mask_wait=mask_wait)
    tick, diagnosis = sorted(by_hand.node.timers, key=lambda timer: timer.timer_period_ns)
    watched = min(repeat, mask_wait) if mask_wait else repeat
    assert tick.timer_period_ns <= max(watched / 2, 0.01) * S + 1
    assert diagnosis.timer_period_ns == S
    assert {timer.clock.clock_type for timer in (tick, diagnosis)} == {ClockType.STEADY_TIME}


@pytest.mark.parametrize(("deadline", "repeat"), TIMINGS)
def test_the_middleware_is_offered_what_a_healthy_node_keeps(by_hand, deadline, repeat):
    by_hand.start(deadline=deadline, repeat=repeat)
    name = f"{by_hand.node.get_fully_qualified_name()}/zones"
    (offered,) = by_hand.node.get_publishers_info_by_topic(name)
    for promised in (offered.qos_profile.deadline, offered.qos_profile.liveliness_lease_duration):
        assert promised.nanoseconds >= 2 * repeat * S - 1


def value(status, key):
    return next(item.value for item in status.values if item.key == key)
