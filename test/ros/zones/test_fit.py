"""What does not fit the image makes a zone unknown, with the reason; what fits is used."""

import copy
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from sensor_msgs.msg import CameraInfo, RegionOfInterest

INSIDE = (3.0, 0.0)
K = np.array([[525.0, 0, 318.2], [0, 523.0, 241.7], [0, 0, 1]])
RATIONAL = [0.02, -0.01, 0.0001, -0.0001, 0.001, 0.01, -0.005, 0.0005]


def scaled(x, y):
    return (np.diag([x, y, 1.0]) @ K).reshape(-1)


def with_entry(row, column, value):
    matrix = K.copy()
    matrix[row, column] = value
    return matrix.reshape(-1)


BAD = {
    "larger": ({"height": 960, "width": 1280, "k": scaled(2, 2)}, "1280x960"),
    "wider": ({"height": 480, "width": 854, "k": scaled(854 / 640, 1)}, "854x480"),
    "turned": ({"height": 640, "width": 480}, "480x640"),
    "region at the origin": (
        {"roi": RegionOfInterest(width=320, height=240)},
        "region of interest",
    ),
    "region": ({"roi": RegionOfInterest(x_offset=8, width=320, height=240)}, "region of interest"),
    "binning": ({"binning_x": 2, "binning_y": 2}, "binning"),
    "no focal length": ({"k": with_entry(0, 0, 0.0)}, "positive focal"),
    "NaN": ({"k": with_entry(1, 1, float("nan"))}, "finite"),
    "negative": ({"k": with_entry(0, 0, -525.0)}, "positive focal"),
    "uncalibrated": ({"k": np.zeros(9)}, "positive focal"),
    "matrix of half the size": ({"k": scaled(0.5, 0.5)}, "of another image size"),
    "looks elsewhere": (
        {"k": scaled(30, 30) * [1, 1, 1 / 30, 1, 1, 1 / 30, 1, 1, 1]},
        "of the zone",
    ),
    "bad coefficients": ({"d": [0.1] * 9}, "at most 8"),
    "unknown lens": ({"distortion_model": "spline"}, "spline"),
}
GOOD = {
    "no distortion": {"d": []},
    "four": {"d": [-0.21, 0.06, 0.0006, -0.0004]},
    "eight as plumb_bob": {"d": RATIONAL},
    "rational of 14": {"distortion_model": "rational_polynomial", "d": RATIONAL + [0.0] * 6},
    "rational of 12": {"distortion_model": "rational_polynomial", "d": RATIONAL + [0.0] * 4},
    "fisheye of five": {"distortion_model": "equidistant", "d": [0.01, 0.0, 0.0, 0.0, 0.0]},
    "skew": {"k": with_entry(0, 1, 0.2)},
    "full region": {"roi": RegionOfInterest(width=640, height=480)},
    "binning of 1": {"binning_x": 1, "binning_y": 1},
}


def reason(stage):
    state = stage.last()
    return state.reason if state else ""


def test_each_bad_calibration_is_unknown_with_the_reason_and_a_good_one_recovers(
    stage, tools, tmp_path
):
    stage.host(tools.zones_file(tmp_path))
    stage.introduce()
    for name, (changes, text) in BAD.items():
        stage.calibrate()
        stage.make("free")
        stage.calibrate(**changes)
        stage.wait(
            lambda text=text: stage.is_now("unknown") and text in reason(stage),
            f"{name}: {text}",
            stage.see,
        )
        began, end = stage.now(), time.monotonic() + 0.3
        stage.wait(lambda end=end: time.monotonic() > end, name, lambda: stage.see([INSIDE]))
        assert {tools.meaning(state) for _, state in stage.states(began)} <= {
            "unknown",
            "occupied",
        }, name


def test_each_good_calibration_is_used(stage, tools, tmp_path):
    stage.host(tools.zones_file(tmp_path, zone={"min_visible": 0.5}))
    stage.introduce()
    for name, changes in GOOD.items():
        stage.calibrate(height=960, width=1280)
        stage.make("unknown")
        stage.calibrate(**changes)
        stage.wait(lambda: stage.is_now("free"), name, stage.see)


def test_another_resolution_of_the_image_is_unknown_until_the_calibration_follows(
    stage, tools, tmp_path
):
    stage.host(tools.zones_file(tmp_path))
    stage.introduce()
    stage.make("free")
    stage.wait(
        lambda: stage.is_now("unknown") and "1280x960" in reason(stage),
        "unknown",
        lambda: stage.see(size_hw=(960, 1280)),
    )
    stage.calibrate(height=960, width=1280, k=scaled(2, 2))
    stage.wait(lambda: stage.is_now("free"), "free", lambda: stage.see(size_hw=(960, 1280)))


STATUS = {
    "raised threshold": ({"score_thresholds": [1.0, 0.3, 0.6, 0.3]}, "below a score of 0.600"),
    "limit reached": ({"truncated": True}, "limit of detections"),
    "suppressed": ({"suppressed_classes": ["person"]}, "suppress_absent"),
    "not trained": ({"box_classes": ["rail"]}, "not trained for boxes of person"),
    "frozen": ({"image_health": "frozen", "image_health_detail": "9 alike"}, "frozen (9 alike)"),
    "dark": ({"image_health": "dark"}, "dark"),
    "no size": ({"size_hw": (0, 0)}, "size of the image"),
    "other classes": ({"classes": ["background", "rail", "cat", "forklift"]}, "knows no person"),
}


def test_what_perception_can_not_show_is_unknown_with_the_reason(stage, tools, tmp_path):
    stage.host(tools.zones_file(tmp_path))
    stage.introduce()
    for name, (changes, text) in STATUS.items():
        stage.make("free")
        stage.wait(
            lambda text=text: stage.is_now("unknown") and text in reason(stage),
            f"{name}: {text}",
            lambda changes=changes: stage.see(**changes),
        )


def test_calibrations_of_two_cameras_in_turn_are_unknown(stage, tools, tmp_path):
    stage.host(tools.zones_file(tmp_path))
    stage.introduce()
    stage.make("free")
    other = stage.publish_elsewhere(CameraInfo, "camera_info")

    def see():
        changed = copy.deepcopy(stage.calibration)
        changed.k[0] += 200.0
        other.publish(changed)
        stage.see()

    stage.wait(
        lambda: (
            stage.is_now("unknown")
            and "the camera_info of one camera, got 2" in stage.last().reason
        ),
        "unknown",
        see,
    )
    began, end = stage.now(), time.monotonic() + 1.0
    stage.wait(lambda: time.monotonic() > end, "time", see)
    assert not any(state.valid for _, state in stage.states(began))
    stage.make("free")


def test_an_image_zone_does_not_wait_for_the_calibration_of_a_floor_zone(stage, tools, tmp_path):
    door = {
        "name": "door",
        "space": "image",
        "tests": ["box"],
        "polygon": [[10, 10], [60, 10], [60, 90]],
    }
    floor = {"name": "stop", "polygon": tools.stop}
    file = tools.zones_file(tmp_path, camera={"image_hw": [480, 640], "zones": [door, floor]})
    stage.host(file)
    stage.wait(stage.status.get_subscription_count, "a subscription")
    stage.wait(lambda: stage.is_now("free"), "free", stage.see)

    zones = stage.zones[-1][1].zones
    assert [tools.meaning(zone) for zone in zones] == ["free", "unknown"]
    topic = f"{stage.node.get_namespace()}/camera_info"
    assert zones[1].reason == f"no camera_info yet: nothing on {topic}"


def test_results_without_a_status_are_not_used_and_the_reason_says_so(stage, tools, tmp_path):
    stage.host(tools.zones_file(tmp_path))
    stage.introduce()
    end = time.monotonic() + 1.0
    stage.wait(lambda: time.monotonic() > end, "time", lambda: stage.see(publish_status=False))

    assert {tools.meaning(state) for _, state in stage.states()} == {"unknown"}
    assert "nothing on" in reason(stage) and "perception/status" in reason(stage)


def test_another_detector_is_used_by_names_where_the_file_says_so(stage, tools, tmp_path):
    file = tools.zones_file(tmp_path, camera={"image_hw": [480, 640], "detector": "other"})
    stage.host(file)
    stage.wait(stage.detections.get_subscription_count, "a subscription of detections")
    stage.calibrate()

    def see(people=(), as_="name"):
        stage.see(people, as_=as_, publish_status=False)

    stage.wait(lambda: stage.is_now("free"), "free", see)
    stage.wait(lambda: stage.is_now("occupied"), "occupied", lambda: see([INSIDE]))
    stage.wait(lambda: stage.is_now("unknown"), "unknown", lambda: see([INSIDE], "id"))
    assert "class names" in reason(stage)
