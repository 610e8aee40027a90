import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from mtv_perception.ros.perception.camera import Freshness

SECOND = 1_000_000_000
NOW = 1000 * SECOND


@pytest.mark.parametrize(
    ("max_age", "stamp", "newest", "accepted"),
    [
        (0.0, NOW, None, True),
        (0.0, 0, None, True),
        (0.0, NOW, NOW - 1, True),
        (0.0, NOW, NOW, False),
        (0.0, NOW - 1, NOW, False),
        (0.0, NOW - SECOND, NOW, False),
        (0.0, NOW - SECOND - 1, NOW, True),
        (0.0, 0, NOW, True),
        (0.0, NOW + 10 * SECOND, NOW, True),
        (2.0, NOW - 2 * SECOND, None, True),
        (2.0, NOW - 2 * SECOND - 1, None, False),
        (2.0, NOW - 5 * SECOND, NOW, False),
        (2.0, NOW + 5 * SECOND, None, True),
    ],
)
def test_a_frame_is_fresh_by_its_stamp(max_age, stamp, newest, accepted):
    assert Freshness(max_age, time_jump=1.0).accepts(stamp, newest, NOW) == accepted


def test_without_tolerance_any_step_back_is_a_new_timeline():
    freshness = Freshness(max_age=0.0, time_jump=0.0)
    assert freshness.accepts(NOW - 1, NOW, NOW)
    assert not freshness.accepts(NOW, NOW, NOW)
