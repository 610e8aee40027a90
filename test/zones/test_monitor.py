import math
from dataclasses import replace

import numpy as np
import pytest

from mtv_perception.labels import WAREHOUSE
from mtv_perception.types import Detections
from mtv_perception.zones.config import CameraConfig, ZoneConfig, ZonesConfig
from mtv_perception.zones.judge import Observation
from mtv_perception.zones.monitor import CameraMonitor, replay
from mtv_perception.zones.points import obstacle_points

MS = 1_000_000
ZONE = ZoneConfig(
    "stop", ((1.5, -0.6), (4.0, -0.6), (4.0, 0.6), (1.5, 0.6)), leave_results=2, leave_seconds=0.0
)
CAMERA = CameraConfig(position=(0.3, 0.0, 1.2), rpy_deg=(0.0, 20.0, 0.0), zones=(ZONE,))
TIMING = ZonesConfig(cameras=(CAMERA,), deadline=0.3)


@pytest.fixture
def monitor(floor_camera):
    return CameraMonitor(CAMERA, TIMING, WAREHOUSE, floor_camera.intrinsics)


def result(stamp, *boxes):
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    return Observation(
        stamp,
        Detections(corners, np.ones(len(boxes), np.float32), np.full(len(boxes), 2, np.int32)),
    )


def word(status):
    return "unknown" if not status.valid else "occupied" if status.occupied else "free"


def see(monitor, at_ms, *boxes, delay_ms=20):
    monitor.observe(result(at_ms * MS, *boxes), (at_ms + delay_ms) * MS)
    return word(monitor.states((at_ms + delay_ms) * MS)[0])


def test_unknown_before_the_first_result(monitor):
    status = monitor.states(5 * MS)[0]

    assert (status.name, word(status), status.objects) == ("stop", "unknown", 0)
    assert math.isnan(status.nearest_m)


def test_a_visit(monitor, box_of):
    inside, outside = box_of(3.0, 0.0), box_of(6.0, 0.0)
    said = [see(monitor, 100 * i, inside if 3 <= i < 6 else outside) for i in range(1, 10)]

    assert said == ["unknown", "free"] + ["occupied"] * 4 + ["free"] * 3


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


def test_masks_of_another_shape_are_refused(monitor):
    with pytest.raises(ValueError, match="480x640"):
        monitor.observe(replace(result(100 * MS), mask=np.zeros((100, 100), np.uint8)), 100 * MS)
    assert monitor.observe(replace(result(100 * MS), mask=np.zeros((240, 320), np.uint8)), 100 * MS)


def test_unknown_classes_are_refused(floor_camera):
    camera = replace(CAMERA, zones=(replace(ZONE, classes=("cat",)),))
    with pytest.raises(ValueError, match="cat"):
        CameraMonitor(camera, TIMING, WAREHOUSE, floor_camera.intrinsics)


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


def test_no_free_while_occupied_over_random_minutes(monitor, box_of):
    """Random visits, latencies, lost and disordered results; the truth at the stamp is never
    contradicted by free.
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
