import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtv_perception.geometry.boxes import (
    box_areas,
    check_boxes,
    clip_boxes,
    cxcywh_to_xyxy,
    pairwise_intersections,
    pairwise_iou,
    xyxy_to_cxcywh,
)

EMPTY = np.empty((0, 4), np.float32)
GRID = 24


@st.composite
def corner_boxes(draw, dtype=np.float64):
    """Boxes (N, 4) of positive size."""
    numbers = st.floats(-1000, 1000, width=32)
    low = draw(arrays(np.float64, st.tuples(st.integers(0, 6), st.just(2)), elements=numbers))
    sides = draw(arrays(np.float64, low.shape, elements=st.floats(2**-6, 500, width=32)))
    return np.concatenate([low, low + sides], 1).astype(dtype)


@st.composite
def pixel_boxes(draw):
    """Boxes (N, 4) on whole pixels of a GRID x GRID image, empty ones among them."""
    corners = draw(
        arrays(np.int64, st.tuples(st.integers(1, 5), st.just(4)), elements=st.integers(0, GRID))
    )
    low, high = (
        np.minimum(corners[:, :2], corners[:, 2:]),
        np.maximum(corners[:, :2], corners[:, 2:]),
    )
    return np.concatenate([low, high], 1)


def pixels_of(box):
    image = np.zeros((GRID, GRID), bool)
    image[box[1] : box[3], box[0] : box[2]] = True
    return image


@pytest.mark.parametrize("shape", [(3, 5), (4, 0), (4, 2, 3), ()])
@pytest.mark.parametrize("function", [check_boxes, xyxy_to_cxcywh, cxcywh_to_xyxy, box_areas])
def test_another_shape_is_refused_with_the_shape_received(function, shape):
    with pytest.raises(
        ValueError, match=r"Expected boxes of shape \(\.\.\., 4\), got \(" + f"{str(shape)[1:-1]}"
    ):
        function(np.zeros(shape))


@pytest.mark.parametrize("function", [check_boxes, xyxy_to_cxcywh, cxcywh_to_xyxy])
@pytest.mark.parametrize("shape", [(0, 4), (4,), (2, 3, 4)])
def test_forms_keep_shape_and_dtype(function, shape):
    boxes = np.ones(shape, np.float32)

    assert function(boxes).shape == shape
    assert function(boxes).dtype == np.float32


@pytest.mark.parametrize(
    ("xyxy", "cxcywh"),
    [
        ((0, 0, 1, 1), (0.5, 0.5, 1, 1)),
        ((10, 20, 30, 60), (20, 40, 20, 40)),
        ((-4, -2, 4, 2), (0, 0, 8, 4)),
        ((3, 3, 3, 3), (3, 3, 0, 0)),
    ],
)
def test_centre_form_by_hand(xyxy, cxcywh):
    np.testing.assert_allclose(xyxy_to_cxcywh(np.array(xyxy)), cxcywh)
    np.testing.assert_allclose(cxcywh_to_xyxy(np.array(cxcywh)), xyxy)


@given(corner_boxes())
def test_centre_form_and_back(boxes):
    np.testing.assert_allclose(cxcywh_to_xyxy(xyxy_to_cxcywh(boxes)), boxes, atol=1e-9)


@pytest.mark.parametrize(
    ("box", "area"),
    [
        ((0, 0, 2, 3), 6),
        ((1, 1, 1, 5), 0),
        ((5, 0, 1, 2), 0),
        ((5, 5, 1, 1), 0),
        ((-2, -2, 2, 2), 16),
    ],
)
def test_area_by_hand(box, area):
    assert box_areas(np.array(box, np.float32)) == area


def test_no_boxes_have_no_areas_and_no_overlaps():
    some = np.ones((3, 4), np.float32)

    assert box_areas(EMPTY).shape == (0,)
    assert pairwise_intersections(EMPTY, some).shape == (0, 3)
    assert pairwise_iou(some, EMPTY).shape == (3, 0)
    assert pairwise_iou(EMPTY, EMPTY).shape == (0, 0)
    assert clip_boxes(EMPTY, (10, 10)).shape == (0, 4)


@given(pixel_boxes(), pixel_boxes(), st.sampled_from([np.float32, np.float64, np.int32]))
def test_overlaps_are_what_counting_pixels_gives(a, b, dtype):
    shared = np.array([[(pixels_of(x) & pixels_of(y)).sum() for y in b] for x in a])
    union = np.array([[(pixels_of(x) | pixels_of(y)).sum() for y in b] for x in a])

    assert np.array_equal(box_areas(a.astype(dtype)), [pixels_of(x).sum() for x in a])
    assert np.array_equal(pairwise_intersections(a.astype(dtype), b.astype(dtype)), shared)
    np.testing.assert_allclose(
        pairwise_iou(a.astype(dtype), b.astype(dtype)), shared / np.maximum(union, 1), rtol=1e-6
    )


@given(corner_boxes(np.float32), corner_boxes(np.float32))
def test_iou_is_symmetric_and_within_0_and_1(a, b):
    iou = pairwise_iou(a, b)

    assert iou.shape == (len(a), len(b))
    assert np.array_equal(iou, pairwise_iou(b, a).T)
    assert (iou >= 0).all()
    assert (iou <= 1).all()


@given(corner_boxes())
def test_iou_with_itself_is_1(boxes):
    np.testing.assert_allclose(np.diag(pairwise_iou(boxes, boxes)), 1, rtol=1e-9)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 2, 2, 2), (2, 2, 2, 2)),
        ((0, 0, 0, 9), (0, 0, 9, 9)),
        ((0, 0, 4, 4), (4, 0, 8, 4)),
        ((0, 0, 4, 4), (9, 9, 1, 1)),
    ],
    ids=["two points", "line in box", "touching", "inverted"],
)
def test_iou_of_boxes_that_share_no_area_is_0(a, b):
    assert pairwise_iou(np.array([a], np.float32), np.array([b], np.float32))[0, 0] == 0


@given(corner_boxes(), st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_clipped_boxes_lie_in_the_image_and_stay_put_inside(boxes, size_hw):
    clipped = clip_boxes(boxes, size_hw)

    for box, before in zip(clipped, boxes, strict=True):
        for value, original, limit in zip(box, before, (size_hw[1], size_hw[0]) * 2, strict=True):
            assert value == min(max(original, 0), limit)
    assert np.array_equal(clip_boxes(clipped, size_hw), clipped)


def test_clipping_leaves_its_input_alone():
    boxes = np.array([[-5, -5, 50, 50]], np.float32)

    clipped = clip_boxes(boxes, (20, 30))

    assert clipped.tolist() == [[0, 0, 30, 20]]
    assert boxes.tolist() == [[-5, -5, 50, 50]]
