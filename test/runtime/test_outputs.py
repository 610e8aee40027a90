import numpy as np
import pytest

from mtv_perception.runtime.outputs import Tensor

EVERY_INT8 = np.arange(-128, 128, dtype=np.int8)


@pytest.mark.parametrize(("scale", "zero_point"), [(0.1, 0), (0.037, -128), (1.5, 127), (1e-3, 12)])
def test_quantised_numbers_are_scaled_and_shifted(scale, zero_point):
    tensor = Tensor(EVERY_INT8, scale, zero_point)

    assert tensor.is_quantised
    assert tensor.real(tensor.values).dtype == np.float32
    np.testing.assert_allclose(
        tensor.real(tensor.values), [(int(v) - zero_point) * scale for v in EVERY_INT8], rtol=1e-5
    )


@pytest.mark.parametrize(("scale", "zero_point"), [(0.1, 0), (0.037, -128), (1.5, 127)])
@pytest.mark.parametrize("real", [-9.2, -0.85, 0.0, 0.1, 3.3, 9.2])
def test_the_stored_value_of_a_real_is_the_least_that_reaches_it(scale, zero_point, real):
    stored = Tensor(EVERY_INT8, scale, zero_point).stored(real)

    assert (stored - zero_point) * scale >= real - 1e-5 * scale
    assert (stored - 1 - zero_point) * scale < real


def test_floats_are_as_they_are():
    tensor = Tensor(np.array([1.5, -2], np.float32))

    assert not tensor.is_quantised
    assert tensor.real(tensor.values) is tensor.values
    assert tensor.stored(0.3) == 0.3
