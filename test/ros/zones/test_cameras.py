"""Two cameras in one zones node: each has its topics, and says nothing about the other."""

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2")

from sensor_msgs.msg import PointCloud2
from vision_msgs.msg import Detection2DArray

from mtv_perception.msg import PerceptionStatus
from mtv_perception.types import Detections

LENS = {"size_hw": [480, 640], "k": [525.0, 0, 318.2, 0, 523.0, 241.7, 0, 0, 1]}


@pytest.fixture
def file(tools, tmp_path):
    def camera(name):
        return {
            "name": name,
            "position": [0.3, 0.0, 1.2],
            "rpy_deg": [0, 20, 0],
            "floor_frame": f"{name}_base",
            "intrinsics": LENS,
            "zones": [{"name": f"{name}_stop", "polygon": tools.stop}],
        }

    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump({"cameras": [camera("front"), camera("rear")], "deadline": 0.6}))
    return path


class Eye:
    """What perception publishes of one camera."""

    def __init__(self, stage, tools, name):
        self._stage, self._tools, publish = stage, tools, stage.node.create_publisher
        self.detections = publish(Detection2DArray, f"{name}/detections", 5)
        self.status = publish(PerceptionStatus, f"perception/{name}/status", 5)
        self.clouds = []
        stage.node.create_subscription(PointCloud2, f"zones/{name}/points", self.clouds.append, 100)

    def see(self, *people):
        header = self._stage.header(self._stage.now())
        boxes = np.array([self._tools.person_box(*at) for at in people], np.float32).reshape(-1, 4)
        count = len(boxes)
        found = Detections(boxes, np.ones(count, np.float32), np.full(count, 2, np.int32))
        self.detections.publish(self._tools.array(found, header))
        self.status.publish(self._tools.status_message(header))


def test_each_camera_speaks_for_its_own_zones(stage, tools, file):
    front, rear = (Eye(stage, tools, name) for name in ("front", "rear"))
    stage.host(file)
    for eye in (front, rear):
        stage.wait(eye.status.get_subscription_count, "a subscription")
        stage.wait(eye.detections.get_subscription_count, "a subscription")

    def words():
        return [tools.meaning(zone) for zone in stage.zones[-1][1].zones] if stage.zones else []

    def both(*people):
        front.see(*people)
        rear.see()

    stage.wait(lambda: words() == ["free", "free"], "both free", both)
    stage.wait(lambda: words() == ["occupied", "free"], "front occupied", lambda: both((3.0, 0.0)))
    stage.wait(lambda: words() == ["unknown", "free"], "front silent", rear.see)
    assert stage.zones[-1][1].zones[0].reason and not stage.zones[-1][1].zones[1].reason
    assert [zone.name for zone in stage.zones[-1][1].zones] == ["front_stop", "rear_stop"]
    stage.wait(lambda: words() == ["free", "free"], "both free", both)
    assert {cloud.header.frame_id for cloud in front.clouds} == {"front_base"}
    assert {cloud.header.frame_id for cloud in rear.clouds} == {"rear_base"}

    def titles():
        return {status.name.rsplit(": ")[-1] for _, m in stage.diagnostics for status in m.status}

    stage.wait(lambda: {"front", "rear"} <= titles(), "diagnostics of both")


def test_another_node_of_the_same_name_is_an_error(stage, tools, tmp_path):
    first = stage.host(tools.zones_file(tmp_path))
    other = tools.zones_file(tmp_path, zone={"polygon": [[1.5, -0.3], [2.0, -0.3], [2.0, 0.3]]})
    stage.introduce()
    stage.make("free")
    twin = type(first)(stage.domain, stage.namespace, {"zones_file": str(other)})

    def told():
        name = f"{stage.namespace}/zones"
        said = f"2 nodes of the name {name} publish on {name}/zones."
        return [
            status.level
            for _, message in list(stage.diagnostics)
            for status in message.status
            if said in status.message
        ]

    stage.wait(told, "an error", stage.see)
    twin.stop()
    assert set(told()) == {b"\x02"}
    began = stage.now()
    stage.wait(
        lambda: any(
            at > began and message.status[0].message == "watching"
            for at, message in list(stage.diagnostics)
        ),
        "watching again",
        stage.see,
    )
