from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting
from mtv_perception.geometry.polygons import points_inside, widened
from mtv_perception.labels import UNLABELED_ID, WAREHOUSE
from mtv_perception.types import Detections
from mtv_perception.zones.config import ZoneConfig
from mtv_perception.zones.footprints import footprints_of
from mtv_perception.zones.judge import Observation, ZoneJudge
from mtv_perception.zones.presence import Verdict
from mtv_perception.zones.source import DetectionSource

FLOOR = ZoneConfig("floor", ((1.5, -0.6), (4.0, -0.6), (4.0, 0.6), (1.5, 0.6)))
IMAGE = ZoneConfig(
    "image", ((100.0, 100.0), (300.0, 100.0), (300.0, 300.0), (100.0, 300.0)), space="image"
)
PERSON = 2
SOURCE = DetectionSource(WAREHOUSE, (480, 640))


def seen(*boxes, score=0.9, class_id=PERSON, mask=None):
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(corners)
    found = Detections(
        corners, np.full(count, score, np.float32), np.full(count, class_id, np.int32)
    )
    return Observation(1, found, SOURCE, mask=mask)


def judge(zone, camera, observation):
    return ZoneJudge(zone, (PERSON,), camera).judge(observation)


def test_nobody(floor_camera):
    for zone in (FLOOR, IMAGE):
        assert judge(zone, floor_camera, seen()).verdict is Verdict.CLEAR


@pytest.mark.parametrize(
    ("place", "verdict"),
    [
        ((3.0, 0.0), Verdict.OCCUPIED),
        ((3.9, 0.5), Verdict.OCCUPIED),
        (
            (3.0, 0.65),
            Verdict.OCCUPIED,
        ),  # a foot in the zone: half the box is foot, 12.5 cm to each side
        ((3.0, 0.85), Verdict.CLEAR),
        ((4.03, 0.0), Verdict.CLEAR),
        ((6.0, 0.0), Verdict.CLEAR),
        ((3.0, -1.5), Verdict.CLEAR),
    ],
)
def test_people_on_the_floor(floor_camera, box_of, place, verdict):
    found = judge(FLOOR, floor_camera, seen(box_of(*place)))

    assert found.verdict is verdict
    assert found.objects == (verdict is Verdict.OCCUPIED)


def test_distance_and_points_in_cm(floor_camera, box_of, record_property):
    found = judge(FLOOR, floor_camera, seen(box_of(3.0, 0.0), box_of(3.5, 0.2)))
    error_cm = 100 * abs(found.nearest_m - np.hypot(2.7, 1.2))

    record_property("nearest_error_cm", float(error_cm))
    assert found.objects == 2
    assert error_cm < 0.2
    assert np.abs(found.points_xy[:, 0] - 3.0).min() < 1e-3


def test_score_and_class_matter(floor_camera, box_of):
    assert judge(FLOOR, floor_camera, seen(box_of(3.0, 0.0), score=0.2)).verdict is Verdict.CLEAR
    assert judge(FLOOR, floor_camera, seen(box_of(3.0, 0.0), class_id=3)).verdict is Verdict.CLEAR


@pytest.mark.parametrize("lowest", [0.1, 0.3, 0.45, 0.7])
@pytest.mark.parametrize("zone", [FLOOR, replace(IMAGE, tests=("box",))])
def test_a_detection_of_exactly_the_lowest_score_counts(floor_camera, box_of, zone, lowest):
    box = box_of(3.0, 0.0) if zone is FLOOR else [150, 150, 200, 350]
    zone, least = replace(zone, min_score=lowest), np.float32(lowest)

    assert judge(zone, floor_camera, seen(box, score=least)).verdict is Verdict.OCCUPIED
    below = np.nextafter(least, np.float32(0.0))
    assert judge(zone, floor_camera, seen(box, score=below)).verdict is Verdict.CLEAR


@pytest.mark.parametrize("bottom", [478.0, 478.5, 479.0, 480.0])
def test_a_box_that_nearly_reaches_the_lower_edge_goes_on_below_it(floor_camera, bottom):
    near = replace(FLOOR, polygon=((0.4, -0.1), (0.8, -0.1), (0.8, 0.1)), min_visible=0.0)

    box = [290, 100, 350, bottom]
    assert judge(near, floor_camera, seen(box)).verdict is Verdict.OCCUPIED
    for higher in (476.0, 470.0, 430.0):
        box = [290, 100, 350, higher]
        assert judge(near, floor_camera, seen(box)).verdict is Verdict.CLEAR


def test_a_box_cut_off_below_stands_between_camera_and_edge(floor_camera, box_of):
    near = replace(
        FLOOR, polygon=((0.5, -0.5), (1.2, -0.5), (1.2, 0.5), (0.5, 0.5)), min_visible=0.0
    )
    cut_off = box_of(0.9, 0.0)
    assert cut_off[3] == 480

    assert judge(near, floor_camera, seen(cut_off)).verdict is Verdict.OCCUPIED
    assert judge(near, floor_camera, seen(box_of(3.0, 0.0))).verdict is not Verdict.OCCUPIED


def test_a_box_that_ends_above_the_horizon_makes_its_direction_unsure(floor_camera):
    legs_hidden = [290, 10, 350, 50]
    aside = [10, 10, 40, 50]

    assert judge(FLOOR, floor_camera, seen(legs_hidden)).verdict is Verdict.UNSURE
    assert judge(FLOOR, floor_camera, seen(aside)).verdict is Verdict.CLEAR
    assert (
        judge(replace(FLOOR, unplaced="ignore"), floor_camera, seen(legs_hidden)).verdict
        is Verdict.CLEAR
    )


@pytest.mark.parametrize(
    ("place", "width", "verdict"),
    [
        ((1.1, 0.0), 0.5, Verdict.UNSURE),  # between the camera and the zone
        ((1.3, 0.5), 0.6, Verdict.UNSURE),
        ((1.3, -0.5), 0.6, Verdict.UNSURE),
        ((1.2, 0.0), 2.5, Verdict.UNSURE),  # a machine across the way
        ((1.3, 0.0), 0.04, Verdict.CLEAR),  # a pole hides less than a tenth
        ((1.3, 1.2), 0.5, Verdict.CLEAR),  # beside the line of sight
        ((5.0, 0.0), 0.5, Verdict.CLEAR),  # behind the zone
    ],
)
def test_what_stands_in_front_of_a_zone_hides_it(floor_camera, box_of, place, width, verdict):
    found = judge(FLOOR, floor_camera, seen(box_of(*place, width=width)))

    assert found.verdict is verdict
    assert ("hidden" in found.why) == (verdict is Verdict.UNSURE)


def test_what_hides_a_zone_is_chosen(floor_camera, box_of):
    in_front, forklift = box_of(1.1, 0.0, width=1.2), 3
    observation = seen(in_front, class_id=forklift)
    people = ZoneJudge(FLOOR, (PERSON,), floor_camera)
    careful = ZoneJudge(FLOOR, (PERSON,), floor_camera, hiding_ids=(forklift,))
    faint = seen(in_front, class_id=forklift, score=0.2)
    content = replace(FLOOR, min_visible=0.0)

    assert people.judge(observation).verdict is Verdict.CLEAR
    assert careful.judge(observation).verdict is Verdict.UNSURE
    assert careful.judge(faint).verdict is Verdict.CLEAR
    assert judge(content, floor_camera, seen(in_front)).verdict is Verdict.CLEAR


@pytest.mark.parametrize("zone", [IMAGE, replace(FLOOR, tests=("mask",))])
def test_boxes_hide_nothing_from_other_tests_than_the_foot(floor_camera, box_of, zone):
    nobody = np.zeros((480, 640), np.uint8)
    aside = [0, 0, 90, 90] if zone is IMAGE else box_of(1.1, 0.0)

    assert judge(zone, floor_camera, seen(aside, mask=nobody)).verdict is Verdict.CLEAR


@pytest.mark.parametrize("tests", [("mask",), ("foot", "mask")])
@pytest.mark.parametrize(
    ("class_id", "hiding", "verdict"),
    [
        (PERSON, (), Verdict.UNSURE),  # the zone's own class always hides
        (3, (3,), Verdict.UNSURE),
        (3, (), Verdict.CLEAR),  # as documented: other classes only where they are named
        (1, (3,), Verdict.CLEAR),
    ],
)
def test_what_the_mask_shows_before_a_zone_hides_it(
    floor_camera, box_of, tests, class_id, hiding, verdict
):
    x0, y0, x1, y1 = np.round(box_of(1.1, 0.0, width=1.2)).astype(int)
    mask = np.zeros((480, 640), np.uint8)
    mask[max(y0, 0) : y1, x0:x1] = class_id
    zone = replace(FLOOR, tests=tests, mask_columns=1)
    found = ZoneJudge(zone, (PERSON,), floor_camera, hiding_ids=hiding).judge(seen(mask=mask))

    assert found.verdict is verdict
    content = replace(zone, min_visible=0.0)
    judging = ZoneJudge(content, (PERSON,), floor_camera, hiding_ids=hiding)
    assert judging.judge(seen(mask=mask)).verdict is Verdict.CLEAR


@pytest.mark.parametrize("margin", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("side", ["far", "left", "right"])
def test_an_object_within_the_margin_is_inside(floor_camera, box_of, margin, side):
    zone = replace(FLOOR, margin=margin, min_visible=0.0)

    def verdict(gap):  # half of a box 0.5 m wide is its foot
        place = {"far": (4.0 + gap, 0.0), "left": (3.5, 0.725 + gap), "right": (3.5, -0.725 - gap)}
        return judge(zone, floor_camera, seen(box_of(*place[side]))).verdict

    assert verdict(0.9 * margin) is Verdict.OCCUPIED
    assert verdict(1.2 * margin) is Verdict.CLEAR
    assert (
        judge(FLOOR, floor_camera, seen(box_of(4.0 + 0.9 * margin, 0.0))).verdict is Verdict.CLEAR
    )


@pytest.mark.parametrize("error", [0.03, 0.05, 0.1])
@pytest.mark.parametrize("x", [3.0, 5.0, 8.0, 14.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_box_that_ends_too_high_or_too_low_occupies_the_zone(
    floor_camera, box_of, error, x, sign
):
    """However far away: a pixel is 1 cm at 2 m, 35 cm at 14 m."""
    box = box_of(x, 0.0)
    height = box[3] - box[1]
    near, far = (
        floor_camera.pixels_to_floor(np.array([[320.0, box[3] + sign * share * error * height]]))
        for share in (1.2, 0.9)
    )
    line = np.array([[0.01, -0.4], [0.01, 0.4], [-0.01, 0.4], [-0.01, -0.4]])
    for edge, expected in ((far, Verdict.OCCUPIED), (near, Verdict.CLEAR)):
        corners = tuple(map(tuple, edge + line))
        zone = ZoneConfig("line", corners, edge_error=error, min_visible=0.0)
        assert judge(zone, floor_camera, seen(box)).verdict is expected


@given(st.floats(2.0, 12.0), st.floats(-2.0, 2.0), st.floats(0.0, 0.2), st.floats(-1.0, 1.0))
def test_the_true_foot_lies_within_the_reach_of_a_box_that_is_off(x, y, error, share):
    """Property: a lower edge that is off by no more than the error misses no place."""
    camera = FloorCamera(
        Intrinsics((480, 640), (525.0, 525.0), (320.0, 240.0)),
        Mounting((0.0, 0.0, 1.2), (0.0, 15.0, 0.0)),
    )
    ends = np.array([[x, y, 0.0], [x, y, 1.75]])
    (u, foot), (_, head) = camera.points_to_pixels(ends)
    lower = foot + share * error * (foot - head) / (1 + error)
    (footprint,) = footprints_of(camera, np.array([[u - 20, head, u + 20, lower]]), 0.5, error)

    about = widened(footprint.reach, 0.05)
    assert not footprint.placed or points_inside(about, np.array([[x, y]]))[0]


def test_what_may_stand_beyond_the_horizon_reaches_far_away(floor_camera):
    """A camera near the floor: a twentieth of a tall box is more than what is left to the horizon."""
    low = FloorCamera(floor_camera.intrinsics, Mounting((0.0, 0.0, 0.1), (0.0, 0.0, 0.0)))
    ((_, foot), (_, head)) = low.points_to_pixels(np.array([[9.0, 0.0, 0.0], [9.0, 0.0, 3.0]]))
    (footprint,) = footprints_of(low, np.array([[310.0, head, 330.0, foot]]), 0.5, 0.05)

    assert footprint.placed
    assert footprint.reach[:, 0].max() > 500
    assert points_inside(footprint.reach, np.array([[40.0, 0.0]]))[0]
    assert np.ptp(footprint.corners[:, 0]) < 1.0


def test_the_error_of_the_edge_changes_no_place_of_what_is_inside(floor_camera, box_of):
    inside = seen(box_of(3.0, 0.0))
    plain, careful = (judge(replace(FLOOR, edge_error=e), floor_camera, inside) for e in (0.0, 0.1))

    assert plain.nearest_m == careful.nearest_m
    np.testing.assert_array_equal(plain.points_xy, careful.points_xy)


def test_the_margin_changes_no_place_of_what_is_inside(floor_camera, box_of):
    inside = seen(box_of(3.0, 0.0))
    plain, wide = (judge(replace(FLOOR, margin=m), floor_camera, inside) for m in (0.0, 0.4))

    np.testing.assert_array_equal(plain.points_xy, wide.points_xy)
    assert plain.nearest_m == wide.nearest_m


HIDDEN, ASIDE = [290, 10, 350, 50], [10, 10, 40, 50]


@pytest.mark.parametrize(
    "boxes",
    [[HIDDEN, ASIDE], [ASIDE, HIDDEN], [ASIDE, HIDDEN, ASIDE], [HIDDEN, [600, 60, 630, 300]]],
)
def test_one_of_several_objects_without_a_place_is_enough_to_be_unsure(floor_camera, boxes):
    assert judge(FLOOR, floor_camera, seen(*boxes)).verdict is Verdict.UNSURE


def test_a_zone_that_is_not_in_the_image_is_never_clear(floor_camera, box_of):
    behind = replace(FLOOR, polygon=((-3.0, -1.0), (-1.0, -1.0), (-1.0, 1.0)))
    half = replace(FLOOR, polygon=((-1.0, -0.5), (3.0, -0.5), (3.0, 0.5), (-1.0, 0.5)))

    assert ZoneJudge(behind, (PERSON,), floor_camera).visible == 0
    assert judge(behind, floor_camera, seen()).verdict is Verdict.UNSURE
    assert judge(half, floor_camera, seen()).verdict is Verdict.UNSURE
    assert judge(half, floor_camera, seen(box_of(2.9, 0.0))).verdict is Verdict.OCCUPIED


@pytest.mark.parametrize(
    ("polygon", "roll"),
    [
        (((-3.0, -1.0), (-1.0, -1.0), (-1.0, 1.0)), 0.0),
        (((1.0, 20.0), (2.0, 20.0), (2.0, 22.0)), 0.0),
        (FLOOR.polygon, 180.0),
        (FLOOR.polygon, 90.0),
    ],
    ids=["behind", "beside", "upside down", "on its side"],
)
def test_a_zone_in_which_nobody_could_be_seen_is_never_clear(floor_camera, polygon, roll):
    zone = replace(FLOOR, polygon=polygon, min_visible=0.0)
    place, (_, pitch, yaw) = floor_camera.mounting.position_xyz, floor_camera.mounting.rpy_deg
    camera = replace(floor_camera, mounting=Mounting(place, (roll, pitch, yaw)))

    found = judge(zone, camera, seen())

    assert found.verdict is Verdict.UNSURE
    assert "the image shows nothing upright that stands in the zone" in found.why


@pytest.mark.parametrize(
    ("tests", "box", "verdict"),
    [
        (("foot",), [150, 50, 200, 200], Verdict.OCCUPIED),
        (("foot",), [150, 150, 200, 350], Verdict.CLEAR),
        (("box",), [150, 150, 200, 350], Verdict.OCCUPIED),
        (("box",), [10, 10, 400, 400], Verdict.OCCUPIED),
        (("box",), [310, 10, 400, 400], Verdict.CLEAR),
        (("foot", "box"), [310, 10, 400, 400], Verdict.CLEAR),
    ],
)
def test_regions_of_the_image(tests, box, verdict):
    assert judge(replace(IMAGE, tests=tests), None, seen(box)).verdict is verdict


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_mask_in_a_region_of_the_image(floor_camera, scale):
    zone = replace(IMAGE, tests=("mask",), mask_share=0.01)
    mask = np.zeros((round(480 * scale), round(640 * scale)), np.uint8)
    assert judge(zone, floor_camera, seen(mask=mask)).verdict is Verdict.CLEAR
    mask[round(200 * scale) : round(230 * scale), round(280 * scale) : round(320 * scale)] = PERSON
    assert judge(zone, floor_camera, seen(mask=mask)).verdict is Verdict.OCCUPIED
    assert (
        judge(replace(zone, mask_share=0.02), floor_camera, seen(mask=mask)).verdict
        is Verdict.CLEAR
    )


@pytest.mark.parametrize(
    ("place", "verdict"), [((3.0, 0.0), Verdict.OCCUPIED), ((5.5, 0.0), Verdict.CLEAR)]
)
@pytest.mark.parametrize("size_hw", [(480, 640), (240, 320)])
def test_mask_on_the_floor_is_where_it_meets_the_floor(
    floor_camera, box_of, place, verdict, size_hw
):
    scale = size_hw[0] / 480
    x0, y0, x1, y1 = (np.array(box_of(*place)) * scale).round().astype(int)
    mask = np.zeros(size_hw, np.uint8)
    mask[y0:y1, x0:x1] = PERSON
    found = judge(replace(FLOOR, tests=("foot", "mask")), floor_camera, seen(mask=mask))

    assert found.verdict is verdict
    if verdict is Verdict.OCCUPIED:
        assert found.objects == 1
        assert found.nearest_m == pytest.approx(np.hypot(2.7, 1.2), abs=0.05)


@pytest.mark.parametrize(
    ("part", "verdict"), [(1.0, Verdict.OCCUPIED), (0.9, Verdict.CLEAR), (0.0, Verdict.CLEAR)]
)
def test_a_share_of_pixels_counts_from_exactly_that_share(part, verdict):
    zone = replace(IMAGE, tests=("mask",), mask_share=1.0)
    mask = np.zeros((480, 640), np.uint8)
    mask[: round(480 * part) if part == 1.0 else round(300 * part)] = PERSON

    assert judge(zone, None, seen(mask=mask)).verdict is verdict


@pytest.mark.parametrize(("boxes", "objects"), [(0, 1), (1, 1), (2, 2)])
def test_what_the_mask_shows_is_at_least_one_object(boxes, objects):
    zone, mask = replace(IMAGE, tests=("box", "mask")), np.full((480, 640), PERSON, np.uint8)
    found = judge(zone, None, seen(*[[150, 150, 200, 350]] * boxes, mask=mask))

    assert (found.verdict, found.objects) == (Verdict.OCCUPIED, objects)


@pytest.mark.parametrize("wanted", [1, 2, 5])
@pytest.mark.parametrize("missing", [0, 1])
def test_as_many_columns_as_asked_for_occupy_a_floor_zone(floor_camera, wanted, missing):
    zone, mask = (
        replace(FLOOR, tests=("mask",), mask_columns=wanted),
        np.zeros((480, 640), np.uint8),
    )
    mask[200:260, 300 : 300 + 4 * (wanted - missing) : 4] = PERSON  # A zone on these rows.

    verdict = Verdict.CLEAR if missing else Verdict.OCCUPIED
    assert judge(zone, floor_camera, seen(mask=mask)).verdict is verdict


@pytest.mark.parametrize("left", range(300, 308))
def test_a_thin_object_in_the_mask_is_found_wherever_it_stands(floor_camera, left):
    zone, mask = replace(FLOOR, tests=("mask",)), np.zeros((480, 640), np.uint8)
    mask[200:260, left : left + 8] = PERSON

    assert judge(zone, floor_camera, seen(mask=mask)).verdict is Verdict.OCCUPIED


@pytest.mark.parametrize("boxes", [[], [(3.5, 0.3)], [(3.5, 0.3), (3.8, -0.3)], [(2.0, 0.3)]])
def test_boxes_and_mask_are_told_together(floor_camera, box_of, boxes):
    """The mask shows somebody 3 m ahead and somebody 3.7 m ahead."""
    mask = np.zeros((480, 640), np.uint8)
    for place in ((3.0, -0.3), (3.7, 0.1)):
        x0, y0, x1, y1 = np.round(box_of(*place, width=0.3)).astype(int)
        mask[y0:y1, x0:x1] = PERSON
    zone = replace(FLOOR, tests=("foot", "mask"))
    found = judge(zone, floor_camera, seen(*[box_of(*place) for place in boxes], mask=mask))

    assert found.objects == max(1, len(boxes))
    ahead = [place[0] for place in boxes] + [3.0, 3.7]
    assert found.nearest_m == pytest.approx(np.hypot(min(ahead) - 0.3, 1.2), abs=0.06)
    for place in ahead:
        assert np.abs(found.points_xy[:, 0] - place).min() < 0.06


@pytest.mark.parametrize(
    "zone",
    [
        replace(IMAGE, polygon=((101, 101), (103, 101), (103, 103))),
        replace(IMAGE, polygon=((221, 301), (223, 301), (223, 303))),
        replace(FLOOR, polygon=((3.0, 0.0), (3.005, 0.0), (3.005, 0.005))),
    ],
)
def test_a_zone_between_the_pixels_that_are_looked_at_is_not_clear(floor_camera, zone):
    zone, mask = replace(zone, tests=("mask",), min_visible=0.0), np.zeros((480, 640), np.uint8)
    found = judge(zone, floor_camera, seen(mask=mask))

    assert found.verdict is Verdict.UNSURE
    assert "no pixel" in found.why


@pytest.mark.parametrize(("wanted", "verdict"), [(2, Verdict.CLEAR), (9, Verdict.UNSURE)])
def test_a_zone_of_fewer_columns_than_asked_for_is_not_clear(floor_camera, wanted, verdict):
    """No object in it could touch so many."""
    narrow = replace(FLOOR, polygon=((3.0, 0.0), (3.4, 0.0), (3.4, 0.1), (3.0, 0.1)))
    zone = replace(narrow, tests=("mask",), mask_columns=wanted)
    found = judge(zone, floor_camera, seen(mask=np.zeros((480, 640), np.uint8)))

    assert found.verdict is verdict
    assert ("mask_columns asks for 9" in found.why) == (wanted == 9)


@pytest.mark.parametrize(
    ("most", "value", "verdict"),
    [
        (0.0, 0, Verdict.CLEAR),
        (1.0, UNLABELED_ID, Verdict.CLEAR),
        (0.99, UNLABELED_ID, Verdict.UNSURE),
    ],
)
def test_unlabelled_pixels_up_to_the_limit_are_allowed(floor_camera, most, value, verdict):
    zone = replace(FLOOR, tests=("mask",), max_unlabelled=most)
    mask = np.full((480, 640), value, np.uint8)

    assert judge(zone, floor_camera, seen(mask=mask)).verdict is verdict


@pytest.mark.parametrize("part", ["all", "feet"])
@pytest.mark.parametrize(("zone", "rows"), [(FLOOR, slice(100, 260)), (IMAGE, slice(100, 200))])
def test_few_unlabelled_pixels_may_be_an_object_in_the_zone(floor_camera, zone, rows, part):
    """As perception's mask_threshold makes them of a person that it is not sure of."""
    mask = np.zeros((480, 640), np.uint8)
    mask[rows, 290:310] = UNLABELED_ID
    if part == "feet":
        mask[50:100, 290:310] = PERSON
    allowed = {most: replace(zone, tests=("mask",), max_unlabelled=most) for most in (0.5, 1.0)}
    found = {most: judge(zone, floor_camera, seen(mask=mask)) for most, zone in allowed.items()}

    assert found[0.5].verdict is Verdict.UNSURE
    assert "mask_threshold" in found[0.5].why
    assert found[1.0].verdict is Verdict.CLEAR


def test_what_is_unlabelled_before_a_zone_may_hide_it(floor_camera):
    zone, mask = replace(FLOOR, tests=("mask",)), np.zeros((480, 640), np.uint8)
    mask[200:470, 250:390] = UNLABELED_ID
    found = judge(replace(zone, max_unlabelled=0.9), floor_camera, seen(mask=mask))

    assert found.verdict is Verdict.UNSURE


@pytest.mark.parametrize("zone", [FLOOR, IMAGE])
def test_masks_may_change_their_size(floor_camera, zone):
    judging = ZoneJudge(replace(zone, tests=("mask",)), (PERSON,), floor_camera)
    for size_hw in ((480, 640), (240, 320), (480, 640), (120, 160)):
        clear, unlabelled = np.zeros(size_hw, np.uint8), np.full(size_hw, UNLABELED_ID, np.uint8)
        assert judging.judge(seen(mask=clear)).verdict is Verdict.CLEAR
        assert judging.judge(seen(mask=unlabelled)).verdict is Verdict.UNSURE


def test_boxes_do_not_count_for_a_zone_of_the_mask_test_alone(floor_camera, box_of):
    zone, mask = replace(FLOOR, tests=("mask",)), np.zeros((480, 640), np.uint8)

    assert judge(zone, floor_camera, seen(box_of(3.0, 0.0), mask=mask)).verdict is Verdict.CLEAR


def test_a_mask_cut_off_below_reaches_to_the_camera(floor_camera):
    near = ZoneConfig(
        "n", ((0.5, -0.5), (1.2, -0.5), (1.2, 0.5), (0.5, 0.5)), tests=("mask",), min_visible=0.0
    )
    mask = np.zeros((480, 640), np.uint8)
    mask[200:, 280:360] = PERSON

    assert judge(near, floor_camera, seen(mask=mask)).verdict is Verdict.OCCUPIED


def test_unlabelled_is_not_free(floor_camera):
    zone = replace(FLOOR, tests=("foot", "mask"))
    mask = np.full((480, 640), 255, np.uint8)

    assert judge(zone, floor_camera, seen(mask=mask)).verdict is Verdict.UNSURE


@pytest.mark.parametrize("size_hw", [(480, 640), (320, 427), (200, 267)])
def test_only_unlabelled_pixels_of_the_zone_matter(floor_camera, size_hw):
    zone = replace(FLOOR, tests=("foot", "mask"), min_visible=0.0)
    scale = np.array([size_hw[1] / 640, size_hw[0] / 480])
    outline = floor_camera.floor_to_pixels(np.array(zone.polygon)) * scale
    inside = np.zeros(size_hw, np.uint8)
    cv2.fillPoly(inside, [outline.round().astype(np.int32)], UNLABELED_ID)
    # Runs of it that end on the zone's own edge would touch it.
    outside = UNLABELED_ID - cv2.dilate(inside, np.ones((5, 5), np.uint8))

    assert judge(zone, floor_camera, seen(mask=inside)).verdict is Verdict.UNSURE
    assert judge(zone, floor_camera, seen(mask=outside)).verdict is Verdict.CLEAR


def test_a_missing_mask_teaches_nothing_but_boxes_count(floor_camera, box_of):
    zone = replace(FLOOR, tests=("foot", "mask"))

    assert judge(zone, floor_camera, seen()).verdict is None
    assert judge(zone, floor_camera, seen(box_of(3.0, 0.0))).verdict is Verdict.OCCUPIED


def test_a_floor_zone_needs_a_camera():
    with pytest.raises(ValueError, match="Expected a camera"):
        ZoneJudge(FLOOR, (PERSON,), None)


def test_never_clear_with_somebody_inside(floor_camera, box_of):
    """Everywhere in the zone, at any height, with the box off by a pixel."""
    random = np.random.default_rng(0)
    judging = ZoneJudge(FLOOR, (PERSON,), floor_camera)
    for _ in range(300):
        place = random.uniform([1.6, -0.55], [3.9, 0.55])
        box = box_of(*place, height=random.uniform(0.4, 2.0)) + random.uniform(-1, 1, 4)
        assert judging.judge(seen(box)).verdict is Verdict.OCCUPIED, place


@pytest.mark.parametrize("nadir_xy", [(0.3, 0.0), (-400.0, 250.0)])
def test_an_object_without_a_direction_may_stand_anywhere(nadir_xy):
    """A lens whose model fails for a pixel gives neither a place nor a direction."""
    lost = np.full((4, 2), np.nan)
    camera = SimpleNamespace(
        intrinsics=SimpleNamespace(size_hw=(480, 640)),
        nadir_xy=np.array(nadir_xy),
        pixels_to_floor=lambda pixels: np.full((len(pixels), 2), np.nan),
        headings=lambda pixels: lost,
        upward=lambda pixels: np.tile([0.0, -1.0], (len(pixels), 1)),
        is_upright=lambda pixels: np.ones(len(pixels), bool),
        points_to_pixels=lambda points: np.full((len(points), 2), np.nan),
    )
    (footprint,) = footprints_of(camera, np.array([[10.0, 20.0, 60.0, 200.0]]), 0.5)
    assert not footprint.placed
    distant = np.array(nadir_xy) + np.array([[900.0, 900.0], [-900.0, -900.0], [0.0, 0.0]])
    assert points_inside(footprint.corners, distant).all()


@pytest.mark.parametrize("lost", [[0], [1], [2], [0, 1], [1, 2]])
def test_a_foot_that_lies_partly_on_no_floor_has_no_place(lost):
    """Its edge crosses the horizon, as with a camera that is tilted to the side."""
    floor = np.array([[3.0, -0.2], [3.0, 0.0], [3.0, 0.2]])
    floor[lost] = np.nan
    camera = SimpleNamespace(
        intrinsics=SimpleNamespace(size_hw=(480, 640)),
        nadir_xy=np.zeros(2),
        pixels_to_floor=lambda pixels: np.resize(floor, (len(pixels), 2)),
        headings=lambda pixels: np.array([[1.0, -0.1], [1.0, 0.0], [1.0, 0.1]]),
        upward=lambda pixels: np.tile([0.0, -1.0], (len(pixels), 1)),
        is_upright=lambda pixels: np.ones(len(pixels), bool),
        points_to_pixels=lambda points: np.full((len(points), 2), np.nan),
    )
    (footprint,) = footprints_of(camera, np.array([[10.0, 20.0, 60.0, 200.0]]), 0.5)

    assert not footprint.placed
    assert np.isfinite(footprint.corners).all()


@pytest.mark.parametrize("width", [0.02, 0.15, 0.4])
@pytest.mark.parametrize("degrees", [80, 90, 100])
def test_a_gate_is_hidden_in_its_middle_however_narrow_it_is(floor_camera, box_of, width, degrees):
    turn, forklift = np.radians(degrees), 3
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([np.sin(turn), -np.cos(turn)])
    corners = [
        np.array([5.0, 0.0]) + a * along * 1.5 + b * across * width / 2
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    gate = ZoneConfig("gate", tuple((float(x), float(y)) for x, y in corners))
    judge_gate = ZoneJudge(gate, (PERSON,), floor_camera, hiding_ids=(forklift,))

    assert judge_gate.judge(seen()).verdict is Verdict.CLEAR
    before = seen(box_of(3.5, 0.0, width=1.2), class_id=forklift)
    assert judge_gate.judge(before).verdict is Verdict.UNSURE


def test_the_area_that_is_hidden_counts_and_not_the_outline(floor_camera):
    """A box in the image that hides the middle of a zone, and none of its outline."""
    corners = floor_camera.floor_to_pixels(np.array(FLOOR.corners))
    inner = floor_camera.floor_to_pixels(
        np.array([[2.75 + x, y] for x in (-0.6, 0.6) for y in (-0.25, 0.25)])
    )
    low, high = inner.min(0), inner.max(0)
    assert low[1] > corners[:, 1].min() and high[1] < corners[:, 1].max()
    observation = seen([*low, *high], class_id=3)
    for least, verdict in ((0.6, Verdict.CLEAR), (0.9, Verdict.UNSURE)):
        # Of 3 square metres 0.6 are hidden at least.
        zone = replace(FLOOR, min_visible=least)
        judge_zone = ZoneJudge(zone, (PERSON,), floor_camera, hiding_ids=(3,))
        assert judge_zone.judge(observation).verdict is verdict


@pytest.mark.parametrize("begin", [6.0, 7.0, 8.0])
def test_what_the_mask_hides_counts_by_its_floor_and_not_by_its_pixels(begin):
    """The far half of a long zone has few pixels of the image."""
    camera = FloorCamera(
        Intrinsics((480, 640), (525.0, 525.0), (320.0, 240.0)),
        Mounting((0.0, 0.0, 1.2), (0.0, 15.0, 0.0)),
    )
    corners = ((2.0, -0.5), (10.0, -0.5), (10.0, 0.5), (2.0, 0.5))
    zone = replace(FLOOR, polygon=corners, tests=("mask",))
    (_, row), *_ = camera.floor_to_pixels(np.array([[begin, 0.0]]))
    mask = np.zeros((480, 640), np.uint8)
    mask[: int(row)] = 3
    judge_zone = ZoneJudge(zone, (PERSON,), camera, hiding_ids=(3,))
    assert judge_zone.judge(seen(mask=np.zeros_like(mask))).verdict is Verdict.CLEAR
    assert judge_zone.judge(seen(mask=mask)).verdict is Verdict.UNSURE


@pytest.mark.parametrize("tests", [("foot",), ("foot", "mask")])
@pytest.mark.parametrize("bottom", [300.0, 470.0, 479.0, 480.0])
def test_a_region_behind_what_the_image_cuts_off_is_never_clear(tests, bottom):
    """A forklift before the lens: its wheels are below the image, and nothing else is to be seen."""
    region = tuple((x, y) for x, y in ((1.0, 1.0), (639.0, 1.0), (639.0, bottom), (1.0, bottom)))
    zone = replace(IMAGE, polygon=region, tests=tests)
    before = seen([3.7, 14.5, 631.5, 480.0], mask=np.zeros((480, 640), np.uint8))
    found = ZoneJudge(zone, (PERSON,), None, (480, 640)).judge(before)

    assert found.verdict is (Verdict.OCCUPIED if bottom > 478 else Verdict.UNSURE)


def test_what_stands_beside_a_region_of_the_image_hides_nothing_of_it():
    judging = ZoneJudge(replace(IMAGE, tests=("foot",)), (PERSON,), None, (480, 640))

    assert judging.judge(seen([400, 100, 500, 480])).verdict is Verdict.CLEAR
    assert judging.judge(seen([290, 100, 500, 480])).verdict is Verdict.CLEAR
    assert judging.judge(seen([150, 150, 200, 350])).verdict is Verdict.CLEAR
