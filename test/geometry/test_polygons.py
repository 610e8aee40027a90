import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtv_perception.geometry.polygons import (
    check_polygon,
    grid_inside,
    outline_points,
    points_inside,
    polygon_area,
    rasterise,
    segments_touch_polygon,
    shared_points,
    widened,
)

SQUARE = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
L_SHAPE = np.array([[0.0, 0], [4, 0], [4, 1], [1, 1], [1, 4], [0, 4]])


def signed_distances(polygon, points):
    """Of points to the outline, by OpenCV; positive inside."""
    contour = polygon.astype(np.float32)[:, None]
    return np.array([cv2.pointPolygonTest(contour, tuple(map(float, p)), True) for p in points])


def test_no_points():
    assert points_inside(SQUARE, np.empty((0, 2))).shape == (0,)
    assert shared_points(SQUARE, SQUARE + 10).shape == (0, 2)


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        ((0.5, 0.5), True),
        ((0.0, 2.0), True),
        ((4.0, 1.0), True),
        ((2.0, 2.0), False),
        ((5.0, 0.5), False),
        ((5.0, -1.0), False),
    ],
)
def test_inside_of_an_l(point, inside):
    assert points_inside(L_SHAPE, np.array([point]))[0] == inside


def test_a_point_that_is_none_is_not_inside():
    assert not points_inside(SQUARE, np.array([[np.nan, 1.0], [1.0, np.nan]])).any()


@settings(max_examples=150, deadline=None)
@given(st.integers(3, 9), st.integers(0, 2**32 - 1))
def test_inside_as_opencv_says(corners, seed):
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    star = (
        random.uniform(20, 100, corners)[:, None]
        * np.column_stack([np.cos(angles), np.sin(angles)])
    ).round(2)
    points = random.uniform(-100, 100, (30, 2)).round(2)
    signed = signed_distances(star, points)
    clear = np.abs(signed) > 1e-3

    assert (points_inside(star, points) == (signed > 0))[clear].all()


@pytest.mark.parametrize(
    ("start", "end", "touches"),
    [
        ((-1, 2), (5, 2), True),
        ((1, 1), (2, 2), True),
        ((-1, 0), (5, 0), True),
        ((4, 4), (5, 5), True),
        ((-1, 5), (5, 4.1), False),
        ((5, 0), (9, 0), False),
        ((5, 5), (5, 5), False),
        ((2, 2), (2, 2), True),
    ],
)
def test_segments_that_touch_a_square(start, end, touches):
    found = segments_touch_polygon(SQUARE, np.array([start], float), np.array([end], float))

    assert found.tolist() == [touches]


@pytest.mark.parametrize(
    ("other", "shares"),
    [
        ([[1, 1], [2, 2], [3, 1]], True),
        ([[-9, -9], [20, -9], [20, 20], [-9, 20]], True),
        ([[-1, 2], [9, 2]], True),
        ([[-1, 2], [-0.1, 2]], False),
        ([[2, 2]], True),
        ([[5, 5]], False),
        ([[-1, 2], [2, 2], [9, 2]], True),
        ([[-2, 3], [3, 7], [-2, 7]], False),
        ([[3, 5], [5, 3], [5, 5]], True),
    ],
)
def test_what_shapes_share_with_a_square(other, shares):
    shape = np.array(other, float)

    for found in (shared_points(shape, SQUARE), shared_points(SQUARE, shape)):
        if len(shape) > 2 or shares:
            assert bool(len(found)) == shares or len(shape) < 3
    found = shared_points(shape, SQUARE)
    assert bool(len(found)) == shares
    assert points_inside(SQUARE, found).all()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_convex_shapes_share_what_opencv_says(seed):
    random = np.random.default_rng(seed)
    a, b = (
        cv2.convexHull(random.uniform(0, 10, (6, 2)).astype(np.float32))[:, 0].astype(float)
        for _ in "ab"
    )
    b += random.uniform(-8, 8, 2)
    area, _ = cv2.intersectConvexConvex(a.astype(np.float32), b.astype(np.float32))
    gap = -max(signed_distances(a, b).max(), signed_distances(b, a).max())

    if area > 1e-3:
        assert len(shared_points(a, b))
    if gap > 1e-3 and area == 0:
        assert not len(shared_points(a, b))


def test_rasterise_counts_the_area():
    triangle = np.array([[10.0, 10], [90, 20], [40, 70]])

    assert rasterise(triangle, (100, 120)).sum() == pytest.approx(polygon_area(triangle), rel=0.02)
    assert rasterise(SQUARE, (6, 6)).sum() == 16
    assert rasterise(SQUARE - 100, (6, 6)).sum() == 0


def test_grid_covers_the_polygon_and_stays_within_bounds():
    assert len(grid_inside(L_SHAPE, 0.1)) == pytest.approx(700, rel=0.05)
    assert points_inside(L_SHAPE, grid_inside(L_SHAPE, 0.1)).all()
    assert len(grid_inside(SQUARE * 1000, 0.01)) < 11_000
    assert len(outline_points(SQUARE * 1000, 0.01)) < 11_000


@pytest.mark.parametrize("width", [1e-3, 0.05, 0.15, 0.45, 1.2])
@pytest.mark.parametrize("degrees", [0, 30, 90, 137])
@pytest.mark.parametrize("spacing", [0.05, 0.3, 1.0])
def test_grid_and_outline_leave_no_gap_in_a_narrow_polygon(width, degrees, spacing):
    turn = np.radians(degrees)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    strip = np.array([[0, 0], [6, 0], [6, width], [0, width]]) @ axes
    points = np.concatenate([grid_inside(strip, spacing), outline_points(strip, spacing)])

    along = np.array([[x, y] for x in np.linspace(0, 6, 61) for y in (0, width / 2, width)]) @ axes
    nearest = np.linalg.norm(along[:, None] - points, axis=-1).min(1)
    assert nearest.max() <= spacing
    assert np.abs(points @ axes.T - [3, width / 2]).max(0) == pytest.approx([3, width / 2])


@pytest.mark.parametrize(
    ("corners", "why"),
    [
        (np.empty((0, 2)), "three or more corners"),
        ([[0, 0], [1, 1]], "three or more corners"),
        ([[0, 0], [1, 0], [2, 0]], "with an area, got corners on a line"),
        ([[0, 0], [1, 1], [1, 0], [0, 1]], "whose edges do not cross, its corners in the order"),
        ([[0, 0], [1, 0], [np.nan, 1]], "finite corners"),
        ([[0, 0, 0], [1, 0, 0], [1, 1, 0]], "three or more corners"),
        ([[0, 0], [1, 0], [1, 1], [0, 0]], r"got \[0.0, 0.0\] again; leave it out"),
        ([[0, 0], [1, 0], [1, 0], [1, 1]], r"got \[1.0, 0.0\] again; leave it out"),
    ],
)
def test_polygons_that_are_none(corners, why):
    with pytest.raises(ValueError, match=f"^Expected .*{why}") as error:
        check_polygon(np.array(corners, float))
    assert "\n" not in str(error.value)


def test_a_polygon_may_go_either_way_round():
    np.testing.assert_array_equal(check_polygon(L_SHAPE[::-1]), L_SHAPE[::-1])


@given(st.integers(1, 6), st.floats(0.01, 2.0), st.integers(0, 2**32 - 1))
def test_a_widened_shape_holds_what_is_near_and_nothing_farther(corners, margin, seed):
    rng = np.random.default_rng(seed)
    shape = rng.uniform(-5, 5, (corners, 2))
    hull = cv2.convexHull(shape.astype(np.float32))
    reach = widened(shape, margin)
    angles = np.linspace(0, 2 * np.pi, 24)
    around = np.column_stack([np.cos(angles), np.sin(angles)])

    weights = rng.dirichlet(np.ones(corners), 20)
    near = (weights @ shape)[:, None] + 0.999 * margin * around
    assert points_inside(reach, near.reshape(-1, 2)).all()

    distance = [-cv2.pointPolygonTest(hull, (float(x), float(y)), True) for x, y in reach]
    assert max(distance) <= 1.09 * margin + 1e-4


def test_without_a_margin_a_shape_stays_as_it_is():
    line = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert widened(line, 0.0) is line
