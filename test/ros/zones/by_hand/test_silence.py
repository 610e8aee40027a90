"""Time that stands still, results and transforms that stay away."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from sensor_msgs.msg import CameraInfo

from mtv_perception.geometry.frames import FrameTree, Rigid
from mtv_perception.ros.zones import node as node_module

S = 1_000_000_000
ERROR, OK = b"\x02", b"\x00"
A_MOMENT = 0.001
DOOR = {"space": "image", "polygon": [[10, 10], [60, 10], [60, 90]], "tests": ["box"]}
TIMINGS = [(0.5, 0.1), (0.3, 0.05), (2.0, 1.0), (0.05, 0.01), (0.2, 1.0)]
SILENCES = [(True, "the ROS clock (/clock) stands still"), (False, "no result younger than")]


@pytest.mark.parametrize(("deadline", "repeat"), TIMINGS)
@pytest.mark.parametrize(("simulated", "reason"), SILENCES)
def test_ros_time_may_stand_still_for_deadline_and_period(
    by_hand, deadline, repeat, simulated, reason
):
    """Under simulated time a /clock that ended, else a system clock that is set back."""
    parameters = {"use_sim_time": simulated}
    by_hand.start(deadline=deadline, repeat=repeat, parameters=parameters)
    by_hand.see()
    by_hand.steady += deadline + repeat - A_MOMENT
    by_hand.tick()
    assert by_hand.words() == {"stop": "free"}
    assert by_hand.diagnoses()[""].level == OK

    by_hand.steady += 2 * A_MOMENT
    assert by_hand.diagnoses()[""].level == ERROR
    by_hand.tick()
    assert by_hand.words() == {"stop": "unknown"}
    assert by_hand.states()["stop"].reason.startswith(reason)
    by_hand.pass_time(0.02)
    by_hand.see()
    assert by_hand.words() == {"stop": "free"}


def test_a_slow_simulation_is_not_one_that_stands(by_hand):
    by_hand.start(deadline=0.5, repeat=0.1, parameters={"use_sim_time": True})
    by_hand.see()
    for _ in range(20):  # 10 s go by, a fifth of a second in the simulation.
        by_hand.steady += 0.5
        by_hand.move_ros_time(0.01)
        by_hand.tick()
        assert by_hand.words() == {"stop": "free"}
    assert len(by_hand.messages("zones")) > 20


@pytest.mark.parametrize("seconds", [0.0, 0.7, 30.0])
def test_before_the_first_result_the_reason_is_that_there_was_none(by_hand, seconds):
    by_hand.start(deadline=0.5, repeat=0.1)
    by_hand.pass_time(seconds)
    by_hand.tick()
    assert by_hand.states()["stop"].reason.startswith("no result yet")


@pytest.mark.parametrize("deadline", [0.2, 0.5, 2.0])
@pytest.mark.parametrize(("share", "word"), [(0.9, "free"), (1.1, "unknown"), (1.9, "unknown")])
def test_a_transform_may_be_as_old_as_a_result(by_hand, frames, deadline, share, word):
    by_hand.start({"pose_from": "tf"}, deadline=deadline)
    frames.place(stamp=by_hand.ros_ns - round(share * deadline * S))
    by_hand.see(header=by_hand.header(age=0.0))
    assert by_hand.words() == {"stop": word}
    assert ("older than the image" in by_hand.states()["stop"].reason) == (word == "unknown")


def test_a_camera_that_moves_leaves_image_zones_alone(by_hand, frames):
    by_hand.start({"pose_from": "tf", "zones": [{"name": "stop"}, {"name": "door", **DOOR}]})
    frames.place()
    by_hand.see()
    assert by_hand.words() == {"stop": "free", "door": "free"}
    frames.place(height=1.3)
    by_hand.tick()
    assert by_hand.words() == {"stop": "unknown", "door": "free"}
    assert "has changed" in by_hand.states()["stop"].reason


@pytest.fixture
def frames(monkeypatch):
    """Transforms in the place of a reader of /tf: the camera of the other tests."""
    tree = FrameTree()

    def place(height=1.2, stamp=None):
        down, ahead = np.deg2rad(20) / 2, Rigid.of((0, 0, 0), (-0.5, 0.5, -0.5, 0.5))
        at = Rigid.of((0.3, 0.0, height), (0, np.sin(down), 0, np.cos(down))).then(ahead)
        tree.add("base_link", "optical", stamp or 0, at, stamp is None)

    monkeypatch.setattr(node_module, "TransformReader", lambda node: tree)
    return SimpleNamespace(place=place)


K = [525.0, 0.0, 318.2, 0.0, 523.0, 241.7, 0.0, 0.0, 1.0]
RESULTS = {"detections", "perception/status"}
SILENT = {*RESULTS, "camera_info"}


def named_after(by_hand, capfd, seconds):
    """The topics that are called silent, each on a line of its own, after time has passed."""
    by_hand.pass_time(seconds)
    by_hand.diagnoses()
    said, start = capfd.readouterr().err, f"nothing on {by_hand.node.get_namespace()}/"
    named = [name for name in SILENT for line in said.splitlines() if start + name in line]
    assert len(named) == len([line for line in said.splitlines() if "nothing on" in line])
    return set(named)


@pytest.mark.parametrize(("deadline", "limit"), [(0.5, 2.0), (2.0, 2.0), (5.0, 5.0)])
@pytest.mark.parametrize("calibrated", [True, False])
def test_topics_are_called_silent_after_a_while_but_no_calibration_that_came(
    by_hand, capfd, deadline, limit, calibrated
):
    by_hand.start({"intrinsics": None}, deadline=deadline)
    if calibrated:
        info = CameraInfo(height=480, width=640, distortion_model="plumb_bob", k=K)
        by_hand.deliver("camera_info", info)
    by_hand.see()
    assert named_after(by_hand, capfd, limit - A_MOMENT) == set()
    assert named_after(by_hand, capfd, 2 * A_MOMENT) == RESULTS


@pytest.mark.parametrize(("deadline", "limit"), [(0.5, 10.0), (2.0, 10.0), (15.0, 15.0)])
@pytest.mark.parametrize("heard", [True, False])
def test_a_topic_that_was_never_heard_has_time_to_be_discovered(
    by_hand, capfd, deadline, limit, heard
):
    by_hand.start({"intrinsics": None}, deadline=deadline)
    assert named_after(by_hand, capfd, limit - A_MOMENT) == set()
    if heard:
        by_hand.see()
    assert named_after(by_hand, capfd, 2 * A_MOMENT) == SILENT - (RESULTS if heard else set())


@pytest.mark.parametrize(
    ("trained", "told"),
    [([], "not trained for masks. Write `tests: [foot]`"), (["person"], "no publisher")],
)
def test_a_mask_that_the_model_does_not_make_is_no_silent_publisher(by_hand, capfd, trained, told):
    by_hand.start({"zones": [{"name": "stop", "tests": ["foot", "mask"]}]})
    for _ in range(30):
        by_hand.see(status={"mask_classes": trained})
        by_hand.wait(0.4)
    by_hand.diagnoses()

    (line,) = [line for line in capfd.readouterr().err.splitlines() if "nothing on" in line]
    assert line.split("nothing on ")[1].startswith(
        f"{by_hand.node.get_namespace()}/segmentation/mask"
    )
    assert told in line
