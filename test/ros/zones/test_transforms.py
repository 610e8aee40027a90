"""The camera's pose from /tf and /tf_static.

Missing, late or changing, it makes floor zones unknown.
"""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("tf2_msgs.msg", reason="there is no tf2_msgs here; run: make setup")

from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

INSIDE = (3.0, 0.0)
# The camera of the stage: 1.2 m above base_link, 20 degrees down.
HEIGHT, PITCH = 1.2, 20.0


def optical_quaternion(pitch_deg):
    """x, y, z, w of an optical frame (z forward, x right) that looks ahead and down."""
    half = np.deg2rad(pitch_deg) / 2
    pitch = np.array([0.0, np.sin(half), 0.0, np.cos(half)])
    optical = np.array([-0.5, 0.5, -0.5, 0.5])
    x1, y1, z1, w1 = pitch
    x2, y2, z2, w2 = optical
    return (
        w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
        w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
        w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
    )


class Frames:
    """Who publishes transforms, in a DDS participant of its own."""

    def __init__(self, stage):
        self._stage = stage
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.static = stage.publish_elsewhere(TFMessage, "/tf_static", latched)
        self.moving = stage.publish_elsewhere(TFMessage, "/tf", 10)

    def transform(
        self, parent, child, place=(0.0, 0.0, 0.0), turn=(0.0, 0.0, 0.0, 1.0), stamp=None
    ):
        made = TransformStamped(child_frame_id=child)
        made.header = self._stage.header(self._stage.now() if stamp is None else stamp)
        made.header.frame_id = parent
        move, rotation = made.transform.translation, made.transform.rotation
        move.x, move.y, move.z = place
        rotation.x, rotation.y, rotation.z, rotation.w = map(float, turn)
        return made

    def camera(self, parent="base_link", height=HEIGHT, pitch=PITCH, stamp=None):
        turn = optical_quaternion(pitch)
        return self.transform(parent, "camera_optical", (0.3, 0.0, height), turn, stamp)

    def fix(self, *transforms):
        self.static.publish(TFMessage(transforms=list(transforms)))

    def move(self, *transforms):
        self.moving.publish(TFMessage(transforms=list(transforms)))


@pytest.fixture
def frames(stage):
    return Frames(stage)


@pytest.fixture
def watched(stage, tools, tmp_path):
    """Starts the node with a file whose pose comes from TF, and waits for its subscriptions."""

    def start(**changes):
        camera = {"pose_from": "tf", "position": None, **changes.pop("camera", {})}
        parameters = changes.pop("parameters", {})
        stage.host(tools.zones_file(tmp_path, camera=camera, **changes), **parameters)
        stage.introduce()

    return start


def is_unknown_for(stage, text):
    state = stage.last()
    return state is not None and not state.valid and text in state.reason


def test_a_static_pose_is_used_and_its_absence_is_told(stage, frames, watched):
    watched()
    stage.wait(
        lambda: is_unknown_for(stage, "no transform base_link -> camera_optical"),
        "unknown",
        stage.see,
    )
    frames.fix(frames.camera())
    stage.wait(lambda: stage.is_now("free"), "free", stage.see)
    stage.wait(lambda: stage.is_now("occupied"), "occupied", lambda: stage.see([INSIDE]))

    assert stage.last().nearest_distance == pytest.approx(np.hypot(2.7, 1.2), abs=0.02)


def test_a_changed_pose_takes_free_back_at_once_and_is_used_then(stage, frames, watched):
    watched(deadline=30.0)
    frames.fix(frames.camera())
    stage.wait(lambda: stage.is_now("free"), "free", stage.see)
    frames.fix(frames.camera(pitch=25.0))  # No result comes: the news alone must be enough.
    stage.wait(lambda: stage.is_now("unknown"), "unknown")
    stage.wait(lambda: stage.is_now("free"), "free", stage.see)


def test_a_removed_publisher_makes_the_zone_unknown(stage, frames, watched):
    watched(deadline=30.0)
    frames.fix(frames.camera())
    stage.wait(lambda: stage.is_now("free"), "free", stage.see)
    stage.leave(frames.static)
    stage.wait(lambda: is_unknown_for(stage, "is gone"), "unknown", lambda: stage.see([INSIDE]))


@pytest.mark.parametrize("topic", ["/tf_static", "/tf"])
def test_two_publishers_that_place_the_camera_differently_are_named(stage, frames, watched, topic):
    qos = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    second = stage.publish_elsewhere(TFMessage, topic, qos if topic == "/tf_static" else 10)
    first = frames.fix if topic == "/tf_static" else frames.move

    def see(height=HEIGHT):
        first(frames.camera())
        second.publish(TFMessage(transforms=[frames.camera(height=height)]))
        stage.see()

    watched()
    stage.wait(lambda: stage.is_now("free"), "free where both agree", see)
    stage.wait(
        lambda: is_unknown_for(stage, "'camera_optical' is placed differently by"),
        "unknown",
        lambda: see(1.9),
    )
    assert f"{stage.namespace}/other (in 'base_link')" in stage.last().reason
    began, end = stage.now(), time.monotonic() + 1.0
    stage.wait(lambda: time.monotonic() > end, "time", lambda: see(1.9))
    assert not any(state.valid for _, state in stage.states(began))
    stage.leave(second)
    stage.wait(
        lambda: stage.is_now("free"), "free with one", lambda: first(frames.camera()) or stage.see()
    )


def test_a_static_publisher_that_nobody_can_hear_is_named(stage, frames, watched):
    volatile = stage.publish_elsewhere(TFMessage, "/tf_static", 10)
    stage.leave(frames.static)
    watched()

    def see():
        volatile.publish(TFMessage(transforms=[frames.camera()]))
        stage.see()

    stage.wait(lambda: is_unknown_for(stage, "Their quality of service does not fit"), "why", see)
    assert "no transform base_link -> camera_optical" in stage.last().reason


@pytest.mark.parametrize("broken", [(0.0, 0.0, 0.0, 0.0), (0.0, 0.0, float("nan"), 1.0)])
def test_a_broken_transform_makes_the_zone_unknown_until_a_whole_one_comes(
    stage, frames, watched, broken
):
    watched()
    frames.fix(frames.camera())
    stage.wait(lambda: stage.is_now("free"), "free", stage.see)
    frames.fix(frames.transform("base_link", "camera_optical", (0.3, 0.0, HEIGHT), broken))
    stage.wait(lambda: is_unknown_for(stage, "quaternion of length 1"), "unknown", stage.see)
    frames.fix(frames.camera())
    stage.wait(lambda: stage.is_now("free"), "free", stage.see)


def test_a_moving_frame_is_used_while_it_stands_still_and_fresh(stage, frames, watched):
    watched(deadline=0.6)
    frames.fix(frames.camera("head"))

    def see(people=(), height=0.0, lag=0):
        stamp = stage.now()
        frames.move(frames.transform("base_link", "head", (0.0, 0.0, height), stamp=stamp - lag))
        stage.see(people, stamp)

    stage.wait(lambda: stage.is_now("free"), "free", see)
    stage.wait(
        lambda: is_unknown_for(stage, "older than the image"),
        "unknown when delayed",
        lambda: see([INSIDE], lag=2_000_000_000),
    )
    stage.wait(lambda: stage.is_now("free"), "free", see)
    heights = iter(np.arange(0.02, 90.0, 0.02))

    def rise():
        see(height=float(next(heights)))

    stage.wait(lambda: stage.is_now("unknown"), "unknown while it moves", rise)
    began, end = stage.now(), time.monotonic() + 1.0
    stage.wait(lambda: time.monotonic() > end, "time", rise)
    words = [state.valid and not state.occupied for _, state in stage.states(began)]
    assert not any(words), "a camera that moves sees nothing long enough to call it free"
    stage.wait(lambda: stage.is_now("free"), "free", see)


def test_results_go_on_for_image_zones_without_a_pose(stage, tools, frames, watched):
    door = {"name": "door", "space": "image", "tests": ["box"]}
    door["polygon"] = [[10, 10], [60, 10], [60, 90]]
    floor = {"name": "stop", "polygon": tools.stop}
    watched(camera={"zones": [door, floor]})
    stage.wait(lambda: stage.is_now("free"), "free", stage.see)

    assert [tools.meaning(zone) for zone in stage.zones[-1][1].zones] == ["free", "unknown"]


def test_base_frame_takes_the_place_of_the_mounting_in_the_file(stage, tools, frames, tmp_path):
    wrong = {"position": [0.3, 0.0, 9.0], "floor_frame": "elsewhere"}
    stage.host(tools.zones_file(tmp_path, camera=wrong), base_frame="base_link")
    stage.introduce()
    frames.fix(frames.camera())
    stage.wait(lambda: stage.is_now("occupied"), "occupied", lambda: stage.see([INSIDE]))

    assert stage.last().nearest_distance == pytest.approx(np.hypot(2.7, 1.2), abs=0.02)
    stage.wait(lambda: stage.clouds[-1][1].header.frame_id == "base_link", "a cloud", stage.see)


@pytest.mark.parametrize(
    ("place", "text"), [((0.3, 0.0, -1.0), "above the floor"), ((0.3, 0.0, 1.2), "of the zone")]
)
def test_a_pose_that_can_not_see_the_zone_is_told(stage, frames, watched, place, text):
    watched()
    frames.fix(frames.transform("base_link", "camera_optical", place))  # Looks straight up.
    stage.wait(lambda: is_unknown_for(stage, text), "unknown", stage.see)
