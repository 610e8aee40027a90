"""A small drive, rendered: what its bag says about camera, motion and truth agrees with itself."""

import argparse

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from mtv_perception.cli import synth
from mtv_perception.errors import ConfigError
from mtv_perception.geometry.camera import FloorCamera, Intrinsics
from mtv_perception.messages.typestore import typestore
from mtv_perception.synthetic.drive.depth import FARTHEST_M, stereo_depth
from mtv_perception.synthetic.drive.record import RecordOptions, record_drive
from mtv_perception.synthetic.drive.route import Route
from mtv_perception.synthetic.drive.studio import DriveOptions, DriveStudio
from mtv_perception.synthetic.render.renderer import RendererUnavailable

OPTIONS = DriveOptions(seconds=6.0, rate=1.0, seed=3, size_hw=(180, 240), split="train")
PERSON, FORKLIFT = 2, 3


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """Frames, studio and bag of a drive."""
    try:
        studio = DriveStudio(OPTIONS)
    except RendererUnavailable as error:
        pytest.skip(str(error))
    with studio:
        frames = [studio.shoot(k) for k in range(len(studio.times))]
        folder = tmp_path_factory.mktemp("drive") / "bag"
        counts = record_drive(studio, folder, RecordOptions("both", "stereo"), iter(frames))
        yield studio, frames, folder, counts


def messages(folder, *topics):
    with AnyReader([folder], default_typestore=typestore()) as reader:
        for connection, stamp, raw in reader.messages():
            if connection.topic in topics:
                yield connection.topic, stamp, reader.deserialize(raw, connection.msgtype)


def test_every_frame_is_in_the_bag_with_its_truth(drive):
    _, frames, _, counts = drive

    per_frame = [
        "/camera/image_raw",
        "/camera/image_raw/compressed",
        "/camera/camera_info",
        "/camera/depth/image_raw",
        "/truth/detections",
        "/truth/detections_3d",
        "/truth/segmentation/mask",
    ]
    assert {topic: counts[topic] for topic in per_frame} == dict.fromkeys(per_frame, len(frames))
    assert counts["/tf_static"] == 1
    assert counts["/tf"] == counts["/clock"] > 4 * len(frames)


def test_stamps_never_go_back_and_the_pose_is_known_at_every_image(drive):
    _, _, folder, _ = drive
    seen = list(messages(folder, "/tf", "/camera/image_raw"))
    stamps = [stamp for _, stamp, _ in seen]
    poses = {stamp for topic, stamp, _ in seen if topic == "/tf"}

    assert stamps == sorted(stamps)
    assert {stamp for topic, stamp, _ in seen if topic == "/camera/image_raw"} <= poses


def test_places_in_metres_project_into_boxes_in_pixels(drive):
    """Camera, mounting, pose, depth and boxes agree: the seen surface's middle lies in the box."""
    studio, frames, _, _ = drive
    camera = FloorCamera(studio.intrinsics, studio.mounting)
    looked_at = 0
    for frame in frames:
        for item in frame.objects:
            if item.box_xyxy is None:
                continue
            in_base = camera.mounting.rotation @ item.surface + camera.mounting.position_xyz
            (pixel,) = camera.points_to_pixels(in_base[None])
            x0, y0, x1, y1 = item.box_xyxy
            assert x0 <= pixel[0] <= x1
            assert y0 <= pixel[1] <= y1
            looked_at += 1
    assert looked_at >= 10


def test_the_seen_surface_is_the_object_s_own(drive):
    """In the map, the surface lies on the object's box, whose place comes from the scene alone."""
    studio, frames, _, _ = drive
    for frame in frames:
        c, s = np.cos(frame.base.yaw), np.sin(frame.base.yaw)
        for item in frame.objects:
            if item.box_xyxy is None:
                continue
            base = studio.mounting.rotation @ item.surface + studio.mounting.position_xyz
            x, y = (
                frame.base.x + c * base[0] - s * base[1],
                frame.base.y + s * base[0] + c * base[1],
            )
            reach = np.hypot(*item.size[:2]) / 2 + 0.1

            assert np.hypot(x - item.center[0], y - item.center[1]) <= reach
            assert 0 <= base[2] <= item.center[2] + item.size[2]


def test_floor_depth_lies_on_the_floor(drive):
    """Pixels of the lowest image row show the floor, where nobody stands there."""
    studio, frames, _, _ = drive
    camera, (height, width) = FloorCamera(studio.intrinsics, studio.mounting), OPTIONS.size_hw
    frame = frames[0]
    row = height - 3
    columns = np.flatnonzero(frame.mask[row] == 0)[5::20]
    pixels = np.column_stack([columns + 0.5, np.full(len(columns), row + 0.5)])
    floor = camera.pixels_to_floor(pixels)
    measured = frame.depth[row, columns]
    offset = np.column_stack([floor, np.zeros(len(floor))]) - camera.mounting.position_xyz
    expected = (offset @ camera.mounting.rotation)[:, 2]

    assert len(columns) > width // 40
    assert np.median(np.abs(measured - expected)) < 0.02


def test_ids_and_classes_stay_and_people_move(drive):
    _, frames, _, _ = drive
    classes = [{o.track_id: o.class_id for o in frame.objects} for frame in frames]
    moved = [
        np.hypot(*(last.center[:2] - first.center[:2]))
        for first, last in zip(frames[0].objects, frames[-1].objects, strict=True)
    ]

    assert all(found == classes[0] for found in classes)
    assert set(classes[0].values()) == {PERSON, FORKLIFT}
    assert sum(distance > 1.0 for distance in moved) >= 3


def test_the_same_seed_gives_the_same_frame(drive):
    _, frames, _, _ = drive
    with DriveStudio(OPTIONS) as again:
        first = again.shoot(0)

    np.testing.assert_array_equal(first.rgb, frames[0].rgb)
    np.testing.assert_array_equal(first.mask, frames[0].mask)


def test_truth_in_the_bag_is_the_frames(drive):
    _, frames, folder, _ = drive
    flat = [m for _, _, m in messages(folder, "/truth/detections")]
    solid = [m for _, _, m in messages(folder, "/truth/detections_3d")]

    for frame, boxes, places in zip(frames, flat, solid, strict=True):
        expected = {str(o.track_id) for o in frame.objects if o.box_xyxy is not None}
        expected |= {str(k) for k in frame.rails}
        assert {d.id for d in boxes.detections} == expected
        assert {d.id for d in places.detections} == {str(o.track_id) for o in frame.objects}
        assert places.header.frame_id == "base_link"
        assert boxes.header.stamp == places.header.stamp


def test_a_stereo_camera_is_wrong_by_the_square_of_the_distance_and_ends_at_its_range():
    intrinsics = flat_camera()
    rng = np.random.default_rng(1)
    errors = {}
    for metres in (2.0, 8.0):
        exact = np.full(intrinsics.size_hw, metres, np.float32)
        measured = stereo_depth(exact, intrinsics, rng)
        good = measured[measured > 0]
        assert 0.85 < len(good) / measured.size < 1.0
        errors[metres] = float(np.std(good - metres))
    far = stereo_depth(np.full(intrinsics.size_hw, 2 * FARTHEST_M, np.float32), intrinsics, rng)

    assert errors[8.0] / errors[2.0] == pytest.approx(16.0, rel=0.3)
    assert not far.any()


def flat_camera():
    return Intrinsics((240, 320), (300.0, 300.0), (159.5, 119.5))


def test_a_route_keeps_its_direction_while_it_stands():
    route = Route([(0.0, 0.0, 0.0), (2.0, 2.0, 0.0), (6.0, 2.0, 0.0)])

    assert route.at(1.0).x == pytest.approx(1.0, abs=0.02)
    assert route.at(5.0).yaw == pytest.approx(0.0, abs=0.01)
    assert np.hypot(*route.velocity(4.5)) < 0.01
    assert route.velocity(1.0)[0] == pytest.approx(1.0, abs=0.02)
    assert np.hypot(*route.velocity(60.0)) == 0.0


def test_waypoints_out_of_order_are_an_error():
    with pytest.raises(ValueError, match="in the order of time"):
        Route([(1.0, 0.0, 0.0), (0.5, 1.0, 0.0)])


@pytest.mark.parametrize(
    "name, value", [("seconds", 0.0), ("rate", -1.0), ("seed", -1), ("size_hw", (8, 8))]
)
def test_options_out_of_range_name_themselves(name, value):
    with pytest.raises(ValueError, match="Expected (seconds|rate|seed|height) of"):
        DriveOptions(**{name: value})


def test_the_command_refuses_a_folder_that_exists(tmp_path):
    with pytest.raises(ConfigError, match="expected no such folder"):
        synth.run(arguments("--drive", "--out", str(tmp_path)))


def test_the_command_asks_for_a_count_or_a_drive(tmp_path):
    with pytest.raises(ConfigError, match="--drive"):
        synth.run(arguments("--out", str(tmp_path / "new")))


def arguments(*words):
    parser = argparse.ArgumentParser()
    synth.configure(parser)
    return parser.parse_args(words)
