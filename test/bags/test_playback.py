import pytest

from mtv_perception.bags.playback import PlaybackClock


def test_source_time_runs_at_its_speed():
    clock = PlaybackClock(2.0)
    clock.jump(1_000_000_000, 10.0)
    assert clock.source_at(10.5) == 2_000_000_000
    assert clock.seconds_until(3_000_000_000, 10.5) == pytest.approx(0.5)
    assert clock.seconds_until(0, 10.5) < 0


def test_a_pause_takes_no_source_time():
    clock = PlaybackClock()
    clock.jump(0, 5.0)
    clock.pause(6.0)
    assert clock.paused
    assert clock.source_at(100.0) == 1_000_000_000
    assert clock.seconds_until(2_000_000_000, 100.0) == float("inf")
    clock.resume(100.0)
    assert clock.source_at(100.5) == 1_500_000_000
    clock.resume(101.0)  # once is enough
    assert clock.source_at(101.0) == 2_000_000_000


def test_time_may_jump_while_paused():
    clock = PlaybackClock()
    clock.pause(1.0)
    clock.jump(7, 2.0)
    assert clock.source_at(9.0) == 7


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_time_must_run(speed):
    with pytest.raises(ValueError, match="above 0"):
        PlaybackClock(speed)
