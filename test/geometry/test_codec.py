import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtv_perception.geometry.boxes import xyxy_to_cxcywh
from mtv_perception.geometry.codec import (
    DEFAULT_VARIANCES,
    MAX_LOG_SCALE,
    Variances,
    decode,
    encode,
)

UNIT = Variances(1, 1, 1, 1)
EMPTY = np.empty((0, 4), np.float32)


def encode_one(box, default, variances):
    """SSD, equation 2, spelled out."""
    x0, y0, x1, y1 = box
    cx, cy, w, h = default
    return [
        ((x0 + x1) / 2 - cx) / w / variances[0],
        ((y0 + y1) / 2 - cy) / h / variances[1],
        math.log((x1 - x0) / w) / variances[2],
        math.log((y1 - y0) / h) / variances[3],
    ]


@st.composite
def pairs(draw):
    """As many boxes in corner form as default boxes in centre form."""
    count = draw(st.integers(0, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    default = np.concatenate(
        [rng.uniform(-100, 740, (count, 2)), rng.uniform(8, 600, (count, 2))], 1
    )
    low = rng.uniform(-100, 740, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(12, 400, (count, 2))], 1)
    return boxes, default


def test_offset_of_a_default_box_from_itself_is_nothing():
    default = np.array([[50, 40, 20, 10]], np.float32)

    assert encode(np.array([[40, 35, 60, 45]], np.float32), default).tolist() == [[0, 0, 0, 0]]
    assert decode(np.zeros((1, 4), np.float32), default).tolist() == [[40, 35, 60, 45]]


@pytest.mark.parametrize(
    ("offsets", "centre_form"),
    [
        ((1, 0, 0, 0), (60, 40, 20, 10)),
        ((0, -1, 0, 0), (50, 30, 20, 10)),
        ((0, 0, math.log(2), 0), (50, 40, 40, 10)),
        ((0, 0, 0, -math.log(2)), (50, 40, 20, 5)),
    ],
    ids=["right by a width's half", "up by a height", "twice as wide", "half as high"],
)
def test_each_offset_moves_or_scales_along_its_own_axis(offsets, centre_form):
    default = np.array([50, 40, 20, 10], np.float64)

    decoded = xyxy_to_cxcywh(
        decode(np.array(offsets, np.float64), default, Variances(0.5, 1, 1, 1))
    )

    np.testing.assert_allclose(decoded, centre_form)


@given(pairs())
def test_encoding_follows_the_papers_equation(pair):
    boxes, default = pair
    expected = [encode_one(b, d, DEFAULT_VARIANCES) for b, d in zip(boxes, default, strict=True)]

    np.testing.assert_allclose(encode(boxes, default), np.reshape(expected, (-1, 4)), atol=1e-9)


@given(pairs(), st.sampled_from([DEFAULT_VARIANCES, UNIT, Variances(0.3, 0.2, 0.5, 0.4)]))
def test_decoding_undoes_encoding(pair, variances):
    boxes, default = pair
    np.testing.assert_allclose(
        decode(encode(boxes, default, variances), default, variances), boxes, atol=1e-6
    )


@given(pairs())
def test_decoding_undoes_encoding_in_float32_within_a_hundredth_of_a_pixel(pair):
    boxes, default = (item.astype(np.float32) for item in pair)

    decoded = decode(encode(boxes, default), default)

    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, boxes, atol=0.01)


@given(pairs(), st.integers(0, 2**32 - 1))
def test_encoding_undoes_decoding(pair, seed):
    default = pair[1]
    offsets = np.random.default_rng(seed).uniform(-5, 5, default.shape)

    np.testing.assert_allclose(encode(decode(offsets, default), default), offsets, atol=1e-6)


def test_no_boxes_have_no_offsets():
    assert encode(EMPTY, EMPTY).shape == (0, 4)
    assert decode(EMPTY, EMPTY).shape == (0, 4)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 5, 5, 9)])
def test_a_box_without_sides_is_refused(box):
    with pytest.raises(ValueError, match="positive width and height"):
        encode(np.array([box], np.float32), np.ones((1, 4), np.float32))


@pytest.mark.parametrize("wild", [1e4, -1e4, 3e38, -3e38])
def test_wild_size_offsets_decode_to_finite_boxes(wild):
    default = np.array([[50, 50, 10, 10]], np.float32)

    decoded = xyxy_to_cxcywh(decode(np.array([[0, 0, wild, wild]], np.float32), default))

    np.testing.assert_allclose(
        decoded[0, 2:], 10 * np.exp(np.sign(wild) * MAX_LOG_SCALE), rtol=1e-4
    )


def test_offsets_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        decode(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        encode(np.zeros((2, 3)), np.zeros((2, 4)))
