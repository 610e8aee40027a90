"""Runs that the clock ends."""

import pytest

from mtv_perception.errors import ConfigError
from mtv_perception.training.config import OptimiserConfig, TrainConfig
from mtv_perception.training.pace import Pace, learning_rate
from mtv_perception.training.runs.provenance import check_data, check_initial
from mtv_perception.training.schedule import cosine, warmup_cosine
from mtv_perception.training.trained import trained_of_run


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


@pytest.mark.parametrize("minutes", [0, 2])
def test_the_rate_falls_to_its_end_by_steps_or_by_the_clock(tmp_path, minutes):
    clock = Clock()
    config = TrainConfig(
        steps=100, minutes=minutes, optimiser=OptimiserConfig(learning_rate=1e-3, warmup=4)
    )
    pace = Pace(config.steps, config.minutes, tmp_path, clock)
    clock.now += 60 * minutes * 0.6

    assert learning_rate(config, 1, pace) == pytest.approx(0.5e-3)
    expected = cosine(0.6, 1e-3) if minutes else warmup_cosine(30, 100, 1e-3, 4)
    assert learning_rate(config, 30, pace) == pytest.approx(expected)
    clock.now += 60 * minutes
    assert learning_rate(config, 30 if minutes else 100, pace) == pytest.approx(1e-5)


def test_a_run_shorter_than_its_warm_up_reaches_its_rate_and_descends(tmp_path):
    config = TrainConfig(steps=100, optimiser=OptimiserConfig(learning_rate=1e-3, warmup=200))
    pace = Pace(config.steps, config.minutes, tmp_path)

    rates = [learning_rate(config, done, pace) for done in range(101)]

    assert max(rates) == pytest.approx(1e-3) and rates.index(max(rates)) in (9, 10)
    assert rates[-1] == pytest.approx(1e-5)


@pytest.mark.parametrize("text", ["", "[]", "other: 1\n", "{"])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("clock.yaml", lambda folder: Pace(10, 1.0, folder)),
        ("images.yaml", lambda folder: check_data(folder, [])),
        ("initial.yaml", lambda folder: check_initial(folder, folder)),
        ("trained.yaml", lambda folder: trained_of_run(folder, TrainConfig())),
    ],
)
def test_a_record_of_a_run_that_was_cut_short_is_named(tmp_path, name, read, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=name):
        read(tmp_path)
