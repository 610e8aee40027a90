"""A listener in a ROS domain of its own; the nodes under test run as processes over real DDS."""

import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtv_perception.errors import ArtefactError
from mtv_perception.runtime.models import find_model

DEADLINE = 90.0
BEGIN_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000


@pytest.fixture(scope="session")
def model():
    """A model folder: MTV_TEST_MODEL, or the one that comes with the package."""
    try:
        return os.environ.get("MTV_TEST_MODEL") or str(find_model("warehouse"))
    except ArtefactError as error:
        pytest.skip(f"no model to run: {error}")


class Stage:
    """Starts nodes, listens, and waits."""

    def __init__(self, domain, folder):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        from mtv_perception.ros.process.processes import TRANSPORT

        os.environ.update({key: os.environ.get(key, value) for key, value in TRANSPORT.items()})
        self.domain, self.folder, self.processes = domain, folder, []
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("listener", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def start(self, name, remap=None, **parameters):
        from mtv_perception.ros.process.processes import start_node

        log = (self.folder / f"{name}.log").open("w")
        environment = {"ROS_DOMAIN_ID": str(self.domain), "ROS_LOG_DIR": str(self.folder)}
        process = start_node(name, parameters, remap=remap, environment=environment, output=log)
        self.processes.append((process, log))
        return process

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def listen(self, kind, topic, depth=500, reliability="reliable"):
        from mtv_perception.ros.qos import newest_only

        qos = newest_only(reliability)
        qos.depth = depth
        heard = []
        self.node.create_subscription(kind, topic, heard.append, qos)
        return heard

    def wait(self, condition, what):
        end = time.monotonic() + DEADLINE
        while not (found := condition()):
            texts = {
                Path(log.name).name: Path(log.name).read_text()[-2000:] for _, log in self.processes
            }
            assert time.monotonic() < end, f"{what}: not within {DEADLINE:.0f} s; {texts}"
            for _ in range(20):
                self.executor.spin_once(timeout_sec=0.01)
        return found

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, kind, service, request):
        client = self.node.create_client(kind, service)
        self.wait(client.service_is_ready, service)
        future = client.call_async(request)
        self.wait(future.done, f"answer of {service}")
        return future.result()

    def stop(self, process):
        from mtv_perception.ros.process.processes import stop_node

        return stop_node(process)

    def close(self):
        for process, log in reversed(self.processes):
            self.stop(process)
            log.close()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def stage(ros_domain, tmp_path):
    pytest.importorskip("rclpy", reason="needs a ROS 2")
    stage = Stage(ros_domain, tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def write_images(tmp_path):
    """A function that writes a bag of twelve images of the demo clip, a tenth of a second apart.

    `order` tells which moments its images have, one after the other.
    """
    pytest.importorskip("rosbags")
    from mtv_perception.bags.reader import RAW
    from mtv_perception.bags.writer import BagWriter
    from mtv_perception.messages.typestore import builder

    def write(order=range(12)):
        clip = Path(__file__).resolve().parents[3] / "docs" / "media" / "people.mp4"
        capture, build = cv2.VideoCapture(str(clip)), builder()
        with BagWriter(tmp_path / "images") as bag:
            for index, moment in enumerate(order):
                _, image = capture.read()
                header = build.header(BEGIN_NS + moment * PERIOD_NS, "front_camera")
                message = build.image(np.ascontiguousarray(image), "bgr8", header)
                bag.write("/image", RAW, BEGIN_NS + index * PERIOD_NS, message)
        return tmp_path / "images"

    return write


@pytest.fixture
def image_bag(write_images):
    """A bag of images in order."""
    return write_images()
