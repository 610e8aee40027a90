import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtv_perception.geometry.letterbox import PAD_VALUE, Letterbox

sides = st.integers(1, 4000)
sources = st.tuples(sides, sides)
strides = st.sampled_from([1, 4, 8, 16])
networks = st.tuples(st.integers(2, 40), st.integers(2, 40)).map(
    lambda hw: (hw[0] * 16, hw[1] * 16)
)

USUAL = [
    (480, 640),
    (720, 1280),
    (1080, 1920),
    (600, 800),
    (640, 480),
    (479, 641),
    (33, 17),
    (1, 1),
    (1, 999),
]


@given(sources, networks, strides)
def test_the_image_lies_inside_the_network_on_whole_cells(source, network, stride):
    box = Letterbox.fit(source, network, stride)

    for inner, offset, full in zip(box.inner_hw, box.offset_yx, network, strict=True):
        assert inner >= stride
        assert 0 <= offset <= full - inner
        assert inner % stride == 0
        assert offset % stride == 0


@given(sources, networks, strides)
def test_the_image_is_as_large_as_fits_and_centred(source, network, stride):
    box = Letterbox.fit(source, network, stride)

    assert box.inner_hw[0] == network[0] or box.inner_hw[1] == network[1]
    for inner, offset, full in zip(box.inner_hw, box.offset_yx, network, strict=True):
        assert abs((full - inner) / 2 - offset) < stride


@given(sources, networks, strides)
def test_the_shape_is_kept_within_the_rounding_to_cells(source, network, stride):
    box = Letterbox.fit(source, network, stride)
    scale = min(network[0] / source[0], network[1] / source[1])

    for inner, side in zip(box.inner_hw, source, strict=True):
        if side * scale >= stride:
            assert abs(inner - side * scale) <= stride / 2 + 1e-9
        else:
            assert inner == stride


@given(sources, networks, strides, st.integers(0, 2**32 - 1))
def test_boxes_come_back_from_the_network_unchanged(source, network, stride, seed):
    box = Letterbox.fit(source, network, stride)
    boxes = np.random.default_rng(seed).uniform(0, max(source), (5, 4))

    there = box.boxes_to_network(boxes)

    np.testing.assert_allclose(box.boxes_to_source(there), boxes, atol=1e-8)


@pytest.mark.parametrize("source", USUAL)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_the_whole_image_is_the_inner_rectangle_in_every_number_format(source, dtype):
    box = Letterbox.fit(source, (480, 640))
    whole = np.array([[0, 0, source[1], source[0]]], dtype)
    (top, left), (height, width) = box.offset_yx, box.inner_hw
    inner = np.array([[left, top, left + width, top + height]], dtype)

    np.testing.assert_allclose(box.boxes_to_network(whole), inner, atol=1e-4)
    np.testing.assert_allclose(box.boxes_to_source(inner), whole, atol=1e-3)


def test_no_boxes_stay_no_boxes_and_float32_stays_float32():
    box = Letterbox.fit((100, 50), (480, 640))
    empty = np.empty((0, 4), np.float32)

    assert box.boxes_to_source(empty).shape == (0, 4)
    assert box.boxes_to_network(empty).shape == (0, 4)
    assert box.boxes_to_source(empty).dtype == np.float32


@given(networks)
def test_equal_sizes_are_the_identity(size_hw):
    box = Letterbox.fit(size_hw, size_hw)
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8)
    out = np.zeros_like(image)
    box.write(image, out)

    assert box.scale_xy == (1, 1)
    assert np.array_equal(out, image)
    assert np.array_equal(box.boxes_to_source(np.array([[1.5, 2, 3, 4]])), [[1.5, 2, 3, 4]])


@pytest.mark.parametrize(
    ("source", "inner", "offset"),
    [
        ((480, 640), (480, 640), (0, 0)),
        ((720, 1280), (360, 640), (60, 0)),
        ((1280, 720), (480, 272), (0, 184)),
        ((240, 320), (480, 640), (0, 0)),
        ((1, 4000), (4, 640), (236, 0)),
    ],
    ids=["same", "wide", "portrait", "enlarged", "a line"],
)
def test_placement_by_hand(source, inner, offset):
    box = Letterbox.fit(source, (480, 640))

    assert (box.inner_hw, box.offset_yx) == (inner, offset)


@pytest.mark.parametrize("source", USUAL)
def test_writing_fills_the_inner_rectangle_and_pads_the_rest(source):
    network = (96, 128)
    box = Letterbox.fit(source, network)
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (*source, 3), np.uint8)
    out = rng.integers(0, 256, (*network, 3), np.uint8)

    box.write(image, out)

    (top, left), (height, width) = box.offset_yx, box.inner_hw
    inside = np.zeros(network, bool)
    inside[top : top + height, left : left + width] = True
    assert (out[~inside] == PAD_VALUE).all()
    shrunk = (
        min(height / source[0], width / source[1]) < 0.5 and height * width < source[0] * source[1]
    )
    method = cv2.INTER_AREA if shrunk else cv2.INTER_LINEAR
    assert np.array_equal(
        out[top : top + height, left : left + width],
        cv2.resize(image, (width, height), interpolation=method),
    )


def test_writing_takes_views_with_any_strides():
    image = np.random.default_rng(2).integers(0, 256, (70, 90, 3), np.uint8)
    box = Letterbox.fit((70, 90), (96, 128))
    straight, mirrored = np.zeros((96, 128, 3), np.uint8), np.zeros((96, 128, 3), np.uint8)

    box.write(np.ascontiguousarray(image[:, :, ::-1]), straight)
    box.write(image[:, :, ::-1], mirrored)

    assert np.array_equal(straight, mirrored)


@given(sources, st.sampled_from([4, 8, 16]))
def test_cropped_cells_are_exactly_those_of_the_image(source, stride):
    network = (480, 640)
    box = Letterbox.fit(source, network, stride)
    rows, columns = np.mgrid[0 : 480 // stride, 0 : 640 // stride]
    cells = np.stack([rows, columns], -1)

    crop = box.crop_cells(cells)

    assert crop.shape == (box.inner_hw[0] // stride, box.inner_hw[1] // stride, 2)
    assert (crop[0, 0] * stride).tolist() == list(box.offset_yx)
    assert ((crop[-1, -1] + 1) * stride).tolist() == [
        o + i for o, i in zip(box.offset_yx, box.inner_hw, strict=True)
    ]


def test_cells_that_the_image_covers_in_part_are_refused():
    box = Letterbox.fit((720, 1280), (480, 640), stride=4)

    with pytest.raises(ValueError, match="whole cells"):
        box.crop_cells(np.zeros((60, 80, 4)))


@pytest.mark.parametrize("shape", [(7, 80, 4), (100, 80, 4), (0, 80, 4)])
def test_cells_of_no_whole_stride_are_refused(shape):
    with pytest.raises(ValueError, match="whole cells"):
        Letterbox.fit((720, 1280), (480, 640)).crop_cells(np.zeros(shape))


@pytest.mark.parametrize("source", [(0, 5), (5, 0), (-1, 5)])
def test_an_empty_image_is_refused(source):
    with pytest.raises(ValueError, match="at least 1x1"):
        Letterbox.fit(source, (480, 640))


def test_a_network_size_off_the_stride_is_refused():
    with pytest.raises(ValueError, match=r"multiples of 4, got \(482, 640\)"):
        Letterbox.fit((10, 10), (482, 640))
