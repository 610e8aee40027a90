"""A scripted perception for the zones node: people walk in a known world, boxes come from OpenCV's
projection.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import yaml

try:
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import CameraInfo, Image, PointCloud2
    from std_msgs.msg import Header
    from vision_msgs.msg import Detection2DArray
    from visualization_msgs.msg import MarkerArray

    from mtv_perception.labels import WAREHOUSE
    from mtv_perception.msg import PerceptionStatus, ZoneStateArray
    from mtv_perception.ros.conversions import detection_array, image_message, stamp_ns
    from mtv_perception.ros.process.processes import TRANSPORT, start_node, stop_node
    from mtv_perception.ros.qos import newest_only
    from mtv_perception.ros.zones.node import ZonesNode
    from mtv_perception.types import Detections
except ImportError:  # The test modules skip themselves and say why.
    rclpy = None

WAIT = 60.0
K = np.array([[525.0, 0, 318.2], [0, 523.0, 241.7], [0, 0, 1]])
DISTORTION = np.array([-0.21, 0.06, 0.0006, -0.0004, -0.005])
POSITION, PITCH_DEG = (0.3, 0.0, 1.2), 20.0
STOP = [[1.5, -0.6], [4.0, -0.6], [4.0, 0.6], [1.5, 0.6]]
PERSON = 2
ONE_BOX = (np.ones((1, 4), np.float32), np.ones(1, np.float32), np.ones(1, np.int32))
_serial = itertools.count()


def person_box(x: float, y: float, height: float = 1.75, width: float = 0.5) -> list[float]:
    """The box around a person on the floor, in pixels (edges); OpenCV puts integers on pixel
    centres.
    """
    pitch = np.deg2rad(PITCH_DEG)
    forward = np.array([np.cos(pitch), 0, -np.sin(pitch)])
    right = np.array([0.0, -1.0, 0.0])
    rotation = np.stack([right, np.cross(forward, right), forward])
    corners = np.array([[x, y + side * width / 2, z] for side in (-1, 1) for z in (0.0, height)])
    pixels = cv2.projectPoints(
        corners, cv2.Rodrigues(rotation)[0], -rotation @ np.array(POSITION), K, DISTORTION
    )[0][:, 0]
    low, high = pixels.min(0) + 0.5, pixels.max(0) + 0.5
    return np.clip([*low, *high], 0, [640, 480, 640, 480]).tolist()


def zones_file(folder: Path, **changes) -> Path:
    """A zones file with one floor zone."""
    zone = {"name": "stop", "polygon": STOP, **changes.pop("zone", {})}
    camera = {
        "floor_frame": "base_link",
        "position": list(POSITION),
        "rpy_deg": [0, PITCH_DEG, 0],
        "zones": [zone],
        **changes.pop("camera", {}),
    }
    path = folder / f"zones_{next(_serial)}.yaml"
    path.write_text(yaml.safe_dump({"cameras": [camera], **changes}), encoding="utf-8")
    return path


def status_message(header, labels=None, size_hw=(480, 640), **changes):
    """What a healthy perception says about one result."""
    names = list((labels or WAREHOUSE).names)
    values = {
        "header": header,
        "source_height": size_hw[0],
        "source_width": size_hw[1],
        "model_hash": "0123abcd",
        "classes": names,
        "score_thresholds": [1.0] + [0.3] * (len(names) - 1),
        "model_thresholds": [1.0] + [0.3] * (len(names) - 1),
        "box_classes": names[1:],
        "mask_classes": names[1:],
        "epoch": 1,
    }
    return PerceptionStatus(**values | changes)


class Hosted:
    """A zones node inside of the test's process, with a DDS participant and a thread of its own."""

    def __init__(self, domain: int, namespace: str, parameters: dict) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = ZonesNode(
            context=self._context, namespace=namespace, parameter_overrides=overrides
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._stopping = self._held = False
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stopping:
            if self._held:
                time.sleep(0.01)
            else:
                self._executor.spin_once(timeout_sec=0.1)

    def hold(self, held: bool = True) -> None:
        """Let no callback run, as in a process that hangs, or let them run again."""
        self._held = held

    def poll(self):
        """None while it runs, as a process'."""
        return None if self._thread.is_alive() else 1

    def set(self, **values):
        """Set parameters as a service call does; the results."""
        changes = [Parameter(name, value=value) for name, value in values.items()]
        return self.node.set_parameters(changes)

    def stop(self) -> None:
        """End it."""
        self._stopping = True
        self._thread.join(5)
        self._executor.shutdown()
        self.node.close()
        self.node.destroy_node()
        self._context.try_shutdown()


class Stage:
    """A zones node in its own process, a scripted perception, and everything the node says with
    time of arrival.
    """

    def __init__(self, context, domain: int, folder: Path) -> None:
        self.namespace = f"/zones_test_{os.getpid()}_{next(_serial)}"
        self.domain, self.folder, self.process, self._log = domain, folder, None, None
        self.node = rclpy.create_node("stage", namespace=self.namespace, context=context)
        self.zones, self.clouds, self.diagnostics, self.markers = [], [], [], []
        self._others, self._calibration = [], None
        self.changed = threading.Condition()
        deep = QoSProfile(depth=1000)
        listen = self.node.create_subscription
        listen(ZoneStateArray, "zones/zones", self._keeper(self.zones), deep)
        listen(PointCloud2, "zones/points", self._keeper(self.clouds), deep)
        listen(MarkerArray, "zones/markers", self._keeper(self.markers), deep)
        listen(DiagnosticArray, "/diagnostics", self._keeper(self.diagnostics), deep)
        publish = self.node.create_publisher
        self.status = publish(PerceptionStatus, "perception/status", 5)
        self._info = publish(CameraInfo, "camera_info", newest_only("reliable"))
        self._mask = publish(Image, "segmentation/mask", newest_only("best_effort"))
        self.detections = publish(Detection2DArray, "detections", 5)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._stopping = False
        self._thread.start()

    def _spin(self) -> None:
        while not self._stopping:
            self._executor.spin_once(timeout_sec=0.1)

    def _keeper(self, kept: list):
        def keep(message) -> None:
            with self.changed:
                kept.append((self.now(), message))
                self.changed.notify_all()

        return keep

    def now(self) -> int:
        """The ROS time, nanoseconds."""
        return self.node.get_clock().now().nanoseconds

    def host(self, file: Path | str, **parameters):
        """Start the node under test inside of this process."""
        self.process = Hosted(self.domain, self.namespace, {"zones_file": str(file), **parameters})
        return self.process

    def start(self, file: Path | str, **parameters):
        """Start the node under test."""
        self._log = self.folder / f"zones_{next(_serial)}.log"
        self.process = start_node(
            "zones_node",
            {"zones_file": str(file), **parameters},
            remap={"__ns": self.namespace},
            environment={"ROS_DOMAIN_ID": str(self.domain), "ROS_LOG_DIR": str(self.folder)},
            output=self._log.open("w", encoding="utf-8"),
        )
        return self.process

    def log(self) -> str:
        """What the node has printed."""
        return self._log.read_text(encoding="utf-8") if self._log else ""

    def wait(self, condition, what: str, meanwhile=None):
        """What `condition()` returns once it is true; `meanwhile` is called ten times a second."""
        end = time.monotonic() + WAIT
        while not (found := condition()):
            assert time.monotonic() < end, f"{what}: not within {WAIT:.0f} s\n{self.log()}"
            assert self.process.poll() is None, f"{what}: the node has ended\n{self.log()}"
            if meanwhile:
                if self._calibration is not None:
                    self._info.publish(self._calibration)
                meanwhile()
            with self.changed:
                self.changed.wait(0.1 if meanwhile else 0.02)
        return found

    def introduce(self, binning: int = 0) -> None:
        """Send a calibration once the node listens; one with binning can't be used."""
        self.wait(self.detections.get_subscription_count, "a subscription of detections")
        self.wait(self.status.get_subscription_count, "a subscription of the status")
        self.wait(lambda: self.zones, "a first message")
        self.calibrate(binning_x=binning, binning_y=binning)

    @property
    def calibration(self):
        """What was sent last on camera_info."""
        return self._calibration

    def calibrate(self, **changes) -> None:
        """Send a calibration, changed in some fields, once the node listens.

        `wait` sends it again beside what happens meanwhile, as a camera does: the node may find this
        publisher later than this publisher finds the node, and what was sent between is lost.
        """
        self.wait(self._info.get_subscription_count, "a subscription of camera_info")
        values = {"height": 480, "width": 640, "distortion_model": "plumb_bob"}
        values |= {"d": DISTORTION.tolist(), "k": K.reshape(-1)}
        self._calibration = CameraInfo(**values | changes)
        self._info.publish(self._calibration)

    def publish_elsewhere(self, kind, topic: str, qos=5):
        """A publisher in a participant of its own, where a topic may have another type."""
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=self.domain)
        node = rclpy.create_node("other", namespace=self.namespace, context=context)
        publisher = node.create_publisher(kind, topic, qos)
        self._others.append((node, context, publisher))
        return publisher

    def leave(self, publisher) -> None:
        """End the participant of a publisher that was made elsewhere."""
        item = next(item for item in self._others if item[2] is publisher)
        self._others.remove(item)
        item[0].destroy_node()
        item[1].try_shutdown()

    def header(self, stamp: int) -> Header:
        """Of a camera image."""
        header = Header(frame_id="camera_optical")
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, 1_000_000_000)
        return header

    def see(self, people=(), stamp=None, class_id=PERSON, as_="name", labels=None, **status) -> int:
        """Publish detections of people at floor points as of now, and their status; the stamp."""
        stamp = self.now() if stamp is None else stamp
        labels, header = labels or WAREHOUSE, self.header(stamp)
        boxes = np.array([person_box(*person) for person in people], np.float32).reshape(-1, 4)
        count = len(boxes)
        found = Detections(
            boxes, np.full(count, 0.9, np.float32), np.full(count, class_id, np.int32)
        )
        self.detections.publish(detection_array(found, labels, header, as_))
        if status.pop("publish_status", True):
            self.status.publish(status_message(header, labels, **status))
        return stamp

    def see_mask(self, mask: np.ndarray, stamp: int) -> None:
        """Publish a mask."""
        self._mask.publish(image_message(mask, "mono8", self.header(stamp)))

    def states(self, start: int = 0) -> list:
        """Time of arrival and only zone of every message from `start` on, as `(received,
        state)`.
        """
        with self.changed:
            return [(at, message.zones[0]) for at, message in self.zones if at >= start]

    def last(self):
        """The last state, or None."""
        states = self.states()
        return states[-1][1] if states else None

    def is_now(self, word: str) -> bool:
        """Whether the last state is free, occupied or unknown."""
        state = self.last()
        return state is not None and word == meaning(state)

    def make(self, word: str, people=()) -> None:
        """Show people until the zone is free, occupied or unknown."""
        self.wait(lambda: self.is_now(word), word, lambda: self.see(people))

    def close(self) -> None:
        """End process and client."""
        if isinstance(self.process, Hosted):
            self.process.stop()
        elif self.process:
            stop_node(self.process)
        self._stopping = True
        self._thread.join(5)
        self._executor.shutdown()
        self.node.destroy_node()
        for _, _, publisher in list(self._others):
            self.leave(publisher)


def detection_of_class(class_id: str, header):
    """A message with one box of a class."""
    message = detection_array(Detections(*ONE_BOX), WAREHOUSE, header)
    message.detections[0].results[0].hypothesis.class_id = class_id
    return message


def meaning(state) -> str:
    """The word for a ZoneState."""
    return "unknown" if not state.valid else "occupied" if state.occupied else "free"


@pytest.fixture(scope="session")
def ros_zones(ros_domain):
    """An rclpy context in a domain that no other test process of this machine uses."""
    os.environ.update({key: os.environ.get(key, value) for key, value in TRANSPORT.items()})
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    yield SimpleNamespace(context=context, domain=ros_domain)
    context.try_shutdown()


@pytest.fixture
def stage(ros_zones, tmp_path):
    """A stage without a node yet."""
    made = Stage(ros_zones.context, ros_zones.domain, tmp_path)
    yield made
    made.close()


@pytest.fixture
def tools():
    """The helpers of this file, which tests can't import."""
    return SimpleNamespace(
        zones_file=zones_file,
        meaning=meaning,
        stamp_ns=stamp_ns,
        stamp_ns_of=lambda stamp: stamp.sec * 1_000_000_000 + stamp.nanosec,
        person_box=person_box,
        detection_of_class=detection_of_class,
        stop=STOP,
        status_message=status_message,
        array=lambda found, header: detection_array(found, WAREHOUSE, header, "name"),
    )
