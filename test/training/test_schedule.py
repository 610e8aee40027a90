"""The learning rate: a straight rise, then a cosine."""

import math

import pytest

from mtv_perception.training.schedule import warmup_cosine


def test_warm_up_rises_in_a_straight_line_to_the_peak():
    rates = [warmup_cosine(step, 100, 0.5, 10) for step in range(10)]
    assert rates == pytest.approx([0.05 * (step + 1) for step in range(10)])
    assert warmup_cosine(10, 100, 0.5, 10) == pytest.approx(0.5)


def test_cosine_falls_to_the_floor():
    rates = [warmup_cosine(step, 110, 1.0, 10, floor=0.1) for step in range(10, 111)]
    assert all(a > b for a, b in zip(rates[:-1], rates[1:], strict=True))
    assert rates[50] == pytest.approx((1 + 0.1) / 2)
    assert rates[25] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert rates[-1] == pytest.approx(0.1)


@pytest.mark.parametrize(("step", "steps", "warmup"), [(0, 1, 0), (0, 1, 5), (9, 5, 2), (4, 5, 5)])
def test_odd_lengths_stay_between_zero_and_the_peak(step, steps, warmup):
    assert 0 < warmup_cosine(step, steps, 1.0, warmup) <= 1
