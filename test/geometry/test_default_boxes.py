import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtv_perception.config import from_mapping, to_plain
from mtv_perception.geometry.boxes import xyxy_to_cxcywh
from mtv_perception.geometry.default_boxes import (
    DefaultBoxMap,
    DefaultBoxSpec,
    linear_scales,
    pyramid_spec,
    ssd_spec,
)

SEEDS_GRIDS = ((30, 40), (15, 20), (8, 10), (4, 5))
SEEDS_PADDINGS = (0.025, 0.05, 0.075, 0.1)


@pytest.fixture(scope="module")
def reference():
    return ssd_spec((480, 640), SEEDS_GRIDS, linear_scales(0.15, 0.95, 4), paddings=SEEDS_PADDINGS)


def loop_boxes(spec):
    """Every box by four nested loops."""
    for item in spec.maps:
        rows, columns = item.grid_hw
        for row, column, (width, height) in itertools.product(
            range(rows), range(columns), item.shapes_wh
        ):
            yield (
                centre(column, columns, item, spec.size_hw[1]),
                centre(row, rows, item, spec.size_hw[0]),
                width,
                height,
            )


def centre(index, count, item, length):
    if item.step is not None:
        return (index + 0.5) * item.step
    if item.padding is None:
        return (index + 0.5) / count * length
    return (
        item.padding + index * (1 - 2 * item.padding) / (count - 1) if count > 1 else 0.5
    ) * length


grids = st.tuples(st.integers(1, 6), st.integers(1, 6))
shapes = st.lists(st.tuples(st.floats(1, 900), st.floats(1, 900)), min_size=1, max_size=4).map(
    tuple
)
paddings = st.one_of(st.none(), st.floats(0, 0.49))
spread = st.builds(DefaultBoxMap, grids, shapes, paddings)
stepped = st.builds(DefaultBoxMap, grids, shapes, st.none(), st.floats(1, 200))
maps = st.lists(st.one_of(spread, stepped), min_size=1, max_size=3).map(tuple)
specs = st.builds(DefaultBoxSpec, st.tuples(st.integers(32, 900), st.integers(32, 900)), maps)


@given(specs)
def test_boxes_are_ordered_map_row_column_shape(spec):
    boxes = spec.boxes_cxcywh()

    assert boxes.dtype == np.float32
    assert boxes.shape == (spec.count, 4)
    np.testing.assert_allclose(boxes, list(loop_boxes(spec)), rtol=1e-5, atol=1e-3)


@given(specs)
def test_corners_and_centres_describe_the_same_boxes(spec):
    np.testing.assert_allclose(xyxy_to_cxcywh(spec.boxes_xyxy()), spec.boxes_cxcywh(), atol=1e-3)


@given(specs)
def test_a_specification_survives_the_artefact_file(spec):
    assert from_mapping(DefaultBoxSpec, to_plain(spec)) == spec


def test_the_reference_configuration_has_9600_boxes(reference):
    per_map = [math.prod(item.grid_hw) * item.boxes_per_point for item in reference.maps]

    assert per_map == [7200, 1800, 480, 120]
    assert reference.count == len(reference.boxes_cxcywh()) == 9600


def test_the_reference_padding_is_kept_from_the_borders(reference):
    first = reference.boxes_cxcywh()[:7200]

    assert first[:, 0].min() == pytest.approx(0.025 * 640)
    assert first[:, 0].max() == pytest.approx(0.975 * 640)
    assert first[:, 1].min() == pytest.approx(0.025 * 480)
    assert first[:, 1].max() == pytest.approx(0.975 * 480)


def test_ssd_shapes_follow_the_paper(reference):
    scales = (0.15, 0.15 + 0.8 / 3, 0.15 + 1.6 / 3, 0.95)
    for item, scale, following in zip(reference.maps, scales, (*scales[1:], 1.0), strict=True):
        ratios = (1, 2, 3, 1 / 2, 1 / 3)
        expected = [(scale * 640 * math.sqrt(r), scale * 480 / math.sqrt(r)) for r in ratios]
        extra = math.sqrt(scale * following)
        np.testing.assert_allclose(item.shapes_wh, [*expected, (extra * 640, extra * 480)])


def test_each_map_may_have_its_own_aspect_ratios():
    spec = ssd_spec(
        (100, 100), ((2, 2), (1, 1)), (0.2, 0.5), ((1.0,), (1.0, 4.0)), extra_square=False
    )

    assert [item.boxes_per_point for item in spec.maps] == [1, 2]
    np.testing.assert_allclose(spec.maps[1].shapes_wh, [(50, 50), (100, 25)])
    assert spec.count == 4 + 2


@pytest.mark.parametrize("place", [(0, 0), (1, 2), (2, 3)])
def test_a_624x208_box_keeps_its_sides_everywhere(place):
    spec = DefaultBoxSpec((480, 640), (DefaultBoxMap((3, 4), ((624.0, 208.0),)),))
    index = place[0] * 4 + place[1]

    x0, y0, x1, y1 = spec.boxes_xyxy()[index]

    assert (x1 - x0, y1 - y0) == (624, 208)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == ((place[1] + 0.5) * 160, (place[0] + 0.5) * 160)


def test_the_shape_of_ratio_3_is_three_times_as_wide_as_high_on_a_square_input():
    spec = ssd_spec((480, 480), ((1, 1),), (0.5,), (3.0,), extra_square=False)
    ((width, height),) = spec.maps[0].shapes_wh

    assert width / height == pytest.approx(3)
    assert width * height == pytest.approx(240**2)


def test_pyramid_boxes_keep_their_area_at_every_ratio():
    spec = pyramid_spec(
        (480, 640), ((60, 80), (30, 40)), (20, 40), (1, math.sqrt(2)), (0.4, 1.0, 2.0)
    )

    assert spec.count == (4800 + 1200) * 6
    for item, base in zip(spec.maps, (20, 40), strict=True):
        areas = [width * height for width, height in item.shapes_wh]
        ratios = [width / height for width, height in item.shapes_wh]
        np.testing.assert_allclose(areas, [base**2] * 3 + [2 * base**2] * 3)
        np.testing.assert_allclose(ratios, [0.4, 1, 2] * 2)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (0.2,)), (2, (0.2, 0.9)), (3, (0.2, 0.55, 0.9))]
)
def test_linear_scales(count, expected):
    assert linear_scales(0.2, 0.9, count) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("lowest", "highest", "count"), [(0.2, 0.9, 0), (0, 0.9, 3), (0.9, 0.2, 3)]
)
def test_impossible_scales_are_refused(lowest, highest, count):
    with pytest.raises(ValueError, match="lowest <= highest"):
        linear_scales(lowest, highest, count)


@pytest.mark.parametrize(
    ("grid_hw", "shapes_wh", "padding"),
    [
        ((0, 1), ((5, 5),), None),
        ((1, -1), ((5, 5),), None),
        ((1, 1), (), None),
        ((1, 1), ((5, 0),), None),
        ((1, 1), ((5, math.nan),), None),
        ((1, 1), ((math.inf, 5),), None),
        ((1, 1), ((5, 5),), 0.5),
        ((1, 1), ((5, 5),), -0.1),
        ((1, 1), ((5, 5),), math.nan),
    ],
)
def test_an_impossible_map_is_refused(grid_hw, shapes_wh, padding):
    with pytest.raises(ValueError, match="Expected a (positive grid|padding)"):
        DefaultBoxMap(grid_hw, shapes_wh, padding)


@pytest.mark.parametrize(
    ("padding", "step"), [(None, 0.0), (None, math.nan), (None, math.inf), (0.1, 8.0)]
)
def test_an_impossible_step_is_refused(padding, step):
    with pytest.raises(ValueError, match="Expected a positive step and no padding"):
        DefaultBoxMap((1, 1), ((5, 5),), padding, step)


@pytest.mark.parametrize("size_hw", [(480, 640), (384, 512), (320, 448), (96, 128)])
def test_pyramid_boxes_stand_on_the_cells_of_their_map(size_hw):
    """Centres are a stride apart also where the sides are no whole number of strides: 480 / 64 is
    7.5, not 8 cells.
    """
    strides = (8, 16, 32, 64)
    grids = [tuple(math.ceil(side / stride) for side in size_hw) for stride in strides]
    for stride, item in zip(
        strides, pyramid_spec(size_hw, grids, strides, (1,), (1,)).maps, strict=True
    ):
        boxes = DefaultBoxSpec(size_hw, (item,)).boxes_cxcywh().reshape(*item.grid_hw, 4)
        assert (boxes[0, 0, :2] == stride / 2).all()
        assert set(np.diff(boxes[0, :, 0])) == set(np.diff(boxes[:, 0, 1])) == {stride}


@pytest.mark.parametrize(
    ("scales", "ratios", "message"),
    [((0.5,), (1.0,), "2 scales"), ((0.2, 0.5), ((1.0,),), "2 maps")],
)
def test_ssd_needs_scales_and_ratios_for_every_map(scales, ratios, message):
    with pytest.raises(ValueError, match=message):
        ssd_spec((100, 100), ((2, 2), (1, 1)), scales, ratios)
