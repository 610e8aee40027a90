"""Objects that lean in the image: rolled cameras, wide lenses, cameras that hang upside down."""

from dataclasses import replace

import numpy as np
import pytest

from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting
from mtv_perception.geometry.polygons import points_inside, widened
from mtv_perception.labels import LabelSet
from mtv_perception.types import Detections
from mtv_perception.zones.config import ZoneConfig
from mtv_perception.zones.footprints import footprints_of
from mtv_perception.zones.judge import Observation, ZoneJudge
from mtv_perception.zones.presence import Verdict
from mtv_perception.zones.source import DetectionSource

SIZE_HW = (480, 640)
PINHOLE = Intrinsics(SIZE_HW, (500.0, 500.0), (319.5, 239.5))
FISHEYE = Intrinsics(SIZE_HW, (250.0, 250.0), (319.5, 239.5), "equidistant", (0.01, 0.0, 0.0, 0.0))
LABELS = LabelSet(("background", "rail", "person", "forklift"))
PERSON = 2
# How far from its footprint an object may stand, as a share of its distance, by its lean in degrees.
PRECISION = {15.0: 0.01, 40.0: 0.12}
SQUARE = ((2.0, -1.0), (4.0, -1.0), (4.0, 1.0), (2.0, 1.0))


def camera(lens=PINHOLE, roll=0.0, pitch=20.0):
    return FloorCamera(lens, Mounting((0.0, 0.0, 1.6), (roll, pitch, 0.0)))


def box_around(view, place, width=0.5, tall=1.75):
    """Of an upright board that faces the camera; its lower edge has its middle at `place`."""
    side = np.array([-place[1], place[0]]) / np.hypot(*place) * width / 2
    points = np.array([[*(place + sign * side), z] for sign in (-1, 1) for z in (0.0, tall)])
    pixels = view.points_to_pixels(points)
    return np.array([*pixels.min(0), *pixels.max(0)])


def seen(box, mask=None):
    found = Detections(
        np.array([box], np.float32).reshape(-1, 4),
        np.ones(1 if len(box) else 0, np.float32),
        np.full(1 if len(box) else 0, PERSON, np.int32),
    )
    return Observation(0, found, DetectionSource(LABELS, SIZE_HW), mask=mask)


def is_whole(box):
    return (box >= 3).all() and (box <= (637, 477, 637, 477)).all()


@pytest.mark.parametrize("width", [0.4, 0.6, 1.2])
@pytest.mark.parametrize("roll", [-30.0, -10.0, 0.0, 20.0])
@pytest.mark.parametrize("lens", [PINHOLE, FISHEYE], ids=["pinhole", "fisheye"])
def test_the_footprint_reaches_to_where_a_leaning_object_stands(lens, roll, width):
    view, judged = camera(lens, roll), 0
    for place in np.random.default_rng(0).uniform((1.0, -3.0), (6.0, 3.0), (200, 2)):
        box, pixel = box_around(view, place, width), view.floor_to_pixels(place[None])
        shares = [s for lean, s in PRECISION.items() if view.is_upright(pixel, lean)[0]]
        if not is_whole(box) or not shares:
            continue
        (footprint,) = footprints_of(view, box[None], 0.5)
        about = widened(footprint.corners, shares[0] * float(np.hypot(*place)))
        assert not footprint.placed or points_inside(about, place[None])[0], (place, box)
        judged += footprint.placed
    assert judged > 20


def test_a_small_lean_leaves_the_footprint_small():
    """Nothing like the whole box is taken where its size tells how the object stands."""
    view, place = camera(), np.array([3.0, 0.4])
    (footprint,) = footprints_of(view, box_around(view, place)[None], 0.5)

    assert np.ptp(footprint.corners, 0).max() < 0.4


@pytest.mark.parametrize("side", [-1, 1])
def test_what_a_side_of_the_image_cuts_off_may_stand_there(side):
    view = camera()
    pixel = np.array([[320 + side * 319.0, 400.0]])
    (edge,) = view.pixels_to_floor(pixel)
    box = [500, 100, 640, 400] if side > 0 else [0, 100, 140, 400]
    (footprint,) = footprints_of(view, np.array([box], float), 0.5)

    assert points_inside(widened(footprint.corners, 0.03), edge[None])[0]


@pytest.mark.parametrize("roll", [60.0, 90.0, 180.0, -100.0])
@pytest.mark.parametrize("tests", [("foot",), ("mask",), ("foot", "mask")])
def test_a_zone_is_never_free_for_a_camera_that_is_turned(roll, tests):
    view = camera(roll=roll, pitch=25.0)
    zone = ZoneConfig("zone", SQUARE, tests=tests, min_visible=0.01)
    judge = ZoneJudge(zone, (PERSON,), view)
    nobody = judge.judge(seen([], np.zeros(SIZE_HW, np.uint8)))

    assert judge.visible == 0
    assert nobody.verdict is Verdict.UNSURE
    assert "upright" in nobody.why


def test_a_zone_below_a_camera_that_looks_straight_down_is_half_upright():
    """Above the middle of the image heads are up; below it they are down."""
    view = camera(FISHEYE, pitch=90.0)
    everywhere = ZoneConfig("zone", ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)))
    ahead = replace(everywhere, polygon=((0.5, -0.4), (1.2, -0.4), (1.2, 0.4), (0.5, 0.4)))

    assert 0.1 < ZoneJudge(everywhere, (PERSON,), view).visible < 0.4
    assert ZoneJudge(ahead, (PERSON,), view).visible > 0.9


@pytest.mark.parametrize("roll", [70.0, 180.0])
def test_an_object_that_is_turned_may_stand_anywhere_in_its_box(roll):
    view = camera(roll=roll, pitch=60.0)
    place = np.array([1.2, 0.1])
    (footprint,) = footprints_of(view, box_around(view, place, tall=0.6)[None], 0.5)

    assert points_inside(footprint.corners, place[None])[0]
