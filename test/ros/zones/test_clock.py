"""Whatever /clock does, zones become unknown and the node lives."""

import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from rosgraph_msgs.msg import Clock

S = 1_000_000_000


@pytest.fixture
def clock(stage, tools, tmp_path):
    """A node under simulated time, and the hand on its clock."""

    class Hand:
        def __init__(self):
            self._publisher = stage.node.create_publisher(Clock, "/clock", 10)
            self.time = 1000 * S

        def tick(self, seconds=0.1):
            self.time += round(seconds * S)
            self.say(self.time)

        def say(self, stamp):
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(stamp, S)
            self._publisher.publish(message)

        def walk(self, seconds=0.1):
            self.tick(seconds)
            time.sleep(0.02)  # The clock is on its way: results of now must not be of the future.
            stage.see(stamp=self.time - S // 20)

    stage.host(tools.zones_file(tmp_path, deadline=0.5), use_sim_time=True)
    hand = Hand()
    stage.wait(hand._publisher.get_subscription_count, "a subscription of /clock")
    stage.introduce()
    stage.wait(lambda: stage.is_now("free"), "free", hand.walk)
    return hand


def stays_unknown(stage, tools, seconds, meanwhile=None):
    end = time.monotonic() + seconds
    began = len(stage.zones)
    stage.wait(lambda: time.monotonic() > end, "time", meanwhile)
    return {tools.meaning(message.zones[0]) for _, message in stage.zones[began:]} == {"unknown"}


def test_a_standing_clock(stage, tools, clock):
    stage.wait(lambda: stage.is_now("unknown"), "unknown")  # Without a tick, without a result.
    assert "stands still" in stage.last().reason
    assert stays_unknown(stage, tools, 0.5, lambda: stage.see(stamp=clock.time))
    stage.wait(lambda: stage.is_now("free"), "free", clock.walk)


def test_a_clock_that_repeats_one_time(stage, tools, clock):
    def repeat():
        clock.say(clock.time)
        stage.see(stamp=clock.time)

    stage.wait(lambda: stage.is_now("unknown"), "unknown", repeat)
    assert stays_unknown(stage, tools, 0.5, repeat)


@pytest.mark.parametrize("absurd", [-5 * S, -1, -(2**31) * S])
def test_a_negative_clock(stage, tools, clock, absurd):
    stage.wait(lambda: stage.is_now("unknown"), "unknown", lambda: clock.say(absurd))
    assert stays_unknown(stage, tools, 0.5, lambda: clock.say(absurd))
    stage.wait(lambda: stage.is_now("free"), "free", clock.walk)


@pytest.mark.parametrize("jump", [-900.0, -2.0, -0.4, 3.0, 100_000.0])
def test_a_jumping_clock(stage, tools, clock, jump):
    clock.tick(jump)
    stage.wait(lambda: stage.is_now("unknown"), "unknown")
    stage.wait(lambda: stage.is_now("free"), "free", clock.walk)


def test_time_zero(stage, tools, clock):
    clock.say(0)
    stage.wait(lambda: stage.is_now("unknown"), "unknown", lambda: clock.say(0))
    assert stays_unknown(stage, tools, 0.3, lambda: stage.see(stamp=0))
