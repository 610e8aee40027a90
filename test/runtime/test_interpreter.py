import numpy as np
import pytest

from mtv_perception.runtime.backends.litert import LiteRtBackend

SHAPES = {"class_logits": (32, 3), "box_offsets": (32, 4), "segmentation_logits": (8, 16, 4)}


@pytest.fixture
def open_tiny(tiny_contents):
    """Opens one of the tiny models."""
    from ai_edge_litert.interpreter import Interpreter

    def make(precision):
        details = Interpreter(model_content=tiny_contents[precision]).get_output_details()
        shapes = [tuple(detail["shape"].tolist()[1:]) for detail in details]
        outputs = {name: shapes.index(shape) for name, shape in SHAPES.items()}
        return LiteRtBackend(tiny_contents[precision], (32, 64), outputs, SHAPES, 1)

    return make


def run(backend, image):
    backend.input_view()[...] = image
    raw = backend.run()
    return [getattr(raw, name).values.copy() for name in SHAPES]


@pytest.mark.parametrize("precision", ["float32", "int8", "int8 input"])
def test_the_input_is_filled_with_pixels_whatever_the_network_takes(open_tiny, precision):
    assert open_tiny(precision).input_view().dtype == np.uint8
    assert open_tiny(precision).input_view().shape == (32, 64, 3)


def test_an_int8_input_gives_the_very_numbers_of_a_uint8_input(open_tiny):
    plain, signed = open_tiny("int8"), open_tiny("int8 input")
    rng = np.random.default_rng(1)

    for image in (rng.integers(0, 256, (32, 64, 3), np.uint8), np.zeros((32, 64, 3), np.uint8)):
        for expected, found in zip(run(plain, image), run(signed, image), strict=True):
            assert np.array_equal(found, expected)


def test_an_input_that_is_not_filled_again_is_the_same_image(open_tiny):
    backend = open_tiny("int8 input")
    first = run(backend, np.full((32, 64, 3), 200, np.uint8))
    raw = backend.run()

    assert all(
        np.array_equal(getattr(raw, n).values, a) for n, a in zip(SHAPES, first, strict=True)
    )
