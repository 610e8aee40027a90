import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from mtv_perception.tracking.assignment import assign


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_pair(shape):
    rows, columns = assign(np.empty(shape))

    assert len(rows) == len(columns) == 0


@pytest.mark.parametrize("costs", [np.zeros(3), np.array([[np.nan]]), np.array([[np.inf, 1.0]])])
def test_costs_that_are_none(costs):
    with pytest.raises(ValueError, match="finite costs"):
        assign(costs)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_as_cheap_as_scipy(height, width, seed, ties):
    random = np.random.default_rng(seed)
    costs = (
        random.integers(0, 4, (height, width)) if ties else random.normal(0, 10, (height, width))
    )

    rows, columns = assign(costs)

    expected = linear_sum_assignment(costs)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(set(columns.tolist())) == min(height, width)
    assert costs[rows, columns].sum() == pytest.approx(costs[expected].sum())
