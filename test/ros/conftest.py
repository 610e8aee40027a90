"""A client of the nodes under test: they run in processes of their own, over real DDS, in a domain
of their own.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mtv_perception.errors import ArtefactError
from mtv_perception.runtime.models import find_model

try:
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from lifecycle_msgs.srv import ChangeState, GetState
    from rcl_interfaces.srv import GetParameters, SetParameters
    from rclpy.duration import Duration
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter
    from rclpy.qos import QoSProfile
    from rclpy.time import Time
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header
    from vision_msgs.msg import Detection2DArray

    from mtv_perception.msg import PerceptionStatus
    from mtv_perception.ros.conversions import image_message, stamp_ns
    from mtv_perception.ros.process.processes import TRANSPORT, start_node, stop_node
    from mtv_perception.ros.qos import newest_only
except ImportError:  # The test modules skip themselves and say why.
    rclpy = None

DEADLINE = 60.0
FRAME_NS = 33_000_000
_serial = itertools.count()


class Graph:
    """A namespace with one perception node, and a node that talks to it.

    Attributes:
        results: detections by stamp; masks, confidence and status likewise.
    """

    def __init__(self, context, domain: int, folder: Path) -> None:
        self.namespace = f"/test_{os.getpid()}_{next(_serial)}"
        self.node = rclpy.create_node("tester", namespace=self.namespace, context=context)
        self.domain, self.folder = domain, folder
        self.release = folder / "release"
        self.process, self.heard, self._arguments = None, {}, None
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._logs, self._clients, self._publishers, self._newest = [], {}, {}, 0

    # The process

    def start(self, name="perception_node", *, remap=None, **parameters):
        """Start a node of the package (or a script) in this namespace; its text goes to a file.

        The images of these tests show nothing, which a perception node would report. It runs LiteRT,
        whose figures are the same on every machine.
        """
        if name == "perception_node" or name.endswith("scripted_node.py"):
            parameters = {"check_images": False, "backend": "litert", **parameters}
        self._arguments = name, parameters, remap
        self._logs.append(
            (self.folder / f"{Path(name).stem}_{next(_serial)}.log").open("w+", encoding="utf-8")
        )
        environment = {
            "ROS_DOMAIN_ID": str(self.domain),
            "ROS_LOG_DIR": str(self.folder),
            "MTV_TEST_RELEASE": str(self.release),
        }
        self.process = start_node(
            name,
            parameters,
            remap={"__ns": self.namespace, **(remap or {})},
            environment=environment,
            output=self._logs[-1],
        )
        return self.process

    def log(self) -> str:
        """What the last started process has printed."""
        return Path(self._logs[-1].name).read_text(encoding="utf-8")

    def close(self) -> None:
        """End the process and the client."""
        self._executor.shutdown()
        self.node.destroy_node()
        for log in self._logs:
            log.close()
        self._stop()

    def _stop(self) -> None:
        self.release.touch()
        if self.process:
            status = stop_node(self.process, DEADLINE)
            assert status == 0, f"The node ended with status {status}.\n{self.log()}"

    def _begin_again(self) -> None:
        """End the process and start it again, with clients that know nothing of the old one."""
        self._stop()
        self.release.unlink()
        for client in self._clients.values():
            self.node.destroy_client(client)
        self._clients.clear()
        name, parameters, remap = self._arguments
        self.start(name, remap=remap, **parameters)

    def start_scripted(self, **parameters):
        """Start a perception node with the network of scripted_node.py."""
        settings = {
            "image_reliability": "reliable",
            "mask_reliability": "reliable",
            "camera_timeout": 3600.0,
            **parameters,
        }
        return self.start(str(Path(__file__).with_name("scripted_node.py")), **settings)

    # Talking

    def wait(self, condition, what: str, deadline: float = DEADLINE, alive: bool = True):
        """Spin until `condition()` is true, and return what it returned."""
        end = time.monotonic() + deadline
        while not (found := condition()):
            assert time.monotonic() < end, f"{what}: not within {deadline:.0f} s.\n{self.log()}"
            died = alive and self.process and self.process.poll() is not None
            assert not died, f"{what}: the node has ended.\n{self.log()}"
            self._executor.spin_once(timeout_sec=0.05)
            for _ in range(8):  # One call is one message, and an image brings several.
                self._executor.spin_once(timeout_sec=0.0)
        return found

    def subscribe(self, kind, topic: str, qos=None) -> list:
        """The messages of a topic, as they come."""
        heard: list = []
        self.heard[topic] = (
            self.node.create_subscription(kind, topic, heard.append, qos or QoSProfile(depth=50)),
            heard,
        )
        return heard

    def call(self, kind, service: str, request):
        """The answer of a service."""
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, service)
        client = self._clients[service]
        try:
            self.wait(client.service_is_ready, f"service {service}")
        except AssertionError:  # Of this test's second try, and of the module's other tests.
            if self.process and self.process.poll() is None:
                self._begin_again()
            raise
        future = client.call_async(request)
        self.wait(future.done, f"answer of {service}")
        return future.result()

    def set_parameters(self, **values) -> SimpleNamespace:
        """Set parameters of the perception node together; the last result."""
        parameters = [
            Parameter(
                name, Parameter.Type.STRING_ARRAY if value == [] else None, value
            ).to_parameter_msg()
            for name, value in values.items()
        ]
        results = self.call(
            SetParameters, "perception/set_parameters", SetParameters.Request(parameters=parameters)
        ).results
        refused = [result for result in results if not result.successful]
        return (refused or results)[0]

    def parameter(self, name: str) -> str:
        """A text parameter of the perception node."""
        request = GetParameters.Request(names=[name])
        answer = self.call(GetParameters, "perception/get_parameters", request)
        return answer.values[0].string_value

    def transition(self, number: int) -> bool:
        """Whether a lifecycle transition succeeded."""
        request = ChangeState.Request()
        request.transition.id = number
        return self.call(ChangeState, "perception/change_state", request).success

    def state(self) -> str:
        """The lifecycle state's name."""
        return self.call(GetState, "perception/get_state", GetState.Request()).current_state.label

    def diagnosis(self, accept, what: str, camera: str = "", meanwhile=lambda: None):
        """The first status on /diagnostics from now on that `accept` likes."""
        if "/diagnostics" not in self.heard:
            self.subscribe(DiagnosticArray, "/diagnostics")
        heard = self.heard["/diagnostics"][1]
        heard.clear()
        name = f"{self.namespace}/perception" + (f": {camera}" if camera else "")

        def found():
            meanwhile()
            own = [status for message in heard for status in message.status if status.name == name]
            return next(filter(accept, own), None)

        return self.wait(found, what)

    # Images

    def next_stamp(self) -> int:
        """Nanoseconds, later than every stamp before."""
        self._newest = max(self._newest + FRAME_NS, self.node.get_clock().now().nanoseconds)
        return self._newest

    def header(self, stamp: int | None = None, frame_id: str = "camera") -> Header:
        """A header with the next stamp, or a given one."""
        stamp = self.next_stamp() if stamp is None else stamp
        return Header(stamp=Time(nanoseconds=stamp).to_msg(), frame_id=frame_id)

    @staticmethod
    def grey_image(header: Header, height: int = 120, width: int = 160) -> Image:
        """An empty scene."""
        return image_message(np.full((height, width, 3), 127, np.uint8), "rgb8", header)

    @staticmethod
    def scripted_image(header: Header, order: int = 0, box_xyxy=None) -> Image:
        """A grey scene with a white box, whose first pixel tells the network of scripted_node.py
        what to do.
        """
        pixels = np.full((120, 160, 3), 127, np.uint8)
        if box_xyxy:
            x0, y0, x1, y1 = box_xyxy
            pixels[y0:y1, x0:x1] = 255
        pixels[0, 0] = order
        return image_message(pixels, "rgb8", header)

    def send(self, message, topic: str = "image") -> None:
        """Publish an image."""
        self.publisher(type(message), topic).publish(message)

    def delivered(self, topic: str = "image", node: str = "perception") -> None:
        """Return when the node has taken what was sent on a reliable topic out of its reader."""
        assert self._publishers[topic].wait_for_all_acked(Duration(seconds=DEADLINE))
        # In a round of the executor subscriptions come before services, so this answer comes after
        # the image was taken.
        self.call(GetParameters, f"{node}/get_parameters", GetParameters.Request())

    def publisher(self, kind, topic: str):
        """The publisher of a topic, once the node listens to it."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(kind, topic, QoSProfile(depth=5))
            self.wait(self._publishers[topic].get_subscription_count, f"a subscription of {topic}")
        return self._publishers[topic]

    def listen(self, prefix: str = "", reliability: str = "reliable") -> None:
        """Keep one camera's results."""
        picture = newest_only(reliability)
        picture.depth = 50
        self.subscribe(Detection2DArray, f"{prefix}detections")
        self.subscribe(Image, f"{prefix}segmentation/mask", picture)
        self.subscribe(Image, f"{prefix}segmentation/confidence", picture)
        self.subscribe(PerceptionStatus, f"perception/{prefix}status")

    def result(self, stamp: int, prefix: str = "") -> SimpleNamespace | None:
        """Everything that carries a stamp, once all of it is there."""
        topics = {
            "detections": f"{prefix}detections",
            "mask": f"{prefix}segmentation/mask",
            "confidence": f"{prefix}segmentation/confidence",
            "status": f"perception/{prefix}status",
        }
        found = {
            name: next(
                (m for m in reversed(self.heard[topic][1]) if stamp_ns(m.header) == stamp), None
            )
            for name, topic in topics.items()
        }
        return SimpleNamespace(**found) if all(found.values()) else None

    def settle(self, message=None, topic: str = "image", prefix: str = "") -> None:
        """Send images until every subscription of `listen` is served: from then on nothing is
        lost.
        """
        message = message or self.grey_image(self.header())
        publisher = self.publisher(type(message), topic)
        sent: list[int] = []
        due = 0.0

        def all_heard():
            nonlocal due
            if time.monotonic() >= due:
                message.header = self.header()
                publisher.publish(message)
                sent.append(stamp_ns(message.header))
                due = time.monotonic() + 0.2
            return any(self.result(stamp, prefix) for stamp in sent)

        self.wait(all_heard, f"first results of {topic}")

    def see(self, message=None, topic: str = "image", prefix: str = "") -> SimpleNamespace:
        """Send an image and return its result."""
        message = message or self.grey_image(self.header())
        self.send(message, topic)
        stamp = stamp_ns(message.header)
        return self.wait(lambda: self.result(stamp, prefix), f"the result of stamp {stamp}")


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> str:
    """A copy of the model: MTV_TEST_MODEL, or the one that comes with the package."""
    try:
        source = find_model(os.environ.get("MTV_TEST_MODEL", "warehouse"))
    except ArtefactError as error:
        pytest.skip(f"no model to run: {error}")
    return str(shutil.copytree(source, tmp_path_factory.mktemp("model") / "warehouse"))


def pytest_collection_modifyitems(items):
    """Try again once what talks over DDS.

    A server that has not yet discovered its client loses the answer, although the client was told
    that the service is ready: one of some hundred new processes on a busy machine. And a client
    can fail to discover one of a node's services for as long as the process lives, while its other
    services answer; `Graph.call` then starts the process again for the second try.
    """
    for item in items:
        if "ros" in item.fixturenames:
            item.add_marker(pytest.mark.flaky(reruns=1))
        elif "ros_domain" in item.fixturenames:
            # Only where something never came, not where it was wrong.
            late = ["not within", "did not appear within"]
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=late))


@pytest.fixture(scope="session")
def ros(ros_domain):
    """An rclpy context in a domain that no other test process of this machine uses."""
    os.environ.update({key: os.environ.get(key, value) for key, value in TRANSPORT.items()})
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    # While a node lives, the context keeps its DDS participant. To make and end one for every test
    # is slow, and Fast DDS can hang in it.
    keeper = rclpy.create_node("keeper", context=context, namespace=f"/keeper_{os.getpid()}")
    yield SimpleNamespace(context=context, domain=ros_domain)
    keeper.destroy_node()
    context.try_shutdown()


@pytest.fixture(scope="module")
def shared_graph(ros, tmp_path_factory):
    """A Graph for all tests of a module."""
    graph = Graph(ros.context, ros.domain, tmp_path_factory.mktemp("graph"))
    yield graph
    graph.close()


@pytest.fixture
def own_graph(ros, tmp_path):
    """A Graph for one test."""
    graph = Graph(ros.context, ros.domain, tmp_path)
    yield graph
    graph.close()
