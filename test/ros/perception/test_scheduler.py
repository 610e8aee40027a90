import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

from mtv_perception.ros.perception.scheduler import FairOrder, RateLimit, by_camera

weights_of_cameras = st.lists(st.floats(0.1, 10.0), min_size=1, max_size=6).map(
    lambda values: {f"camera{i}": value for i, value in enumerate(values)}
)


def serve(order, waiting):
    """One turn, after which the camera has another frame waiting."""
    camera = order.choose(waiting)
    order.arrive(camera)
    return camera


@settings(deadline=None, max_examples=60)
@given(weights=weights_of_cameras)
def test_under_saturation_shares_are_within_five_percent_of_the_weights(weights):
    order = FairOrder(weights)
    share = {camera: weight / sum(weights.values()) for camera, weight in weights.items()}
    turns = math.ceil(60 / min(share.values()))
    for camera in weights:
        order.arrive(camera)
    served = [serve(order, weights) for _ in range(turns)]
    for camera in weights:
        assert served.count(camera) == pytest.approx(turns * share[camera], rel=0.05)


@settings(deadline=None)
@given(
    weights=weights_of_cameras,
    waiting=st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=400),
)
def test_nobody_waits_longer_than_promised_whoever_else_comes_and_goes(weights, waiting):
    order, waits = FairOrder(weights), {}
    total, names = sum(weights.values()), list(weights)
    for arrivals in waiting:
        for camera in {names[i % len(names)] for i in arrivals} - set(waits):
            order.arrive(camera)
            waits[camera] = 0
        waits.pop(order.choose(waits))
        if not waits:
            order.rest()
        waits = {camera: turns + 1 for camera, turns in waits.items()}
        for camera, turns in waits.items():
            assert turns <= total / weights[camera] + len(weights)


@pytest.mark.parametrize("heavy", [10.0, 1e6])
def test_a_camera_with_a_huge_weight_does_not_starve_the_others(heavy):
    order = FairOrder({"heavy": heavy, "a": 1.0, "b": 1.0})
    for camera in ("heavy", "a", "b"):
        order.arrive(camera)
    first = [serve(order, ("heavy", "a", "b")) for _ in range(3)]
    assert set(first) == {"heavy", "a", "b"}, "newcomers come first, whatever the weights"
    if heavy == 10.0:  # The most that the parameter allows.
        later = [serve(order, ("heavy", "a", "b")) for _ in range(120)]
        gaps = [i for i, camera in enumerate(later) if camera == "a"]
        assert max(b - a for a, b in zip(gaps, gaps[1:], strict=False)) <= 15


def test_a_share_that_is_not_used_goes_to_the_others_and_is_not_saved_up():
    order = FairOrder({"a": 1.0, "b": 1.0})
    order.arrive("a")
    assert [serve(order, ("a",)) for _ in range(50)] == ["a"] * 50
    order.arrive("b")
    later = [serve(order, ("a", "b")) for _ in range(20)]
    assert 9 <= later.count("b") <= 11


def test_after_a_rest_nobody_owes_anybody_anything():
    order = FairOrder({"slow": 0.1, "fast": 10.0})
    order.arrive("slow")
    order.choose(("slow",))
    order.rest()
    order.arrive("slow")
    order.arrive("fast")
    first = [order.choose(("slow", "fast"))]
    first.append(order.choose({"slow", "fast"} - set(first)))
    assert set(first) == {"slow", "fast"}


def test_other_weights_are_in_force_from_the_next_frame_on():
    order = FairOrder({"a": 1.0, "b": 1.0})
    order.configure({"a": 4.0, "b": 1.0})
    for camera in "ab":
        order.arrive(camera)
    served = [serve(order, "ab") for _ in range(100)]
    assert served.count("a") == pytest.approx(80, abs=2)


@settings(deadline=None)
@given(
    rate=st.floats(0.5, 100.0),
    gaps=st.lists(st.floats(0.0, 0.5), min_size=1, max_size=300),
)
def test_no_window_of_time_holds_more_frames_than_the_rate_allows(rate, gaps):
    limit, now, passed = RateLimit(rate), 0.0, []
    for gap in gaps:
        now += gap
        if limit.admit(now):
            passed.append(now)
    for index, begin in enumerate(passed):
        for count, end in enumerate(passed[index:], 1):
            assert count <= (end - begin) * rate + 1.5 + 1e-6
    assert all(b - a >= 0.5 / rate - 1e-9 for a, b in zip(passed, passed[1:], strict=False))


@pytest.mark.parametrize(
    ("camera_hz", "rate", "passed_hz"),
    [(30, 0.0, 30), (30, 20.0, 20), (30, 30.0, 30), (30, 60.0, 30), (30, 1.0, 1)],
)
@pytest.mark.parametrize("jitter", [0.0, 0.004])
def test_a_steady_camera_gives_what_the_limit_allows(camera_hz, rate, passed_hz, jitter):
    limit = RateLimit(rate)
    passed = sum(limit.admit(100 + i / camera_hz + (i % 3) * jitter) for i in range(camera_hz * 60))
    assert passed == pytest.approx(passed_hz * 60, abs=2)


def test_one_value_a_camera_or_the_default():
    assert by_camera(("a", "b"), (), 1.0) == {"a": 1.0, "b": 1.0}
    assert by_camera(("a", "b"), (2.0, 3.0), 1.0) == {"a": 2.0, "b": 3.0}
    with pytest.raises(ValueError):
        by_camera(("a", "b"), (2.0,), 1.0)
