"""A zones node that nobody spins: the test calls its callbacks and sets its clocks.

No figure in these tests depends on the machine.
"""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

try:
    from rclpy.clock import ClockType
    from rclpy.parameter import Parameter
    from rclpy.publisher import Publisher
    from rclpy.time import Time
    from std_msgs.msg import Header

    from mtv_perception.ros import clock as clock_module
    from mtv_perception.ros import silence as silence_module
    from mtv_perception.ros.conversions import image_message
    from mtv_perception.ros.zones import feed as feed_module
    from mtv_perception.ros.zones import node as node_module
    from mtv_perception.types import Detections
except ImportError:  # The test modules skip themselves and say why.
    pass

S = 1_000_000_000
LENS = {"size_hw": [480, 640], "k": [525.0, 0, 318.2, 0, 523.0, 241.7, 0, 0, 1]}
_serial = itertools.count()


class ByHand:
    """A zones node whose callbacks are called by the test, and what it has published."""

    def __init__(self, context, tools, monkeypatch, folder):
        self.context, self._tools, self._folder = context, tools, folder
        self.steady, self.ros_ns, self.sent, self.node = 100.0, 1000 * S, [], None
        self.gid_of = lambda topic: b"p" * 16
        for module in (clock_module, feed_module, node_module, silence_module):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.steady))
        publish = Publisher.publish

        def keep(publisher, message):
            self.sent.append((publisher.topic_name, message))
            publish(publisher, message)

        monkeypatch.setattr(Publisher, "publish", keep)

    def file(self, *cameras, **timing):
        """A zones file; each camera is given by what differs from the usual one."""
        usual = {"position": [0.3, 0.0, 1.2], "rpy_deg": [0, 20, 0], "intrinsics": LENS}
        made = [{**usual, "zones": [{"name": "stop"}], **camera} for camera in cameras or [{}]]
        zone = {"polygon": self._tools.stop, "leave_results": 1, "leave_seconds": 0.0}
        for camera in made:
            camera["zones"] = [{**zone, **changes} for changes in camera["zones"]]
        path = self._folder / f"zones_{next(_serial)}.yaml"
        path.write_text(yaml.safe_dump({"cameras": made, **timing}), encoding="utf-8")
        return str(path)

    def start(self, *cameras, parameters=(), **timing):
        """Make the node."""
        values = {"zones_file": self.file(*cameras, **timing), **dict(parameters)}
        self.node = node_module.ZonesNode(
            context=self.context,
            namespace=f"/by_hand_{next(_serial)}",
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        self.node.get_clock()._set_ros_time_is_active(True)
        self.move_ros_time(0.0)

    def move_ros_time(self, seconds):
        """Let time pass on the ROS clock only."""
        self.ros_ns += round(seconds * S)
        now = Time(nanoseconds=self.ros_ns, clock_type=ClockType.ROS_TIME)
        self.node.get_clock().set_ros_time_override(now)

    def pass_time(self, seconds):
        """Let time pass on every clock."""
        self.steady += seconds
        self.move_ros_time(seconds)

    def tick(self):
        """What the node does several times a period."""
        for timer in list(self.node.timers):
            if timer.timer_period_ns != S:
                timer.callback()

    def wait(self, seconds):
        """Let time pass and tick."""
        self.pass_time(seconds)
        self.tick()

    def use(self, *cameras, **timing):
        """Take another zones file into use, as somebody who sets the parameter does."""
        file = self.file(*cameras, **timing)
        (answer,) = self.node.set_parameters([Parameter("zones_file", value=file)])
        assert answer.successful, answer.reason

    def diagnoses(self):
        """What the node says about its cameras, by their names; empty for the only one."""
        next(timer for timer in self.node.timers if timer.timer_period_ns == S).callback()
        message = next(m for name, m in reversed(self.sent) if name == "/diagnostics")
        own = self.node.get_fully_qualified_name()
        return {item.name.removeprefix(own).removeprefix(": "): item for item in message.status}

    def deliver(self, topic, message):
        """Hand a message to the node, as the executor does."""
        name = f"{self.node.get_namespace()}/{topic}"
        (found,) = [item for item in self.node.subscriptions if item.topic_name == name]
        found.callback(message, {"publisher_gid": {"data": self.gid_of(topic)}})

    def header(self, age=0.01, frame="optical"):
        """Of an image that was taken `age` seconds ago."""
        stamp = self.ros_ns - round(age * S)
        header = Header(frame_id=frame)
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, S)
        return header

    def see(self, *people, camera="", header=None, status=(), mask=None):
        """A result with its status, and a mask where there is one."""
        prefix, header = f"{camera}/" if camera else "", header or self.header()
        boxes = np.array([self._tools.person_box(*at) for at in people], np.float32)
        scores, ids = np.full(len(boxes), 0.9, np.float32), np.full(len(boxes), 2, np.int32)
        found = Detections(boxes.reshape(-1, 4), scores, ids)
        self.deliver(f"{prefix}detections", self._tools.array(found, header))
        told = self._tools.status_message(header, **dict(status))
        self.deliver(f"perception/{prefix}status", told)
        if mask is not None:
            message = image_message(mask, "mono8", header)
            self.deliver(f"{prefix}segmentation/mask", message)

    def messages(self, topic):
        """What was published on a topic of the node."""
        name = f"{self.node.get_fully_qualified_name()}/{topic}"
        return [message for topic_name, message in self.sent if topic_name == name]

    def states(self):
        """The zones of the last message, by name."""
        return {zone.name: zone for zone in self.messages("zones")[-1].zones}

    def words(self):
        """What the last message says of each zone."""
        return {name: self._tools.meaning(zone) for name, zone in self.states().items()}

    def brings(self, act, topic="zones"):
        """The messages that an act brings."""
        before = len(self.messages(topic))
        act()
        return self.messages(topic)[before:]


@pytest.fixture
def by_hand(ros_zones, tools, monkeypatch, tmp_path):
    """A node by hand, not made yet."""
    made = ByHand(ros_zones.context, tools, monkeypatch, tmp_path)
    yield made
    if made.node:
        made.node.destroy_node()
