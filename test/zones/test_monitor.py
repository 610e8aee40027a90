import math
from dataclasses import replace

import numpy as np
import pytest

from mtv_perception.geometry.camera import Intrinsics, Mounting
from mtv_perception.labels import WAREHOUSE, LabelSet
from mtv_perception.types import Detections
from mtv_perception.zones.config import CameraConfig, ZoneConfig, ZonesConfig
from mtv_perception.zones.judge import Observation
from mtv_perception.zones.monitor import CameraMonitor, replay
from mtv_perception.zones.points import obstacle_points
from mtv_perception.zones.source import DetectionSource, View

MS = 1_000_000
ZONE = ZoneConfig(
    "stop", ((1.5, -0.6), (4.0, -0.6), (4.0, 0.6), (1.5, 0.6)), leave_results=2, leave_seconds=0.0
)
CAMERA = CameraConfig(position=(0.3, 0.0, 1.2), rpy_deg=(0.0, 20.0, 0.0), zones=(ZONE,))
TIMING = ZonesConfig(cameras=(CAMERA,), deadline=0.3)


LENS = Intrinsics(
    (480, 640), (525.0, 523.0), (318.2, 241.7), "plumb_bob", (-0.21, 0.06, 6e-4, -4e-4, -5e-3)
)
VIEW = View(LENS, Mounting((0.3, 0.0, 1.2), (0.0, 20.0, 0.0)))
SOURCE = DetectionSource(WAREHOUSE, (480, 640), model=("warehouse", 1))


@pytest.fixture
def monitor():
    return CameraMonitor(CAMERA, TIMING)


def result(stamp, *boxes, **changes):
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    found = Detections(corners, np.ones(len(boxes), np.float32), np.full(len(boxes), 2, np.int32))
    return replace(Observation(stamp, found, SOURCE, VIEW), **changes)


def word(status):
    return "unknown" if not status.valid else "occupied" if status.occupied else "free"


def see(monitor, at_ms, *boxes, delay_ms=20, **changes):
    monitor.observe(result(at_ms * MS, *boxes, **changes), (at_ms + delay_ms) * MS)
    return word(monitor.states((at_ms + delay_ms) * MS)[0])


def reason(monitor, at_ms=None):
    newest = monitor.admission.used and monitor._newest_ns
    return monitor.states(newest if at_ms is None else at_ms * MS)[0].reason


def test_unknown_before_the_first_result(monitor):
    status = monitor.states(5 * MS)[0]

    assert (status.name, word(status), status.objects) == ("stop", "unknown", 0)
    assert (status.since_ns, status.stamp_ns, status.reason) == (0, 5 * MS, "no result yet")
    assert math.isnan(status.nearest_m)


def test_a_visit(monitor, box_of):
    inside, outside = box_of(3.0, 0.0), box_of(6.0, 0.0)
    said = [see(monitor, 100 * i, inside if 3 <= i < 6 else outside) for i in range(1, 10)]

    assert said == ["unknown", "free"] + ["occupied"] * 4 + ["free"] * 3


def test_every_occupied_place_is_five_points(monitor, box_of):
    see(monitor, 100, box_of(3.0, 0.0))
    (status,) = monitor.states(120 * MS)
    found = obstacle_points(CAMERA, [status], TIMING)
    around = np.array([[-1, 0], [0, -1], [0, 0], [0, 1], [1, 0]]) * TIMING.point_spacing / 4
    groups = found[:, :2].reshape(-1, 5, 2) - status.points_xy[:, None]
    assert len(status.points_xy) == len(groups) > 0
    for group in groups:
        order = np.lexsort(np.round(group, 4).T[::-1])
        np.testing.assert_allclose(group[order], around, atol=1e-4)


def test_cameras_that_take_turns_on_one_topic_free_no_zone(monitor, box_of):
    """One of them sees a person; what the other does not see says nothing about them."""
    words = [
        see(monitor, 100 * k, *([box_of(3.0, 0.0)] if camera == "b" else []), frame_id=camera)
        for k, camera in enumerate("ab" * 10)
    ]
    assert set(words) == {"unknown", "occupied"}


@pytest.mark.parametrize("leave_seconds", [0.25, 0.45])
def test_free_comes_only_a_while_after_the_last_object(box_of, leave_seconds):
    zone = replace(ZONE, leave_results=1, leave_seconds=leave_seconds)
    monitor = CameraMonitor(replace(CAMERA, zones=(zone,)), TIMING)
    assert see(monitor, 100, box_of(3.0, 0.0)) == "occupied"
    since = 100 + round(leave_seconds * 1000)
    said = {at: see(monitor, at) for at in range(150, 700, 50)}
    assert said == {at: "occupied" if at < since else "free" for at in said}


def test_unknown_once_the_deadline_has_passed_and_anew_from_there(monitor):
    assert [see(monitor, at) for at in (100, 200)] == ["unknown", "free"]
    assert word(monitor.states(500 * MS)[0]) == "free"
    status = monitor.states(501 * MS)[0]
    assert (word(status), status.since_ns, status.stamp_ns) == ("unknown", 501 * MS, 501 * MS)
    assert [see(monitor, at) for at in (700, 800)] == ["unknown", "free"]


def test_late_early_and_out_of_order_results_are_counted_and_not_used(monitor):
    assert monitor.observe(result(1000 * MS), 1010 * MS)
    assert not monitor.observe(result(1000 * MS), 1010 * MS)
    assert not monitor.observe(result(900 * MS), 1010 * MS)
    assert not monitor.observe(result(600 * MS), 1010 * MS)
    assert not monitor.observe(result(1400 * MS), 1010 * MS)
    assert vars(monitor.admission) == {"used": 1, "late": 1, "early": 1, "out_of_order": 2}


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        (600, "late: 0.41 s old"),
        (1400, "stamped 0.390 s in the future"),
        (1000, "not newer than the one before"),
    ],
)
def test_why_a_result_is_not_used_is_told(monitor, stamp, text):
    monitor.observe(result(1000 * MS), 1010 * MS)
    assert monitor.refusal == ""
    monitor.observe(result(stamp * MS), 1010 * MS)

    assert monitor.refusal == text


@pytest.mark.parametrize(("age", "used"), [(0, True), (299, True), (300, True), (301, False)])
def test_a_result_may_be_as_old_as_the_deadline(monitor, age, used):
    assert monitor.observe(result(1000 * MS), (1000 + age) * MS) is used
    assert monitor.admission.late == (not used)


@pytest.mark.parametrize("age", [1100, 2000, 4900])
@pytest.mark.parametrize("deadline", [0.3, 10.0])
def test_a_result_from_long_ago_changes_nothing(box_of, age, deadline):
    monitor = CameraMonitor(CAMERA, replace(TIMING, deadline=deadline))
    assert [see(monitor, at, box_of(3.0, 0.0)) for at in (4900, 5000)] == ["occupied"] * 2

    for step in range(3):
        assert not monitor.observe(result((5000 - age + step) * MS), 5030 * MS)
    after = monitor.states(5030 * MS)[0]
    assert (word(after), after.stamp_ns, after.since_ns) == ("occupied", 5000 * MS, 4900 * MS)


@pytest.mark.parametrize(("back", "begins"), [(900, False), (1000, False), (1001, True)])
def test_a_clock_must_go_back_by_more_than_the_jump_to_begin_anew(monitor, back, begins):
    assert monitor.observe(result(5000 * MS), 5000 * MS)

    assert monitor.observe(result((5000 - back) * MS), (5000 - back) * MS) is begins
    assert monitor.admission.out_of_order == (not begins)


def test_a_clock_that_jumps_back_begins_anew(monitor):
    assert [see(monitor, at) for at in (5000, 5100)] == ["unknown", "free"]
    assert [see(monitor, at) for at in (100, 200)] == ["unknown", "free"]


def test_a_clock_that_jumps_back_without_results_is_unknown(monitor):
    assert [see(monitor, at) for at in (5000, 5100)] == ["unknown", "free"]
    assert word(monitor.states(100 * MS)[0]) == "unknown"


def test_a_clock_that_jumps_ahead_is_unknown(monitor):
    assert [see(monitor, at) for at in (100, 200)] == ["unknown", "free"]
    assert word(monitor.states(10_000 * MS)[0]) == "unknown"


def test_held_state_keeps_what_was_last_seen(monitor, box_of):
    see(monitor, 100, box_of(3.0, 0.0))
    see(monitor, 200)
    status = monitor.states(220 * MS)[0]

    assert (word(status), status.objects, status.stamp_ns) == ("occupied", 1, 200 * MS)
    assert status.nearest_m == pytest.approx(np.hypot(2.7, 1.2), abs=1e-3)


@pytest.mark.parametrize(("first", "second"), [((3.0, 0.0), (2.0, 0.2)), ((2.0, 0.2), (3.0, 0.0))])
def test_an_occupied_zone_tells_of_the_newest_object(monitor, box_of, first, second):
    see(monitor, 100, box_of(*first), box_of(3.8, 0.4))
    see(monitor, 200, box_of(*second))
    status = monitor.states(220 * MS)[0]

    assert status.objects == 1
    assert status.nearest_m == pytest.approx(np.hypot(second[0] - 0.3, 1.2), abs=0.02)
    np.testing.assert_allclose(status.points_xy[:, 0], second[0], atol=0.03)


@pytest.mark.parametrize(
    ("shape", "fits"),
    [((240, 326), True), ((240, 332), False), ((250, 320), False), ((3, 4), True)],
)
def test_the_shape_of_a_mask_may_differ_by_rounding_only(monitor, shape, fits):
    seen = replace(result(100 * MS), mask=np.zeros(shape, np.uint8))
    if fits:
        assert monitor.observe(seen, 100 * MS)
    else:
        with pytest.raises(ValueError, match="640x480"):
            monitor.observe(seen, 100 * MS)


@pytest.mark.parametrize(
    ("value", "known", "fits"),
    [(3, True, True), (255, True, True), (4, True, False), (7, False, True)],
)
def test_masks_of_classes_that_the_model_does_not_have_are_refused(monitor, value, known, fits):
    """A picture, or another model's mask, would show nobody."""
    source = replace(SOURCE, mask_classes=frozenset(WAREHOUSE.foreground) if known else None)
    mask = np.zeros((480, 640), np.uint8)
    mask[-1, -1] = value
    seen = result(100 * MS, source=source, mask=mask)
    if fits:
        assert monitor.observe(seen, 100 * MS)
        return
    with pytest.raises(ValueError, match="class ids below 4 or 255, got 4: is it of another model"):
        monitor.observe(seen, 100 * MS)


def test_masks_of_another_shape_are_refused(monitor):
    with pytest.raises(ValueError, match="640x480"):
        monitor.observe(replace(result(100 * MS), mask=np.zeros((100, 100), np.uint8)), 100 * MS)
    assert monitor.observe(replace(result(100 * MS), mask=np.zeros((240, 320), np.uint8)), 100 * MS)


def test_a_class_that_the_model_does_not_know_is_unknown_with_the_reason():
    monitor = CameraMonitor(replace(CAMERA, zones=(replace(ZONE, classes=("cat",)),)), TIMING)

    assert {see(monitor, at) for at in range(100, 600, 100)} == {"unknown"}
    assert "cat" in reason(monitor)


def test_points_of_a_zone(monitor, box_of):
    unknown = obstacle_points(CAMERA, monitor.states(0), TIMING)
    see(monitor, 100, box_of(3.0, 0.0))
    occupied = obstacle_points(CAMERA, monitor.states(120 * MS), TIMING)
    see(monitor, 200), see(monitor, 300)
    free = obstacle_points(CAMERA, monitor.states(320 * MS), TIMING)

    assert len(unknown) > 250
    assert len(occupied) >= 5
    np.testing.assert_allclose(occupied[:, 0], 3.0, atol=0.03)
    np.testing.assert_allclose(occupied[:, 2], 0.2)
    assert free.shape == (0, 3)
    assert (
        len(
            obstacle_points(
                CAMERA, monitor.states(9000 * MS), replace(TIMING, unknown_as_points=False)
            )
        )
        == 0
    )


@pytest.mark.parametrize("more", [{"truncated": True}, {}], ids=["limit reached", "legs hidden"])
def test_another_object_takes_no_points_away(box_of, more):
    """Somebody near has no place on the floor; somebody far has."""
    zone = replace(
        ZONE, polygon=((1.5, -0.6), (6.0, -0.6), (6.0, 0.6), (1.5, 0.6)), min_visible=0.0
    )
    camera = replace(CAMERA, zones=(zone,))
    legs_hidden = [] if more else [[290.0, 10.0, 350.0, 50.0]]
    monitor = CameraMonitor(camera, TIMING)
    changes = {"source": replace(SOURCE, **more)}
    assert see(monitor, 100, *legs_hidden, **changes) == "unknown"
    alone = obstacle_points(camera, monitor.states(120 * MS), TIMING)
    assert see(monitor, 200, *legs_hidden, box_of(5.5, 0.0), **changes) == "occupied"
    both = obstacle_points(camera, monitor.states(220 * MS), TIMING)

    assert both[:, 0].min() == alone[:, 0].min() < 2.0
    assert len(both) > len(alone)


ASIDE = replace(ZONE, name="aside", polygon=((2.0, 2.0), (3.0, 2.0), (3.0, 3.0)))
IN_VIEW = replace(ASIDE, polygon=((4.5, 1.0), (5.5, 1.0), (5.5, 2.0)))


@pytest.mark.parametrize("zones", [(ZONE, IN_VIEW), (IN_VIEW, ZONE)])
def test_the_points_are_those_of_the_occupied_zone(box_of, zones):
    camera = replace(CAMERA, zones=tuple(replace(zone, min_visible=0.0) for zone in zones))
    monitor = CameraMonitor(camera, TIMING)
    for at in (100, 200):
        see(monitor, at, box_of(3.0, 0.0))
    points = obstacle_points(camera, monitor.states(220 * MS), TIMING)

    assert len(points) >= 5
    assert (np.abs(points[:, 1]) < 0.6).all()


@pytest.mark.parametrize("first", [True, False])
def test_an_unknown_zone_is_filled_not_the_one_beside_it(first):
    zones = (ZONE, replace(ASIDE, classes=("cat",)))
    camera = replace(CAMERA, zones=zones if first else zones[::-1])
    monitor = CameraMonitor(camera, TIMING)
    for at in (100, 200):
        see(monitor, at)
    states = monitor.states(220 * MS)
    points = obstacle_points(camera, states, TIMING)

    assert {status.name: word(status) for status in states} == {"stop": "free", "aside": "unknown"}
    assert len(points) > 20
    assert (points[:, 1] >= 2.0 - 1e-5).all()


def test_an_unknown_image_zone_has_no_points():
    camera = replace(CAMERA, zones=(IMAGE_ZONE,))

    assert len(obstacle_points(camera, CameraMonitor(camera, TIMING).states(0), TIMING)) == 0


def test_no_free_while_occupied_over_random_minutes(monitor, box_of):
    """Random visits, latencies, lost and disordered results.

    The truth at the stamp is never contradicted by free.
    """
    random, truth, arrivals = np.random.default_rng(0), {}, []
    inside, stamp = False, 0
    for _ in range(1000):
        stamp += 100 * MS
        inside = bool(random.random() < (0.9 if inside else 0.1))
        truth[stamp] = inside
        if random.random() > 0.1:
            place = (
                random.uniform([1.6, -0.5], [3.9, 0.5])
                if inside
                else random.uniform([5, -1], [8, 1])
            )
            arrivals.append(
                (stamp + int(random.exponential(60) * MS), result(stamp, box_of(*place)))
            )
    arrivals.sort(key=lambda item: item[0])
    words = [(word(states[0]), states[0].stamp_ns) for _, states in replay(monitor, arrivals)]

    assert {said for said, _ in words} == {"free", "occupied", "unknown"}
    assert not [at for said, at in words if said == "free" and truth[at]]


IMAGE_ZONE = ZoneConfig(
    "door", ((10, 10), (90, 10), (90, 90)), space="image", leave_results=2, leave_seconds=0.0
)


def unfit(**changes):
    return {"source": replace(SOURCE, **changes)}


BEHIND_FORKLIFTS = {"hidden_by": ("forklift",)}


@pytest.mark.parametrize(
    ("zone", "changes", "text"),
    [
        ({}, unfit(size_hw=(960, 1280)), "640x480"),
        ({}, unfit(size_hw=(360, 640)), "640x480"),
        ({}, unfit(size_hw=(640, 480)), "640x480"),
        ({}, unfit(size_hw=(0, 0)), "size of the image"),
        ({}, {"view": View(None, VIEW.mounting, "no camera_info yet")}, "no camera_info yet"),
        ({}, {"view": View(LENS, None, "no transform")}, "no transform"),
        ({}, unfit(fault="frozen"), "frozen"),
        ({}, unfit(thresholds=(1.0, 0.1, 0.5, 0.1)), "below a score of 0.500"),
        ({}, unfit(thresholds=(1.0, 0.1, 1.0, 0.1)), "below a score of 1.000"),
        ({}, unfit(thresholds=(1.0, 0.1, 0.31, 0.1), tuned=(1.0, 0.1, 0.29, 0.1)), "needs 0.300"),
        ({}, unfit(thresholds=(1.0, 0.1, 0.51, 0.1), tuned=(1.0, 0.1, 0.5, 0.1)), "needs 0.500"),
        (
            {"min_score": 0.1},
            unfit(thresholds=(1.0, 0.1, 0.29, 0.1), tuned=(1.0, 0.1, 0.29, 0.1)),
            "0.100",
        ),
        ({}, unfit(thresholds=(1.0, 0.1)), "person"),
        ({}, unfit(thresholds=(1.0, 0.1, math.nan, 0.1)), "person"),
        ({"classes": ("rail", "person")}, unfit(thresholds=(1.0, 0.1, 0.5, 0.1)), "drops person"),
        ({}, unfit(thresholds=(1.0, 0.1, 0.5, 0.1), tuned=(1.0, 0.1, math.inf, 0.1)), "0.300"),
        ({}, unfit(suppressed=frozenset({"person"})), "suppress_absent"),
        ({}, unfit(box_classes=frozenset({"forklift"})), "not trained for boxes of person"),
        (
            {"tests": ("foot", "mask")},
            unfit(mask_classes=frozenset()),
            "not trained for masks of person",
        ),
        ({"tests": ("mask",)}, unfit(mask_classes=None), "mask"),
        (BEHIND_FORKLIFTS, unfit(suppressed=frozenset({"forklift"})), "detections of forklift"),
        (BEHIND_FORKLIFTS, unfit(thresholds=(1.0, 0.1, 0.1, 0.5)), "drops forklift below"),
        (BEHIND_FORKLIFTS, unfit(box_classes=frozenset({"person"})), "for boxes of forklift"),
        (BEHIND_FORKLIFTS, unfit(labels=LabelSet(("background", "rail", "person"))), "forklift"),
        (
            {**BEHIND_FORKLIFTS, "tests": ("mask",)},
            unfit(mask_classes=frozenset({"person"})),
            "for masks of forklift",
        ),
        ({}, unfit(truncated=True), "limit of detections"),
        ({}, unfit(labels=LabelSet(("background", "pallet"))), "person"),
        ({"polygon": ((-3.0, -1.0), (-1.0, -1.0), (-1.0, 1.0))}, {}, "0% of the zone"),
    ],
)
def test_what_does_not_fit_is_unknown_with_the_reason(zone, changes, text):
    monitor = CameraMonitor(replace(CAMERA, zones=(replace(ZONE, **zone),)), TIMING)
    if "mask" in zone.get("tests", ()):
        changes = {**changes, "mask": np.zeros((480, 640), np.uint8)}

    assert {see(monitor, at, **changes) for at in range(100, 900, 100)} == {"unknown"}
    assert text in reason(monitor)


MASKED = {"mask_classes": frozenset({"person", "rail"})}


@pytest.mark.parametrize("classes", [("rail", "person"), ("person", "rail"), ("person",)])
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (unfit(suppressed=frozenset({"person"}), **MASKED), "drops detections of person"),
        (unfit(box_classes=frozenset({"rail"})), "not trained for boxes of person"),
        (unfit(mask_classes=frozenset({"rail"})), "not trained for masks of person"),
        (unfit(labels=LabelSet(("background", "rail"))), "knows no person"),
    ],
)
def test_each_of_the_classes_must_fit(classes, changes, text):
    zone = replace(ZONE, classes=classes, tests=("foot", "mask"))
    monitor = CameraMonitor(replace(CAMERA, zones=(zone,)), TIMING)
    mask, known = np.zeros((480, 640), np.uint8), unfit(**MASKED)
    assert [see(monitor, at, mask=mask, **known) for at in (100, 200)] == ["unknown", "free"]

    assert see(monitor, 300, mask=mask, **changes) == "unknown"
    assert text in reason(monitor)


@pytest.mark.parametrize(
    ("zone", "changes"),
    [
        ({}, unfit(thresholds=(1.0, 1.0, 0.3, 1.0), tuned=(1.0, 1.0, 0.3, 1.0))),
        ({}, unfit(thresholds=(1.0, 1.0, 0.5, 1.0), tuned=(1.0, 1.0, 0.5, 1.0))),
        ({"min_score": 0.5}, unfit(thresholds=(1.0, 1.0, 0.5, 1.0))),
        ({}, unfit(suppressed=frozenset({"forklift"}))),
        ({"min_score": 0.3}, unfit(thresholds=(1.0, 1.0, float(np.float32(0.3)), 1.0))),
        ({"min_visible": 1.0, "polygon": ((2.5, -0.2), (3.0, -0.2), (3.0, 0.2))}, {}),
        ({}, unfit(box_classes=frozenset({"person"}), mask_classes=frozenset())),
    ],
)
def test_what_fits_is_free(zone, changes):
    monitor = CameraMonitor(replace(CAMERA, zones=(replace(ZONE, **zone),)), TIMING)

    assert [see(monitor, at, **changes) for at in (100, 200)] == ["unknown", "free"]
    assert monitor.states(220 * MS)[0].reason == ""


def test_an_unfit_result_takes_free_back_at_once(monitor):
    assert [see(monitor, at) for at in (100, 200)] == ["unknown", "free"]
    assert see(monitor, 300, **unfit(size_hw=(960, 1280))) == "unknown"
    assert [see(monitor, at) for at in (400, 500)] == ["unknown", "free"]


@pytest.mark.parametrize(
    "changes",
    [
        unfit(model=("warehouse", 2)),
        unfit(labels=LabelSet(("background", "person", "rail", "forklift"))),
        {"view": replace(VIEW, mounting=Mounting((0.3, 0.0, 1.21), (0.0, 20.0, 0.0)))},
        {"view": replace(VIEW, intrinsics=replace(LENS, focal_xy=(500.0, 500.0)))},
    ],
)
def test_nothing_is_kept_across_a_change_of_model_calibration_or_pose(monitor, changes):
    assert [see(monitor, at) for at in (100, 200)] == ["unknown", "free"]
    assert [see(monitor, at, **changes) for at in (300, 400)] == ["unknown", "free"]


def test_the_order_of_classes_is_that_of_the_result():
    """The same box under permuted ids, changing from result to result."""
    random, monitor = np.random.default_rng(1), CameraMonitor(CAMERA, TIMING)
    person_box = np.array([[300, 60, 360, 300]], np.float32)
    for turn in range(200):
        names = random.permutation(["rail", "person", "forklift"]).tolist()
        labels, inside = LabelSet(("background", *names)), bool(random.random() < 0.5)
        found = Detections(
            person_box,
            np.ones(1, np.float32),
            np.array([labels.id_of("person" if inside else "rail")], np.int32),
        )
        seen = Observation((turn + 1) * 100 * MS, found, replace(SOURCE, labels=labels), VIEW)
        monitor.observe(seen, seen.stamp_ns)
        said = word(monitor.states(seen.stamp_ns)[0])
        assert said == "occupied" if inside else said in ("unknown", "free", "occupied")
        assert not (inside and said == "free")


def test_an_image_zone_needs_neither_calibration_nor_pose():
    camera = replace(CAMERA, zones=(ZONE, IMAGE_ZONE))
    monitor = CameraMonitor(camera, TIMING)
    for at in (100, 200):
        see(monitor, at, view=View(None, None, "no camera_info yet"))
    floor, door = monitor.states(220 * MS)

    assert (word(floor), floor.reason) == ("unknown", "no camera_info yet")
    assert word(door) == "free"


def test_a_new_calibration_leaves_image_zones_alone():
    monitor = CameraMonitor(replace(CAMERA, zones=(ZONE, IMAGE_ZONE)), TIMING)
    for at in (100, 200):
        see(monitor, at)
    see(monitor, 300, view=replace(VIEW, mounting=Mounting((0.3, 0.0, 1.21), (0.0, 20.0, 0.0))))

    assert [word(status) for status in monitor.states(320 * MS)] == ["unknown", "free"]


@pytest.mark.parametrize("image_hw", [None, tuple([480, 640])])  # Not the same object.
def test_image_zones_hold_for_the_size_they_were_drawn_in(image_hw):
    camera = replace(CAMERA, image_hw=image_hw, zones=(IMAGE_ZONE,))
    monitor = CameraMonitor(camera, TIMING)
    assert [see(monitor, at) for at in (100, 200)] == ["unknown", "free"]
    assert see(monitor, 300, **unfit(size_hw=(960, 1280))) == "unknown"
    assert "640x480" in reason(monitor)


@pytest.mark.parametrize("size_hw", [(0, 0), (0, 640), (480, 0)])
def test_an_image_without_a_size_is_not_the_one_that_zones_were_drawn_in(size_hw):
    monitor = CameraMonitor(replace(CAMERA, zones=(IMAGE_ZONE,)), TIMING)
    assert see(monitor, 100, **unfit(size_hw=size_hw)) == "unknown"
    assert [see(monitor, at) for at in (200, 300)] == ["unknown", "free"]


@pytest.mark.parametrize(
    "polygon",
    [
        ((0, 0), (640, 0), (640, 480), (0, 480)),
        ((0, 10), (90, 10), (90, 90)),
        ((10, 0), (90, 0), (90, 90)),
        ((600, 10), (640, 10), (640, 90)),
        ((10, 400), (90, 400), (90, 480)),
    ],
)
def test_an_image_zone_may_reach_to_the_edges(polygon):
    zone = replace(IMAGE_ZONE, polygon=polygon)
    monitor = CameraMonitor(replace(CAMERA, zones=(zone,)), TIMING)

    assert [see(monitor, at) for at in (100, 200)] == ["unknown", "free"]


def test_image_zones_of_a_file_for_another_size_are_unknown():
    monitor = CameraMonitor(replace(CAMERA, image_hw=(960, 1280), zones=(IMAGE_ZONE,)), TIMING)

    assert {see(monitor, at) for at in (100, 200, 300)} == {"unknown"}


@pytest.mark.parametrize(
    "polygon",
    [
        ((600, 10), (700, 10), (700, 90)),
        ((600, 10), (640.5, 10), (640.5, 90)),
        ((10, 400), (90, 400), (90, 480.5)),
        ((-0.5, 10), (90, 10), (90, 90)),
        ((10, -0.5), (90, 10), (90, 90)),
    ],
)
def test_an_image_zone_beyond_the_image_is_unknown(polygon):
    zone = replace(IMAGE_ZONE, polygon=polygon)
    monitor = CameraMonitor(replace(CAMERA, zones=(zone,)), TIMING)

    assert {see(monitor, at) for at in (100, 200, 300)} == {"unknown"}
    assert "beyond the 640x480 image" in reason(monitor)


@pytest.mark.parametrize(("ahead", "used"), [(0.0, False), (0.05, True)])
def test_results_of_the_future_are_not_used(ahead, used):
    monitor = CameraMonitor(CAMERA, replace(TIMING, ahead=ahead))

    assert monitor.observe(result(1040 * MS), 1000 * MS) is used
    assert monitor.admission.early == (not used)
    assert not monitor.observe(result(1100 * MS), 1000 * MS)


def test_a_stamp_of_now_is_no_future(monitor):
    assert monitor.observe(result(1000 * MS), 1000 * MS)


@pytest.mark.parametrize(("now", "said"), [(1000, "occupied"), (990, "occupied"), (989, "unknown")])
def test_a_result_stays_fresh_only_while_it_is_not_too_far_ahead(box_of, now, said):
    monitor = CameraMonitor(CAMERA, replace(TIMING, ahead=0.05))
    assert monitor.observe(result(1040 * MS, box_of(3.0, 0.0)), 1000 * MS)

    assert word(monitor.states(now * MS)[0]) == said


def test_a_clock_a_little_back_is_not_fresh(monitor):
    assert [see(monitor, at) for at in (100, 200)] == ["unknown", "free"]
    assert word(monitor.states(199 * MS)[0]) == "unknown"


def test_the_reason_of_a_missing_mask_stays():
    zone = replace(ZONE, tests=("foot", "mask"))
    monitor = CameraMonitor(replace(CAMERA, zones=(zone,)), TIMING)
    source = unfit(mask_classes=frozenset({"person"}))
    for at in (100, 200):
        see(monitor, at, mask=np.zeros((480, 640), np.uint8), **source)
    assert word(monitor.states(220 * MS)[0]) == "free"
    for at in (300, 400, 500):
        see(monitor, at, **source)
    assert "no result younger" in reason(monitor, 520) and "no mask" in reason(monitor, 520)
    see(monitor, 600, **source)
    status = monitor.states(620 * MS)[0]

    assert word(status) == "unknown"
    assert "no mask" in status.reason


def test_masks_that_came_again_are_not_told_to_be_missing():
    monitor = CameraMonitor(replace(CAMERA, zones=(replace(ZONE, tests=("foot", "mask")),)), TIMING)
    source, mask = unfit(mask_classes=frozenset({"person"})), np.zeros((480, 640), np.uint8)
    see(monitor, 100, **source)
    for at in (200, 300):
        see(monitor, at, mask=mask, **source)

    assert reason(monitor, 900) == "no result younger than 0.3 s"


def test_the_order_of_results_is_kept_when_the_floor_is_forgotten(monitor):
    assert monitor.observe(result(1000 * MS), 1010 * MS)
    monitor.forget(1020 * MS, "no transform", floor_only=True)
    for stamp in (900, 1000):
        assert not monitor.observe(result(stamp * MS), 1030 * MS)

    assert monitor.admission.out_of_order == 2
    monitor.forget(1040 * MS, "all")
    assert monitor.observe(result(1000 * MS), 1050 * MS)


def test_forgetting_the_floor_leaves_image_zones_alone():
    monitor = CameraMonitor(replace(CAMERA, zones=(ZONE, IMAGE_ZONE)), TIMING)
    for at in (100, 200):
        see(monitor, at)
    monitor.forget(210 * MS, "no transform", floor_only=True)

    assert [word(status) for status in monitor.states(220 * MS)] == ["unknown", "free"]
    assert monitor.states(220 * MS)[0].reason == "no transform"
    monitor.forget(230 * MS, "gone")
    assert [word(status) for status in monitor.states(240 * MS)] == ["unknown", "unknown"]


def test_why_results_stay_away_is_part_of_the_reason(monitor):
    assert monitor.states(0, "no detections")[0].reason == "no result yet: no detections"
    for at in (100, 200):
        see(monitor, at)
    assert monitor.states(220 * MS, "no status")[0].reason == ""
    assert (
        monitor.states(900 * MS, "no status")[0].reason == "no result younger than 0.3 s: no status"
    )


RIVALS = {
    "another publisher": {"source": replace(SOURCE, model=("another", 1))},
    "another camera": {"frame_id": "rear"},
}


@pytest.mark.parametrize("leave_results", [1, 2])
@pytest.mark.parametrize("late_ms", [-80, 0, 1, 345])
@pytest.mark.parametrize("changes", RIVALS.values(), ids=RIVALS)
def test_a_rival_that_is_not_judged_leaves_no_zone_free(box_of, changes, late_ms, leave_results):
    """It comes out of order, too late or stamped ahead; it may be the one that sees the person."""
    zone = replace(ZONE, leave_results=leave_results, leave_seconds=0.0)
    monitor, said = CameraMonitor(replace(CAMERA, zones=(zone,)), TIMING), []
    for at in range(1000, 2000, 100):
        said.append(see(monitor, at))
        other = result((at - late_ms) * MS, box_of(3.0, 0.0), **changes)
        assert not monitor.observe(other, (at + 25) * MS)
        said.append(word(monitor.states((at + 25) * MS)[0]))
    assert said[2:] == ["unknown"] * 18
    assert "two models, cameras or publishers" in reason(monitor, 1925)
    assert [see(monitor, at) for at in range(2000, 2700, 100)][-1] == "free", "the rival is gone"


def test_a_refused_result_takes_free_back_and_keeps_occupied(monitor, box_of):
    assert [see(monitor, at) for at in (100, 200)] == ["unknown", "free"]
    monitor.refuse(260 * MS, "a box of NaN")
    assert word(monitor.states(260 * MS)[0]) == "unknown"
    assert reason(monitor, 260) == "a result was refused: a box of NaN"
    assert [see(monitor, at) for at in (300, 400)] == ["unknown", "free"]
    assert see(monitor, 500, box_of(3.0, 0.0)) == "occupied"
    monitor.refuse(560 * MS, "a box of NaN")
    assert word(monitor.states(560 * MS)[0]) == "occupied"


def test_a_refused_result_delays_free_as_an_object_does():
    zone = replace(ZONE, leave_results=1, leave_seconds=0.25)
    monitor = CameraMonitor(replace(CAMERA, zones=(zone,)), TIMING)
    assert see(monitor, 100) == "free"
    monitor.refuse(150 * MS, "stamped years ago, or ahead")
    assert [see(monitor, at) for at in (200, 300, 400)] == ["unknown", "unknown", "free"]


def test_two_results_of_one_image_free_no_zone(monitor, box_of):
    """As of a detector that publishes each class by itself."""
    for at in range(100, 900, 100):
        see(monitor, at)
        assert see(monitor, at, box_of(3.0, 0.0), delay_ms=25) == "unknown"
    assert "two results of one image" in reason(monitor, 825)


def test_an_older_result_of_the_same_publisher_changes_nothing(monitor):
    assert [see(monitor, at) for at in (100, 200)] == ["unknown", "free"]
    assert see(monitor, 150, delay_ms=60) == "free"


@pytest.mark.parametrize("late_ms", [-80, 50, 345])
def test_an_object_in_results_that_are_not_used_is_no_free_zone(box_of, late_ms):
    """One sender whose stamps are early, out of order or late where it sees the person."""
    zone = replace(ZONE, leave_results=2, leave_seconds=0.0)
    monitor, said = CameraMonitor(replace(CAMERA, zones=(zone,)), TIMING), []
    for at in range(1000, 2000, 100):
        see(monitor, at)
        assert not monitor.observe(result((at - late_ms) * MS, box_of(3.0, 0.0)), (at + 25) * MS)
        said.append(word(monitor.states((at + 25) * MS)[0]))
    assert said == ["unknown"] * 10
    assert "may show an object was not used: " in reason(monitor, 1925)
    assert [see(monitor, at) for at in (2000, 2100)] == ["unknown", "free"]


def test_an_object_in_a_result_that_is_not_used_delays_free_from_when_it_came(box_of):
    zone = replace(ZONE, leave_results=1, leave_seconds=0.25)
    monitor = CameraMonitor(replace(CAMERA, zones=(zone,)), TIMING)
    assert see(monitor, 1000) == "free"
    monitor.observe(result(500 * MS, box_of(3.0, 0.0)), 1050 * MS)
    assert [see(monitor, at) for at in (1100, 1200, 1300)] == ["unknown", "unknown", "free"]


@pytest.mark.parametrize("boxes", [0, 1])
def test_a_result_that_is_not_used_leaves_occupied_zones_alone(monitor, box_of, boxes):
    assert see(monitor, 1000, box_of(3.0, 0.0)) == "occupied"
    monitor.observe(result(900 * MS, *[box_of(3.0, 0.0)] * boxes), 1050 * MS)
    assert word(monitor.states(1060 * MS)[0]) == "occupied"


def test_cameras_that_take_turns_free_no_zone_by_one_result_either():
    quick = replace(CAMERA, zones=(replace(ZONE, leave_results=1, leave_seconds=0.0),))
    monitor = CameraMonitor(quick, TIMING)
    said = [see(monitor, 100 * n, frame_id="ab"[n % 2]) for n in range(1, 9)]
    assert said[2:] == ["unknown"] * 6
    assert [see(monitor, 900 + 100 * n, frame_id="a") for n in range(3)][-1] == "free"
