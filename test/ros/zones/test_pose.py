"""The pose of a zone camera, with transforms from a table."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from mtv_perception.geometry.frames import FrameTree, Rigid
from mtv_perception.ros.zones.pose import CameraPose
from mtv_perception.zones.config import CameraConfig, ZoneConfig

S = 1_000_000_000
ZONE = ZoneConfig("a", ((1.0, 0.0), (2.0, 0.0), (2.0, 1.0)))
OPTICAL = (-0.5, 0.5, -0.5, 0.5)  # Looks ahead.


class Table:
    """A FrameTree in the place of a reader of topics."""

    def __init__(self):
        self.tree = FrameTree()

    def place(self, height=1.0, turn=OPTICAL, stamp=None):
        place = Rigid.of((0.5, 0.0, height), turn)
        self.tree.add("base", "camera", stamp or 0, place, stamp is None)

    def lookup(self, *arguments):
        return self.tree.lookup(*arguments)


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def pose(table):
    camera = CameraConfig(floor_frame="base", pose_from="tf", zones=(ZONE,))
    return CameraPose(camera, table, S // 2)


def test_a_pose_of_the_file_needs_no_transform():
    camera = CameraConfig(position=(1.0, 2.0, 3.0), rpy_deg=(0.0, 10.0, 0.0), zones=(ZONE,))
    pose = CameraPose(camera, None, 0)

    assert pose.at("anything", 5) == (camera.mounting(), "")
    assert pose.why_lost("anything", 5) == ""


def test_without_a_position_and_transforms_there_is_no_pose():
    door = ZoneConfig("a", ((1, 0), (9, 0), (9, 9)), space="image")
    mounting, why = CameraPose(CameraConfig(zones=(door,)), None, 0).at("camera", 0)

    assert mounting is None and "no position" in why


def test_the_position_of_the_file_is_not_used_beside_tf(table):
    camera = CameraConfig(floor_frame="base", pose_from="tf", position=(0, 0, 9), zones=(ZONE,))

    mounting, why = CameraPose(camera, table, 0).at("camera", 0)
    assert mounting is None and "no transform base -> camera" in why


def test_the_pose_is_the_same_object_while_it_stays(table, pose):
    table.place()
    first, why = pose.at("camera", 0)
    np.testing.assert_allclose(first.position_xyz, (0.5, 0.0, 1.0))
    np.testing.assert_allclose(first.rpy_deg, (0, 0, 0), atol=1e-9)
    assert why == ""

    table.place(height=1.004)
    assert pose.at("camera", 1)[0] is first
    assert pose.why_lost("camera", 1) == ""


def test_small_steps_add_up_to_a_change(table, pose):
    table.place()
    first = pose.at("camera", 0)[0]
    for height in (1.003, 1.006, 1.009):
        table.place(height)
        last = pose.at("camera", 0)[0]
    assert last is not first


def pitched(degrees):
    half = np.deg2rad(degrees) / 2
    pitch = Rigid.of((0, 0, 0), (0, np.sin(half), 0, np.cos(half)))
    return tuple(pitch.then(Rigid.of((0, 0, 0), OPTICAL)).quaternion)


def test_jitter_of_an_encoder_is_no_change(table, pose):
    table.place()
    first = pose.at("camera", 0)[0]
    table.place(height=1.004, turn=pitched(0.08))

    assert pose.at("camera", 0)[0] is first
    assert pose.why_lost("camera", 0) == ""


@pytest.mark.parametrize(
    "changes", [{"height": 1.006}, {"turn": pitched(0.15)}, {"turn": pitched(-0.15)}]
)
def test_another_pose_is_lost_until_it_is_used(table, pose, changes):
    table.place()
    first = pose.at("camera", 0)[0]
    table.place(**changes)
    assert "has changed" in pose.why_lost("camera", 0)

    assert pose.at("camera", 0)[0] not in (None, first)
    assert pose.why_lost("camera", 0) == ""


def test_a_pose_below_the_floor_is_none_and_is_found_again(table, pose):
    table.place(height=-1.0)
    assert "above the floor" in pose.at("camera", 0)[1]
    assert "above the floor" in pose.at("camera", 0)[1]
    table.place()
    assert pose.at("camera", 0)[1] == ""


def test_a_pose_that_ends_is_lost(table, pose):
    table.place(stamp=10 * S)
    assert pose.at("camera", 10 * S)[1] == ""
    assert pose.why_lost("camera", 10 * S + S // 4) == ""
    assert "older than the image" in pose.why_lost("camera", 11 * S)
    assert "older than the image" in pose.at("camera", 11 * S)[1]
    assert pose.why_lost("elsewhere", 10 * S).startswith("no transform")
