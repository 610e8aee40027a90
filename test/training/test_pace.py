"""Runs that the clock ends."""

import pytest

from mtv_perception.training.pace import Pace


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_without_a_limit_steps_alone_count(tmp_path):
    clock = Clock()
    pace = Pace(10, 0, tmp_path, clock)
    clock.now += 1e6

    assert pace.progress(5) == 0.5
    assert not pace.is_over(9)
    assert pace.is_over(10)
    pace.keep()
    assert list(tmp_path.iterdir()) == []


def test_the_clock_ends_a_run_and_sets_its_progress(tmp_path):
    clock = Clock()
    pace = Pace(1000, 2, tmp_path, clock)
    clock.now += 30

    assert pace.progress(10) == pytest.approx(0.25)
    clock.now += 90
    assert pace.is_over(11)


def test_time_before_an_interruption_counts(tmp_path):
    clock = Clock()
    pace = Pace(1000, 1, tmp_path, clock)
    clock.now += 45
    pace.keep()

    resumed = Pace(1000, 1, tmp_path, Clock())

    assert resumed.progress(0) == pytest.approx(0.75)
