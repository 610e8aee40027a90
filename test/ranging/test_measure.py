"""Objects of known places, drawn through a known camera, come back in metres."""

import numpy as np
import pytest

from mtv_perception.errors import ConfigError
from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting
from mtv_perception.labels import labels_of
from mtv_perception.ranging.config import SHAPES, RangingConfig
from mtv_perception.ranging.floor_map import (
    FREE,
    OCCUPIED,
    RAIL,
    UNKNOWN,
    FloorMapConfig,
    FloorMapper,
)
from mtv_perception.ranging.measure import DEPTH, FLOOR, Ranger
from mtv_perception.types import Detections

LABELS = labels_of(["background", "rail", "person", "forklift"])
RAIL_ID, PERSON, FORKLIFT = 1, 2, 3
SIZE_HW = (480, 640)


def camera(height=1.2, pitch=10.0, yaw=0.0, distortion=()):
    intrinsics = Intrinsics(SIZE_HW, (520.0, 520.0), (319.5, 239.5), "plumb_bob", distortion)
    return FloorCamera(intrinsics, Mounting((0.3, 0.0, height), (0.0, pitch, yaw)))


def board(view, x, y, width=0.5, height=1.75):
    """Pixels of an upright board that faces the camera's base: box, mask region and depth."""
    heading = np.arctan2(y - view.nadir_xy[1], x - view.nadir_xy[0])
    across = np.array([-np.sin(heading), np.cos(heading)]) * width / 2
    corners = [[x - across[0], y - across[1]], [x + across[0], y + across[1]]]
    points = np.array([[*c, z] for c in corners for z in (0.0, height)])
    pixels = view.points_to_pixels(points)
    return np.array([*pixels.min(0), *pixels.max(0)])


def scene(view, *boards):
    """Detections, mask and depth of boards (class, x, y).

    Nearer ones hide others, the rest is floor or far wall.
    """
    mask, depth = np.zeros(SIZE_HW, np.uint8), np.full(SIZE_HW, 30.0, np.float32)
    boxes, ids = [], []
    for class_id, x, y, width in sorted(boards, key=lambda b: -np.hypot(b[1], b[2])):
        box = board(view, x, y, width)
        x0, y0, x1, y1 = np.clip(np.rint(box), 0, [640, 480, 640, 480]).astype(int)
        mask[y0:y1, x0:x1] = class_id
        middle = np.array([[x, y, 0.9]]) - view.mounting.position_xyz
        depth[y0:y1, x0:x1] = (middle @ view.mounting.rotation)[0, 2]
        boxes.append(np.clip(box, 0, [640, 480, 640, 480]))
        ids.append(class_id)
    found = Detections(
        np.array(boxes, np.float32), np.ones(len(ids), np.float32), np.array(ids, np.int32)
    )
    return found, mask, depth


PLACES = [(2.5, 0.0), (4.0, 1.2), (6.0, -2.0), (8.5, 0.5)]
CAMERAS = [
    camera(),
    camera(0.6, 2.0),
    camera(1.5, 12.0, yaw=15.0),
    camera(distortion=(-0.1, 0.01, 0, 0, 0)),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("view", CAMERAS)
def test_depth_and_floor_agree_with_the_place(view, place):
    found, mask, depth = scene(view, (PERSON, *place, 0.5))
    x0, _, x1, y1 = found.boxes_xyxy[0]
    if y1 > SIZE_HW[0] - 25 or x0 < 25 or x1 > SIZE_HW[1] - 25:
        pytest.skip("this view does not show the whole person")

    for given, method, tolerance in ((depth, DEPTH, 0.08), (None, FLOOR, 0.15)):
        (item,) = Ranger(view, LABELS).measure(found, mask, given).objects
        assert item.method == method
        assert np.hypot(*(item.position[:2] - place)) < tolerance * max(1.0, np.hypot(*place) / 4)
        assert 0.4 < item.size[1] < 0.8  # a tilted camera leans people at the side, and boxes grow
        assert item.size[2] == pytest.approx(1.75, rel=0.2)
        assert np.linalg.eigvalsh(item.covariance)[0] > 0


def test_the_box_continues_behind_the_surface_that_is_seen():
    view = camera()
    found, mask, depth = scene(view, (PERSON, 4.0, 0.0, 0.5))
    (item,) = Ranger(view, LABELS).measure(found, mask, depth).objects

    assert item.center[0] - item.position[0] == pytest.approx(item.size[0] / 2, abs=0.01)
    assert item.center[2] == pytest.approx(1.75 / 2, abs=0.1)


def test_a_person_in_front_of_a_forklift_and_one_behind_another_keep_their_own_depth():
    view = camera()
    boards = [(FORKLIFT, 7.0, 0.0, 2.0), (PERSON, 3.0, 0.1, 0.5), (PERSON, 5.0, 0.5, 0.5)]
    found, mask, depth = scene(view, *boards)
    items = Ranger(view, LABELS).measure(found, mask, depth).objects
    by_index = {item.index: item for item in items}

    for index, class_id in enumerate(found.class_ids.tolist()):
        places = [b[1] for b in boards if b[0] == class_id]
        nearest = min(places, key=lambda x: abs(by_index[index].position[0] - x))
        assert by_index[index].position[0] == pytest.approx(nearest, abs=0.2)
    assert len({round(item.position[0]) for item in items}) == 3


def test_background_at_the_edges_of_a_loose_mask_does_not_move_the_place():
    view = camera()
    found, mask, depth = scene(view, (PERSON, 4.0, 0.0, 0.5))
    x0, y0, x1, y1 = found.boxes_xyxy[0].astype(int)
    width = x1 - x0
    loose = found.boxes_xyxy + np.array([[-width / 3, 0, width / 3, 0]], np.float32)
    mask[y0:y1, int(loose[0, 0]) : int(loose[0, 2])] = PERSON
    (item,) = (
        Ranger(view, LABELS)
        .measure(Detections(loose, found.scores, found.class_ids), mask, depth)
        .objects
    )

    assert item.method == DEPTH
    assert item.position[0] == pytest.approx(4.0, abs=0.1)


def test_holes_and_infinite_depth_are_left_out_and_no_depth_falls_back_to_the_floor():
    view = camera()
    found, mask, depth = scene(view, (PERSON, 4.0, 0.0, 0.5))
    holes = depth.copy()
    holes[::2] = 0
    holes[1::4] = np.nan
    holes[:, ::9] = np.inf
    (item,) = Ranger(view, LABELS).measure(found, mask, holes).objects
    (by_floor,) = Ranger(view, LABELS).measure(found, mask, np.zeros_like(depth)).objects

    assert (item.method, by_floor.method) == (DEPTH, FLOOR)
    assert item.position[0] == pytest.approx(4.0, abs=0.1)


def feet_hidden(view):
    found, _, _ = scene(view, (PERSON, 4.0, 0.0, 0.5))
    boxes = found.boxes_xyxy.copy()
    boxes[0, 3] -= 0.45 * (boxes[0, 3] - boxes[0, 1])
    return Detections(boxes, found.scores, found.class_ids)


def moved(view, box):
    return Detections(
        np.array([box], np.float32), np.ones(1, np.float32), np.array([PERSON], np.int32)
    )


@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda v: moved(v, [300, 100, 400, 480]), "cut off by the lower edge"),
        (lambda v: moved(v, [0, 100, 60, 400]), "cut off by the side"),
        (lambda v: moved(v, [300, 20, 340, 100]), "foot above the horizon"),
        (feet_hidden, "foot hidden|too uncertain|too near to the horizon|farther"),
        (lambda v: moved(v, [310, 130, 320, 152]), "too uncertain|too near|farther|hidden"),
    ],
)
def test_what_the_floor_cannot_say_is_left_out_with_its_reason(make, reason):
    view = camera()
    result = Ranger(view, LABELS).measure(make(view))

    assert result.objects == ()
    assert sum(result.reasons.values()) == 1
    (text,) = result.reasons
    assert any(part in text for part in reason.split("|"))


def test_a_class_without_a_shape_is_counted_not_guessed():
    found = Detections(
        np.array([[100, 300, 500, 330]], np.float32),
        np.ones(1, np.float32),
        np.array([RAIL_ID], np.int32),
    )
    result = Ranger(camera(), LABELS).measure(found)

    assert result.missing == {0: "class without a shape"}


def test_own_classes_take_the_shape_that_is_said():
    labels = labels_of(["background", "rail", "worker", "agv"])
    config = RangingConfig(class_shapes=("worker=person", "agv=forklift"))
    view = camera()
    assert Ranger(view, labels).unshaped == ("worker", "agv")
    assert Ranger(view, labels, config).unshaped == ()
    assert Ranger(view, labels, config).strange_shapes == ()
    other = RangingConfig(class_shapes=("wroker=person", "agv=forklift"))
    assert Ranger(view, labels, other).strange_shapes == ("wroker",)


@pytest.mark.parametrize(
    "entries",
    [
        *(["worker"], ["worker="], ["=person"], ["worker=human"], ["person"]),
        *(["rail=person"], ["person=forklift"], ["worker=person", "worker=forklift"]),
    ],
)
def test_a_shape_that_does_not_exist_or_is_given_twice_is_refused(entries):
    with pytest.raises(ConfigError, match="class_shapes: expected 'name=shape'"):
        RangingConfig(class_shapes=tuple(entries))


def test_a_depth_image_of_another_size_is_an_error():
    found, mask, _ = scene(camera(), (PERSON, 4.0, 0.0, 0.5))
    with pytest.raises(ValueError, match="480x640, got 240x320"):
        Ranger(camera(), LABELS).measure(found, mask, np.ones((240, 320), np.float32))


def test_depth_beyond_the_sensor_s_range_is_not_used():
    view = camera()
    found, mask, depth = scene(view, (PERSON, 8.5, 0.0, 0.5))
    (item,) = Ranger(view, LABELS, RangingConfig(depth_max=5.0)).measure(found, mask, depth).objects

    assert item.method == FLOOR


def test_uncertainty_grows_with_the_distance_and_the_floor_is_less_certain_than_depth():
    view, sigma = camera(), {}
    for x in (3.0, 8.0):
        found, mask, depth = scene(view, (PERSON, x, 0.0, 0.5))
        for given in (depth, None):
            (item,) = Ranger(view, LABELS).measure(found, mask, given).objects
            sigma[x, item.method] = float(item.covariance[0, 0]) ** 0.5

    assert sigma[8.0, DEPTH] > sigma[3.0, DEPTH]
    assert sigma[8.0, FLOOR] > sigma[3.0, FLOOR]
    assert sigma[8.0, FLOOR] > sigma[8.0, DEPTH]


def cell(config, x, y):
    x0, y0 = config.origin_xy
    return int((y - y0) / config.floor_cell), int((x - x0) / config.floor_cell)


def test_the_floor_map_shows_people_rails_free_floor_and_what_is_not_seen():
    view, config = camera(), FloorMapConfig()
    found, mask, depth = scene(view, (PERSON, 4.0, 0.5, 0.5))
    pixels = view.floor_to_pixels(np.array([[x, -0.8] for x in np.arange(2.5, 6, 0.01)]))
    for column, row in np.rint(pixels).astype(int):
        mask[row - 2 : row + 3, column - 3 : column + 4] = RAIL_ID
    objects = Ranger(view, LABELS).measure(found, mask, depth).objects
    grid = FloorMapper(view, LABELS, config).draw(mask, objects)

    assert grid.dtype == np.int8
    assert grid.shape == config.shape
    assert grid[cell(config, 4.15, 0.5)] == OCCUPIED
    assert grid[cell(config, 4.0, -0.8)] == RAIL
    assert grid[cell(config, 3.0, 0.0)] == FREE
    assert grid[cell(config, 0.2, 0.0)] == UNKNOWN  # below the image
    assert grid[cell(config, 1.0, 3.9)] == UNKNOWN  # beside it
    assert grid[cell(config, 7.0, 0.85)] == UNKNOWN  # behind the person


def test_without_a_mask_only_measured_objects_are_known():
    view, config = camera(), FloorMapConfig()
    found, _, depth = scene(view, (PERSON, 4.0, 0.5, 0.5))
    objects = Ranger(view, LABELS).measure(found, None, depth).objects
    grid = FloorMapper(view, LABELS, config).draw(None, objects)

    assert set(np.unique(grid)) == {UNKNOWN, OCCUPIED}
    assert grid[cell(config, 4.15, 0.5)] == OCCUPIED


def test_a_mask_alone_shows_where_people_stand():
    view, config = camera(), FloorMapConfig()
    _, mask, _ = scene(view, (PERSON, 4.0, 0.5, 0.5))
    grid = FloorMapper(view, LABELS, config).draw(mask, ())
    occupied = np.argwhere(grid == OCCUPIED) * config.floor_cell + config.origin_xy[::-1]

    assert len(occupied) >= 3
    assert np.abs(occupied - (0.5, 4.0)).max() < 0.45


def test_a_mask_of_the_network_s_size_gives_nearly_the_same_map():
    view, config = camera(), FloorMapConfig()
    _, mask, _ = scene(view, (PERSON, 4.0, 0.5, 0.5))
    mapper = FloorMapper(view, LABELS, config)
    whole, small = mapper.draw(mask, ()), mapper.draw(mask[::2, ::2], ())

    assert np.mean(whole != small) < 0.01


def test_every_shape_belongs_to_a_class_of_the_shipped_model():
    assert set(SHAPES) <= set(LABELS.names)


def test_a_box_that_ends_above_a_body_that_the_image_cuts_off_is_not_on_the_floor():
    view = camera()
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[100:, 260:380] = PERSON
    found = moved(view, [260, 100, 380, 400])

    assert Ranger(view, LABELS).measure(found, mask).reasons == {
        "cut off by the lower edge of the image": 1
    }
    assert len(Ranger(view, LABELS).measure(found).objects) == 1


@pytest.mark.parametrize("roll", [25.0, -40.0, 180.0])
def test_what_leans_in_the_image_has_no_place_by_the_floor(roll):
    level = camera().intrinsics
    view = FloorCamera(level, Mounting((0.3, 0.0, 1.2), (roll, 30.0, 0.0)))
    box = board(view, 2.5, 0.0, height=0.8)
    found = Detections(np.array([box], np.float32), np.ones(1, np.float32), np.full(1, PERSON))
    measured = Ranger(view, LABELS).measure(found, None, None)

    assert measured.objects == ()
    assert any("leans" in reason for reason in measured.reasons)


def test_the_floor_map_of_a_turned_camera_is_unknown():
    view = FloorCamera(camera().intrinsics, Mounting((0.3, 0.0, 1.2), (180.0, 30.0, 0.0)))
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[200:300, 200:300] = PERSON
    grid = FloorMapper(view, LABELS).draw(mask, ())

    assert (grid == UNKNOWN).all()
