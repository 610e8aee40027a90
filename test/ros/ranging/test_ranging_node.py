"""The ranging node over real DDS, in this process.

What goes in, what comes out, and what is said when nothing can.
"""

import math
import os
import sys
import time

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")
pytest.importorskip("tf2_msgs.msg")

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from geometry_msgs.msg import TransformStamped  # noqa: E402
from nav_msgs.msg import OccupancyGrid  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, PointCloud2  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from vision_msgs.msg import Detection2DArray, Detection3DArray, LabelInfo  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from mtv_perception.errors import ConfigError  # noqa: E402
from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting  # noqa: E402
from mtv_perception.labels import labels_of  # noqa: E402
from mtv_perception.msg import PerceptionStatus  # noqa: E402
from mtv_perception.ranging.assembly import Moment  # noqa: E402
from mtv_perception.ros import silence  # noqa: E402
from mtv_perception.ros.conversions import (  # noqa: E402
    byte_array,
    detection_array,
    image_message,
    label_info,
    stamp_ns,
)
from mtv_perception.ros.qos import LATCHED  # noqa: E402
from mtv_perception.ros.ranging.node import RangingNode  # noqa: E402
from mtv_perception.ros.ranging.settings import LinkConfig  # noqa: E402
from mtv_perception.types import Detections  # noqa: E402

LABELS = labels_of(["background", "rail", "person", "forklift"])
VIEW = FloorCamera(
    Intrinsics((240, 320), (260.0, 260.0), (159.5, 119.5)),
    Mounting((0.2, 0.0, 1.2), (0.0, 12.0, 0.0)),
)
PLACE = (4.0, 0.5)
PERSON = 2
DEADLINE = 60.0
HALF_SQRT = 0.5


class World:
    """The node under test, and one that plays camera and perception."""

    def __init__(self, **parameters):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=os.getpid() % 100 + 1)
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = RangingNode(context=self.context, parameter_overrides=overrides, namespace="/r")
        self.tester = rclpy.create_node("tester", context=self.context, namespace="/r")
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.tester)
        self.heard, self.publishers, self.stamp = {}, {}, 1_000_000_000
        self.labels = LABELS
        for kind, topic in (
            (Detection3DArray, "detections_3d"),
            (OccupancyGrid, "floor"),
            (PointCloud2, "obstacles"),
            (MarkerArray, "objects"),
            (DiagnosticArray, "/diagnostics"),
        ):
            self.heard[topic] = []
            self.tester.create_subscription(kind, topic, self.heard[topic].append, 10)
        self.send(LabelInfo, "label_info", label_info(LABELS, 0.3, Header()), LATCHED)

    def send(self, kind, topic, message, qos=10):
        if topic not in self.publishers:
            self.publishers[topic] = self.tester.create_publisher(kind, topic, qos)
        self.publishers[topic].publish(message)

    def header(self, offset_ms=0):
        seconds, rest = divmod(self.stamp + offset_ms * 1_000_000, 10**9)
        header = Header(frame_id="optical")
        header.stamp.sec, header.stamp.nanosec = seconds, rest
        return header

    def see(
        self, *, mask=True, depth=None, offset_ms=0, encoding="16UC1", scale=1.0, **calibration
    ):
        """One frame with a person at PLACE: calibration, detections, mask, depth.

        A mask that is given is sent in place of the right one, and depth is multiplied by `scale`.
        """
        self.stamp += 100_000_000
        box, pixels, distance = person()
        intrinsics = VIEW.intrinsics
        k = [intrinsics.focal_xy[0], 0.0, intrinsics.centre_xy[0], 0.0, intrinsics.focal_xy[1]]
        info = CameraInfo(header=self.header(), height=240, width=320, distortion_model="plumb_bob")
        info.k, info.d = [*k, intrinsics.centre_xy[1], 0.0, 0.0, 1.0], [0.0] * 5
        for name, value in calibration.items():
            setattr(info, name, value)
        self.send(CameraInfo, "camera_info", info)
        found = Detections(box[None], np.array([0.9], np.float32), np.array([PERSON], np.int32))
        message = detection_array(found, self.labels, self.header(), "name", np.array([7]))
        if depth:
            metres = np.full((240, 320), 9.0)
            metres[pixels == PERSON] = distance
            picture = depth_message(metres * scale, encoding, self.header(offset_ms))
            self.send(Image, "depth/image", picture)
        if mask is not False:
            shown = pixels if mask is True else mask
            self.send(Image, "segmentation/mask", image_message(shown, "mono8", self.header()))
        self.send(Detection2DArray, "detections", message)

    def mount(self, height=1.2):
        """The camera's place, as a robot's description publishes it."""
        item = TransformStamped(child_frame_id="optical")
        item.header.frame_id = "base_link"
        move, turn = item.transform.translation, item.transform.rotation
        move.x, move.z = 0.2, height
        turn.x, turn.y, turn.z, turn.w = quaternion(VIEW.mounting.rotation)
        self.send(TFMessage, "/tf_static", TFMessage(transforms=[item]), LATCHED)

    def until(self, ready, act=None):
        """Spin until something is true; `act` is done again and again meanwhile."""
        deadline, acted = time.monotonic() + DEADLINE, 0.0
        while time.monotonic() < deadline:
            if act and time.monotonic() - acted > 0.3:
                acted = time.monotonic()
                act()
            self.executor.spin_once(timeout_sec=0.02)
            found = ready()
            if found:
                return found
        raise AssertionError("It did not happen.")

    def reason(self):
        return [s.message for m in self.heard["/diagnostics"] for s in m.status][-1:]

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.tester.destroy_node()
        self.context.shutdown()


def quaternion(rotation):
    w = np.sqrt(max(1 + np.trace(rotation), 0)) / 2
    x, y, z = (rotation[2, 1], rotation[0, 2], rotation[1, 0]) - np.array(
        [rotation[1, 2], rotation[2, 0], rotation[0, 1]]
    )
    return [float(v) for v in (x / 4 / w, y / 4 / w, z / 4 / w, w)]


def person():
    """Box, mask and depth of a person at PLACE."""
    points = [[PLACE[0], PLACE[1] + s * 0.25, z] for s in (-1, 1) for z in (0.0, 1.75)]
    pixels = VIEW.points_to_pixels(np.array(points))
    box = np.array([*pixels.min(0), *pixels.max(0)], np.float32)
    x0, y0, x1, y1 = np.rint(box).astype(int)
    mask = np.zeros((240, 320), np.uint8)
    mask[y0:y1, x0:x1] = PERSON
    middle = np.array([[*PLACE, 0.9]]) - VIEW.mounting.position_xyz
    return box, mask, float((middle @ VIEW.mounting.rotation)[0, 2])


def depth_message(metres, encoding, header):
    dtype, scale = ("<u2", 1000) if encoding == "16UC1" else ("<f4", 1)
    data = (metres * scale).astype(dtype)
    message = Image(header=header, height=240, width=320, encoding=encoding)
    message.step, message.data = 320 * data.itemsize, byte_array(data.view(np.uint8))
    return message


@pytest.fixture
def world(request):
    made = World(**getattr(request, "param", {}))
    yield made
    made.close()


@pytest.mark.parametrize("world", [{"depth": True, "wait": 1.0}], indirect=True)
@pytest.mark.parametrize("encoding, offset_ms", [("16UC1", 0), ("32FC1", -20)])
def test_depth_gives_the_place_with_the_detection_s_stamp_id_and_class(world, encoding, offset_ms):
    world.mount()
    found = world.until(
        lambda: world.heard["detections_3d"],
        lambda: world.see(depth=True, encoding=encoding, offset_ms=offset_ms),
    )[-1]
    (item,) = found.detections
    (result,) = item.results
    at = result.pose.pose.position

    assert found.header.frame_id == item.header.frame_id == "base_link"
    assert stamp_ns(found.header) % 100_000_000 == 0
    assert (item.id, result.hypothesis.class_id) == ("7", "person")
    assert result.hypothesis.score == pytest.approx(0.9)
    assert (at.x, at.y) == pytest.approx(PLACE, abs=0.1)
    assert item.bbox.size.z == pytest.approx(1.75, abs=0.3)
    assert 0 < result.pose.covariance[0] < 0.1


def test_without_a_transform_nothing_is_said_but_why_and_it_begins_when_it_comes(world):
    world.until(lambda: any("optical" in text for text in world.reason()), world.see)
    assert world.heard["detections_3d"] == []

    world.mount()
    found = world.until(lambda: world.heard["detections_3d"], world.see)

    assert found[0].detections[0].results[0].pose.pose.position.x == pytest.approx(
        PLACE[0], abs=0.4
    )


@pytest.mark.parametrize(
    "world",
    [{"camera_position": [0.2, 0.0, 1.2], "camera_rpy_deg": [0.0, 12.0, 0.0], "wait": 0.05}],
    indirect=True,
)
def test_a_given_mounting_needs_no_transform_and_a_missing_mask_does_not_stop_it(world):
    found = world.until(lambda: world.heard["detections_3d"], lambda: world.see(mask=False))[-1]

    assert found.detections[0].results[0].pose.pose.position.y == pytest.approx(PLACE[1], abs=0.3)


def test_the_floor_and_the_obstacles_show_the_person(world):
    world.mount()
    grid = world.until(lambda: world.heard["floor"], world.see)[-1]
    cloud = world.until(lambda: world.heard["obstacles"], world.see)[-1]
    info = grid.info
    cells = np.array(grid.data, np.int8).reshape(info.height, info.width)
    column = int((PLACE[0] + 0.2 - info.origin.position.x) / info.resolution)
    row = int((PLACE[1] - info.origin.position.y) / info.resolution)

    markers = world.until(lambda: world.heard["objects"], world.see)[-1].markers

    assert next(m.text for m in markers if m.text).startswith("person 7\n4.")
    assert all(m.lifetime.sec or m.lifetime.nanosec for m in markers[1:])
    assert grid.header.frame_id == cloud.header.frame_id == "base_link"
    assert cells[row, column] == 100
    assert {-1, 0, 100} <= set(np.unique(cells).tolist())
    points = np.frombuffer(bytes(cloud.data), "<f4").reshape(-1, 3)
    assert np.hypot(points[:, 0] - PLACE[0] - 0.2, points[:, 1] - PLACE[1]).min() < 0.2


@pytest.mark.parametrize("world", [{"depth": True, "wait": 0.05}], indirect=True)
def test_depth_of_a_wrong_kind_is_refused_by_name_and_the_floor_still_measures(world):
    def wrong():
        world.see()
        message = image_message(np.zeros((240, 320), np.uint8), "mono8", world.header())
        world.send(Image, "depth/image", message)

    world.mount()
    found = world.until(lambda: world.heard["detections_3d"], wrong)

    assert found[-1].detections[0].results[0].pose.pose.position.x == pytest.approx(
        PLACE[0], abs=0.4
    )
    values = {
        v.key: v.value
        for m in world.until(lambda: world.heard["/diagnostics"], wrong)
        for s in m.status
        for v in s.values
    }
    assert "refused" in values


@pytest.mark.parametrize("position", [(0.2, 0.0, 0.0), (200.0, 0.0, 1200.0), (math.nan, 0.0, 1.2)])
def test_a_camera_that_is_not_above_the_floor_is_refused_at_the_start(position):
    with pytest.raises(ConfigError, match=r"camera_position.*in metres, up to 50"):
        LinkConfig(camera_position=position)
    assert LinkConfig(camera_position=(0.2, 0.0, 1.2)).mounting() == Mounting((0.2, 0.0, 1.2))
    assert LinkConfig().mounting() is None


FIXED = {"camera_position": [0.2, 0.0, 1.2], "camera_rpy_deg": [0.0, 12.0, 0.0], "wait": 0.05}


@pytest.mark.parametrize("world", [FIXED], indirect=True)
def test_boxes_of_an_image_of_another_size_are_not_measured(world):
    def see(height=480, width=640):
        status = PerceptionStatus(source_height=height, source_width=width)
        world.see(mask=False)
        status.header = world.header()
        world.send(PerceptionStatus, "perception/status", status)

    world.until(lambda: world.node.count_publishers("/r/perception/status"), see)
    world.heard["detections_3d"].clear()
    world.until(lambda: any("640x480" in text for text in world.reason()), see)
    assert world.heard["detections_3d"] == []

    found = world.until(lambda: world.heard["detections_3d"], lambda: see(240, 320))
    at = found[-1].detections[0].results[0].pose.pose.position
    assert at.x == pytest.approx(PLACE[0], abs=0.4)


@pytest.mark.parametrize("world", [{**FIXED, "wait": 1.0}], indirect=True)
def test_a_refused_result_takes_no_other_along(world):
    world.until(lambda: world.node.count_publishers("/r/label_info"))
    world.until(
        lambda: world.node._labels and world.node._intrinsics, lambda: world.see(mask=False)
    )
    before = world.node._counts["results"]
    wrong = Detections(
        np.array([[5, 5, 20, 20]], np.float32), np.ones(1, np.float32), np.ones(1, int)
    )
    other = labels_of(["background", "crane"])
    messages = [
        Moment(1, detection_array(wrong, other, world.header(), "name")),
        Moment(2, detection_array(Detections(), LABELS, world.header(), "name")),
        Moment(3, detection_array(Detections(), LABELS, world.header(), "name")),
    ]
    refused = world.node._counts["refused"]
    world.node._publish_all(messages)
    assert world.node._counts["results"] == before + 2
    assert world.node._counts["refused"] == refused + 1


@pytest.mark.parametrize("world", [FIXED], indirect=True)
def test_parameters_take_effect_while_the_node_runs(world):
    def answers():
        return [len(m.detections) for m in world.heard["detections_3d"]]

    world.until(lambda: 1 in answers(), lambda: world.see(mask=False))
    for name, value in (("max_range", 1.0), ("wait", 0.2), ("depth_tolerance", 0.01)):
        (answer,) = world.node.set_parameters([Parameter(name, value=value)])
        assert answer.successful, answer.reason
    world.heard["detections_3d"].clear()
    world.until(lambda: len(answers()) > 2, lambda: world.see(mask=False))
    assert not any(answers()[1:])
    periods = sorted(timer.timer_period_ns for timer in world.node.timers)
    assert periods == [100_000_000, 1_000_000_000]


def state_of(world):
    return {v.key: v.value for m in world.heard["/diagnostics"] for s in m.status for v in s.values}


@pytest.mark.parametrize("world", [{**FIXED, "depth": True}], indirect=True)
def test_depth_of_another_camera_is_not_used(world):
    def see():
        world.see(depth=None)
        other = world.header()
        other.frame_id = "rear"
        world.send(Image, "depth/image", depth_message(np.full((240, 320), 9.0), "16UC1", other))

    world.until(lambda: any("'rear'" in text for text in world.reason()), see)
    values = state_of(world)
    assert values["by_depth"] == "0" and int(values["without_depth"]) > 0
    at = world.heard["detections_3d"][-1].detections[0].results[0].pose.pose.position
    assert at.x == pytest.approx(PLACE[0], abs=0.4)


@pytest.mark.parametrize("world", [FIXED], indirect=True)
def test_a_calibration_of_another_camera_is_not_used(world):
    world.until(
        lambda: world.node._labels and world.node._intrinsics, lambda: world.see(mask=False)
    )
    info = CameraInfo(header=world.header(), height=240, width=320)
    info.header.frame_id = "rear"
    info.k = [300.0, 0.0, 160.0, 0.0, 300.0, 120.0, 0.0, 0.0, 1.0]
    world.node._on_camera_info(info)
    before = world.node._counts["skipped"]
    world.node._publish(Moment(1, detection_array(Detections(), LABELS, world.header(), "name")))

    assert world.node._counts["skipped"] == before + 1
    (why,) = world.node._health.problems()
    assert "'rear'" in why and "'optical'" in why


def status(**changes):
    given = {"source_height": 240, "source_width": 320, "classes": list(LABELS.names)}
    return PerceptionStatus(**given, mask_classes=list(LABELS.foreground), **changes)


@pytest.mark.parametrize("world", [FIXED], indirect=True)
@pytest.mark.parametrize("class_id_as", ["name", "id"])
def test_a_result_is_measured_by_its_own_classes(world, class_id_as):
    """When the model is switched, its label_info comes before the last results of the old one."""
    world.until(
        lambda: world.node._labels and world.node._intrinsics, lambda: world.see(mask=False)
    )
    box = np.array([[140, 60, 180, 180]], np.float32)
    found = Detections(box, np.array([0.9], np.float32), np.array([PERSON], np.int32))
    measured = []
    for labels in (LABELS, labels_of(("background", "person", "rail", "forklift"))):
        world.node._labels = labels
        moment = Moment(
            1,
            detection_array(found, LABELS, world.header(), class_id_as),
            status=status(),
        )
        world.node._publish(moment)
        measured.append((world.node._ranger.labels, world.node._health.problems()))
    assert measured == [(LABELS, [])] * 2


@pytest.fixture
def impatient(monkeypatch):
    """A silence counts after a second."""
    monkeypatch.setattr(silence, "_SILENCE", 1.0)
    monkeypatch.setattr(silence, "_FIRST_MESSAGE", 1.0)


@pytest.mark.parametrize("world", [FIXED], indirect=True)
def test_an_input_that_ends_is_an_error(impatient, world):
    world.until(lambda: len(world.heard["detections_3d"]) > 2, world.see)
    world.until(lambda: "measuring" in world.reason(), world.see)
    world.heard["/diagnostics"].clear()
    world.until(lambda: any("nothing on /r/detections" in text for text in world.reason()))
    assert world.heard["/diagnostics"][-1].status[0].level == DiagnosticStatus.ERROR


@pytest.mark.parametrize("world", [{**FIXED, "depth": True}], indirect=True)
@pytest.mark.parametrize("missing", ["segmentation/mask", "depth/image"])
def test_an_input_that_never_comes_is_a_warning(impatient, world, missing):
    def see():
        world.see(mask="mask" not in missing, depth="depth" not in missing)

    world.until(lambda: any(f"nothing on /r/{missing}" in text for text in world.reason()), see)
    assert world.heard["/diagnostics"][-1].status[0].level == DiagnosticStatus.WARN
    assert world.heard["detections_3d"]


@pytest.mark.parametrize("world", [FIXED], indirect=True)
def test_what_is_not_checked_without_a_status_is_told(world):
    world.until(lambda: "measuring" in world.reason(), world.see)
    assert "size and health" in state_of(world)["unchecked"]


OWN = labels_of(["background", "rail", "worker", "agv"])


@pytest.mark.parametrize(
    ("world", "measured", "said"),
    [
        (FIXED, 0, "not measured: worker, agv. Say in class_shapes"),
        ({**FIXED, "class_shapes": ["worker=person", "agv=forklift"]}, 1, "measuring"),
        (
            {**FIXED, "class_shapes": ["worker=person", "agw=forklift"]},
            1,
            "class_shapes: expected classes of rail, worker, agv, got agw",
        ),
    ],
    indirect=["world"],
    ids=["without shapes", "with shapes", "with a misspelt name"],
)
def test_classes_of_any_name_are_obstacles(world, measured, said):
    world.labels = OWN
    world.send(LabelInfo, "label_info", label_info(OWN, 0.3, Header()), LATCHED)
    world.until(
        lambda: world.heard["obstacles"] and any(said in text for text in world.reason()), world.see
    )
    assert world.heard["obstacles"][-1].width > 0
    assert 100 in world.heard["floor"][-1].data
    assert len(world.heard["detections_3d"][-1].detections) == measured


@pytest.mark.parametrize("world", [FIXED], indirect=True)
@pytest.mark.parametrize(
    ("changes", "free", "said"),
    [
        ({}, True, ""),
        ({"image_health": "frozen"}, None, "the camera's image can't be relied on: frozen"),
        ({"mask_classes": ["rail"]}, False, "not trained for masks of person, forklift"),
    ],
    ids=["good", "frozen", "masks of rails"],
)
def test_the_floor_is_free_only_where_the_mask_could_show_objects(world, changes, free, said):
    def see():
        message = status()
        for key, value in changes.items():
            setattr(message, key, value)
        world.see()
        message.header = world.header()
        world.send(PerceptionStatus, "perception/status", message)

    world.until(lambda: world.node.count_publishers("/r/perception/status"), see)
    for heard in world.heard.values():
        heard.clear()
    if free is None:
        world.until(lambda: any(said in text for text in world.reason()), see)
        assert not world.heard["floor"] and not world.heard["detections_3d"]
        return
    world.until(lambda: len(world.heard["floor"]) > 2 and len(world.heard["/diagnostics"]) > 1, see)
    assert (0 in world.heard["floor"][-1].data) is free
    assert 100 in world.heard["floor"][-1].data
    assert said in state_of(world)["floor_not_free"]


DEPTH = {**FIXED, "depth": True}


@pytest.mark.parametrize("world", [DEPTH], indirect=True)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scale": 0.0}, "all values are 0, NaN or infinite: is the sensor covered or off?"),
        ({"scale": math.nan, "encoding": "32FC1"}, "all values are 0, NaN or infinite"),
        ({"scale": 1000.0, "encoding": "32FC1"}, "expected millimetres in 16UC1, metres in 32FC1"),
        ({"scale": 0.001}, "expected millimetres in 16UC1, metres in 32FC1"),
        ({"offset_ms": -300}, "the nearest depth is -0.300 s off the image"),
    ],
    ids=["zeros", "NaN", "millimetres as floats", "metres as integers", "another clock"],
)
def test_depth_that_measures_nothing_is_told_and_the_floor_measures(world, changes, said):
    world.until(
        lambda: said in "".join(world.reason()) and len(world.heard["detections_3d"]) > 2,
        lambda: world.see(depth=True, **changes),
    )
    assert world.heard["/diagnostics"][-1].status[0].level == DiagnosticStatus.WARN
    at = world.heard["detections_3d"][-1].detections[0].results[0].pose.pose.position
    assert (at.x, at.y) == pytest.approx(PLACE, abs=0.3)
    assert state_of(world)["by_depth"] == "0"
    is_unusable = "scale" in changes
    assert (int(state_of(world)["depth_unusable"]) > 0) is is_unusable

    world.heard["/diagnostics"].clear()
    world.until(lambda: "measuring" in world.reason(), lambda: world.see(depth=True))


@pytest.mark.parametrize("world", [FIXED], indirect=True)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"k": [0.0] * 9},
            "/r/camera_info: Expected positive focal lengths in K of camera_info, got zeros",
        ),
        ({"d": [math.nan] * 5}, "/r/camera_info: Expected an image size, positive focal lengths"),
        ({"binning_x": 2}, "/r/camera_info: camera_info has binning"),
    ],
    ids=["zeros", "NaN", "binning"],
)
def test_a_calibration_that_can_t_be_used_is_an_error_with_its_reason(world, changes, said):
    world.until(lambda: len(world.heard["detections_3d"]) > 1, world.see)
    world.until(lambda: said in "".join(world.reason()), lambda: world.see(**changes))
    assert world.heard["/diagnostics"][-1].status[0].level == DiagnosticStatus.ERROR
    skipped = int(state_of(world)["skipped"])
    assert skipped > 0

    world.heard["/diagnostics"].clear()
    world.until(lambda: "measuring" in world.reason(), world.see)


@pytest.mark.parametrize("world", [FIXED], indirect=True)
@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.full((240, 320), 7, np.uint8), "class ids below 4 or 255, got 7"),
        (np.zeros((320, 240), np.uint8), "a mask of the 320x240 image, got one of 240x320"),
    ],
    ids=["other classes", "another shape"],
)
def test_a_mask_of_another_camera_or_model_frees_no_floor(world, mask, said):
    world.until(
        lambda: said in "".join(world.reason()) and len(world.heard["floor"]) > 2,
        lambda: world.see(mask=mask),
    )
    assert not any(0 in grid.data for grid in world.heard["floor"])
    assert 100 in world.heard["floor"][-1].data
    assert world.heard["/diagnostics"][-1].status[0].level == DiagnosticStatus.WARN
    assert int(state_of(world)["without_mask"]) > 0


@pytest.mark.parametrize("world", [{**FIXED, "use_sim_time": True}], indirect=True)
def test_a_clock_of_before_0_is_ignored(world):
    world.node._time_source.clock_callback(Clock(clock=Time(sec=-5)))
    assert world.node.get_clock().now().nanoseconds == 0


@pytest.mark.parametrize("world", [FIXED], indirect=True)
def test_two_publishers_of_detections_are_told(world):
    second = world.tester.create_publisher(Detection2DArray, "detections", 10)

    def see():
        world.see()
        second.publish(detection_array(Detections(), LABELS, world.header(), "name"))

    world.until(lambda: any("2 publishers take turns" in text for text in world.reason()), see)
    assert world.heard["/diagnostics"][-1].status[0].level == DiagnosticStatus.WARN


@pytest.mark.parametrize("world", [FIXED], indirect=True)
def test_a_floor_map_that_takes_seconds_is_refused(world):
    changes = {"floor_length": 50.0, "floor_width": 50.0, "floor_cell": 0.02}
    answer = world.node.set_parameters_atomically(
        [Parameter(name, value=value) for name, value in changes.items()]
    )
    assert not answer.successful
    assert "at most 1000000 cells, got 2500x2500; take larger cells" in answer.reason
    largest = [
        Parameter(name, value=value) for name, value in {**changes, "floor_cell": 0.05}.items()
    ]
    assert world.node.set_parameters_atomically(largest).successful


@pytest.mark.parametrize("world", [FIXED], indirect=True)
def test_results_that_are_lost_while_the_node_is_busy_are_counted(world):
    world.until(lambda: len(world.heard["detections_3d"]) > 1, world.see)
    if "lost" not in state_of(world):
        world.until(lambda: state_of(world), world.see)
    for _ in range(30):  # The queue of the node is shorter, and nothing takes messages out.
        world.see()
    world.heard["/diagnostics"].clear()
    world.until(lambda: int(state_of(world).get("lost", 0)) > 0, world.see)


@pytest.mark.parametrize("world", [FIXED], indirect=True)
def test_another_node_of_the_same_name_is_told(world):
    world.until(lambda: "measuring" in world.reason(), world.see)
    twin = RangingNode(context=world.context, namespace="/r")
    said = "2 nodes of the name /r/ranging publish on /r/detections_3d"
    world.until(lambda: any(said in text for text in world.reason()), world.see)
    assert world.heard["/diagnostics"][-1].status[0].level == DiagnosticStatus.WARN
    twin.destroy_node()
    world.heard["/diagnostics"].clear()
    world.until(lambda: "measuring" in world.reason(), world.see)


def test_a_pose_from_tf_needs_its_messages(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", None)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=os.getpid() % 100 + 1)
    with pytest.raises(ConfigError, match=r"tf2_msgs .*camera_position of ranging_node"):
        RangingNode(context=context)
    context.try_shutdown()
