from pathlib import Path

import numpy as np
import pytest
import yaml

from mtv_perception.config import from_mapping, load
from mtv_perception.errors import ConfigError
from mtv_perception.zones.config import CameraConfig, ZoneConfig, ZonesConfig, load_zones

ROOT = Path(__file__).resolve().parents[2]
ZONE = {"name": "a", "polygon": [[1, -1], [2, -1], [2, 1]]}
CIRCLE = [[np.cos(a), np.sin(a)] for a in np.linspace(0, 6, 101).tolist()]
PIXELS = [[0, 0], [640, 0], [640, 480]]
IMAGE_ONLY = {"space": "image", "tests": ["box", "mask"]}
CAMERA = {"position": [0, 0, 1], "zones": [ZONE]}
GOOD = {"cameras": [CAMERA]}
LENS = {"k": [500, 0, 320, 0, 500, 240, 0, 0, 1]}
OTHER_DETECTOR = {"detector": "other", "image_hw": [480, 640], "detector_classes": ["human"]}
SHARES = {**ZONE, "space": "image", "polygon": [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]}
# Rounded beyond 1, of one side alone, and of an image that is drawn twice.
SMALL = [
    [[0, 0], [1.0001, 0], [1.0001, 1.0001]],
    [[0, 0.2], [640, 0.2], [640, 0.9]],
    [[0.5, 0.5], [1.5, 0.5], [1.5, 1.5]],
]
OUTSIDE = {**ZONE, "space": "image", "polygon": [[700, 10], [800, 10], [800, 90]]}


def test_the_example_is_read_and_shows_defaults():
    example = load(ZonesConfig, ROOT / "config" / "zones.yaml")
    plain = yaml.safe_load((ROOT / "config" / "zones.yaml").read_text())
    defaults = from_mapping(ZonesConfig, GOOD)

    assert [zone.name for zone in example.cameras[0].zones] == ["stop", "slow", "doorway"]
    shown = {key: value for key, value in plain.items() if key != "cameras"}
    assert shown == {key: getattr(defaults, key) for key in shown}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "at least one camera"),
        ({"cameras": []}, "at least one camera"),
        ({**GOOD, "deadlin": 1}, "unknown key 'deadlin'"),
        ({**GOOD, "deadline": 0.0}, "deadline"),
        ({**GOOD, "deadline": "1"}, "deadline"),
        ({"cameras": [{**CAMERA, "zones": []}]}, "at least one zone"),
        ({"cameras": [{"zones": [ZONE]}]}, "position"),
        ({"cameras": [{**CAMERA, "detector": "other"}]}, "image_hw"),
        ({"cameras": [{**CAMERA, "pose_from": "air"}]}, "air"),
        ({"cameras": [{**CAMERA, "image_hw": [0, 640]}]}, "image_hw"),
        ({"cameras": [{**CAMERA, "image_hw": [80, 64], "intrinsics": LENS}]}, "of one size"),
        ({"cameras": [{"image_hw": [480, 640], "zones": [OUTSIDE]}]}, "inside the image"),
        ({"cameras": [{"zones": [SHARES]}]}, "'a' in pixels, .*shares of the image"),
        *[({"cameras": [{"zones": [{**SHARES, "polygon": zone}]}]}, "shares") for zone in SMALL],
        *[
            ({"cameras": [{**CAMERA, "zones": [{**zone, name: 0.1}]}]}, f"{name} of a floor zone")
            for name in ("margin", "edge_error")
            for zone in ({**ZONE, "tests": ["mask"]}, {**SHARES, "polygon": PIXELS})
        ],
        ({"cameras": [{**CAMERA, "position": [300, 0, 1200]}]}, "in metres, up to 50"),
        ({"cameras": [{**CAMERA, "intrinsics": LENS, "rectified": True}]}, "got both"),
        ({"cameras": [{**CAMERA, "detector_classes": ["person"]}]}, "beside detector: other"),
        ({"cameras": [{**CAMERA, **OTHER_DETECTOR}]}, "zones in detector_classes, got .*person"),
        ({**GOOD, "ahead": 0.6}, "ahead"),
        ({"cameras": [{**CAMERA, "position": [0, 0, -1]}]}, "above the floor"),
        ({"cameras": [CAMERA, CAMERA]}, "only once"),
        ({"cameras": [{**CAMERA, "zones": [ZONE, ZONE]}]}, "only once"),
        (
            {"cameras": [CAMERA, {**CAMERA, "name": "rear", "zones": [{**ZONE, "name": "b"}]}]},
            "a name for each of several cameras",
        ),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "name": ""}]}]}, "a name"),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "tests": []}]}]}, "a test"),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "tests": ["box"]}]}]}, "foot, mask"),
        (
            {"cameras": [{"zones": [{**ZONE, **IMAGE_ONLY, "hidden_by": ["forklift"]}]}]},
            "hidden_by of a floor zone",
        ),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "tests": ["smell"]}]}]}, "smell"),
        (
            {
                "cameras": [
                    {**CAMERA, "zones": [{**ZONE, "polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}]}
                ]
            },
            "polygon",
        ),
        (
            {"cameras": [{**CAMERA, "zones": [{**ZONE, "polygon": [[0, 0], [1, 1], [1, 0, 3]]}]}]},
            "2 values",
        ),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "space": "air"}]}]}, "air"),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "polygon": CIRCLE}]}]}, "at most 100 corners"),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "polygon": PIXELS}]}]}, "is it in metres"),
        ({"cameras": [{**CAMERA, "intrinsics": {"k": [1, 2]}}]}, "9 numbers"),
        ({"cameras": [{**CAMERA, "intrinsics": {"k": [0] * 9}}]}, "positive focal"),
    ],
)
def test_wrong_files(values, text):
    with pytest.raises(ConfigError, match=text):
        from_mapping(ZonesConfig, values)


def test_a_base_frame_takes_all_poses_from_tf(tmp_path):
    file = tmp_path / "zones.yaml"
    file.write_text(yaml.safe_dump({"cameras": [{"zones": [ZONE]}]}))

    (camera,) = load_zones(file, "base_footprint").cameras
    assert (camera.floor_frame, camera.pose_from, camera.position) == ("base_footprint", "tf", None)
    with pytest.raises(ConfigError, match="position"):
        load_zones(file)


@pytest.mark.parametrize("text", ["", "[]", "cameras: 3", "cameras: [3]", "cameras: {a: 1}", ": :"])
@pytest.mark.parametrize("base_frame", ["", "base_link"])
def test_files_of_another_shape_are_config_errors_that_name_the_file(tmp_path, text, base_frame):
    file = tmp_path / "zones.yaml"
    file.write_text(text)

    with pytest.raises(ConfigError, match="zones.yaml"):
        load_zones(file, base_frame)


def test_the_default_floor_frame_is_that_of_the_example():
    example = load(ZonesConfig, ROOT / "config" / "zones.yaml")

    assert (
        example.cameras[0].floor_frame
        == CameraConfig(position=(0, 0, 1), zones=(AISLE,)).floor_frame
    )


AISLE = ZoneConfig("a", ((1.0, 0.0), (2.0, 0.0), (2.0, 1.0)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_score", -0.1),
        ("min_score", 1.1),
        ("foot_width", -0.1),
        ("foot_width", 1.1),
        ("margin", -0.1),
        ("margin", 10.1),
        ("edge_error", -0.01),
        ("edge_error", 0.51),
        ("mask_columns", 0),
        ("mask_columns", 1001),
        ("mask_share", 0.0),
        ("mask_share", 1.1),
        ("max_unlabelled", -0.1),
        ("max_unlabelled", 1.1),
        ("min_visible", -0.1),
        ("min_visible", 1.1),
        ("enter_results", 0),
        ("enter_results", 101),
        ("leave_results", 0),
        ("leave_results", 1001),
        ("leave_seconds", -0.1),
        ("leave_seconds", 3601.0),
    ],
)
def test_bounds_of_a_zone(field, value):
    with pytest.raises(ConfigError, match=field):
        from_mapping(ZonesConfig, {"cameras": [{**CAMERA, "zones": [{**ZONE, field: value}]}]})


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("deadline", 0.01, 61.0),
        ("mask_wait", -0.1, 10.1),
        ("time_jump", -0.1, 3601.0),
        ("ahead", -0.1, 0.6),
        ("repeat", 0.0, 1.1),
        ("point_height", -0.1, 3.1),
        ("point_spacing", 0.0, 1.1),
    ],
)
def test_bounds_of_the_timing(field, low, high):
    for value in (low, high):
        with pytest.raises(ConfigError, match=field):
            from_mapping(ZonesConfig, {**GOOD, field: value})


def test_what_a_zone_is_by_default():
    zone = from_mapping(ZonesConfig, GOOD).cameras[0].zones[0]

    assert (zone.lowest_score, zone.tests, zone.classes) == (0.3, ("foot",), ("person",))
    assert (zone.margin, zone.edge_error, zone.hidden_by) == (0.0, 0.0, ())
    assert (zone.foot_width, zone.min_visible, zone.max_unlabelled) == (0.5, 0.9, 0.2)
    assert (zone.enter_results, zone.leave_results, zone.leave_seconds) == (1, 3, 0.3)
    assert (zone.mask_columns, zone.mask_share, zone.unplaced) == (2, 0.02, "unknown")


@pytest.mark.parametrize("name", ["cam-1", "9cam", "front cam", "a/b", "/front", "ä", "front\n"])
def test_a_camera_s_name_is_part_of_topics(name):
    camera = {**GOOD["cameras"][0], "name": name}
    with pytest.raises(ConfigError, match="name of a camera in letters, digits"):
        from_mapping(ZonesConfig, {**GOOD, "cameras": [camera]})
