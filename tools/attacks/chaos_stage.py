"""Both nodes as processes of their own, a camera for them, and ears: what chaos.py plays on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from chaos_monitor import DEADLINE_S, SIZE_HW, Monitor, Truth
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from mtv_perception.msg import PerceptionStatus, ZoneStateArray
from mtv_perception.ros.conversions import image_message
from mtv_perception.ros.process.processes import TRANSPORT, start_node, stop_node
from mtv_perception.runtime.artefact import SPEC_FILE, load_artefact, write_artefact
from mtv_perception.runtime.models import find_model

SCRIPTED = Path(__file__).resolve().parents[2] / "test" / "ros" / "scripted_node.py"
PERSON_BOX = (20, 30, 60, 110)
ZONE = [[0, 0], [80, 0], [80, 120], [0, 120]]
ANSWER_S, RETRY_S = 120.0, 20.0
# A process that is still starting Python has no handler for the signal yet.
ENDS = (0, -signal.SIGINT)
_INTERPRETER_S = 2.0
# Images until people come or go, on average: long enough for a zone to become free.
_SCENE_IMAGES = 25


class Stage:
    """Both nodes, a camera, and a monitor that hears what they publish.

    Args:
        seed: of the images.
        folder: for logs, models and the zones file.
        domain: ROS domain.

    Attributes:
        monitor: what was wrong.
        models: two folders, in which the same ids have other names.
        model: the folder that the perception node was told to use.
        size_hw: of the camera's images.
        stopped: whether the camera sends nothing.
    """

    def __init__(self, seed: int, folder: Path, domain: int) -> None:
        self.monitor = Monitor()
        self._scenes, self._folder, self._domain = random.Random(f"{seed} images"), folder, domain
        self._has_people = False
        # Images get through only with the transport that cameras are told to use.
        os.environ.update({key: os.environ.get(key, value) for key, value in TRANSPORT.items()})
        # A background job ignores SIGINT, and so would nodes that are stopped while they start.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._namespace = f"/chaos_{os.getpid()}_{abs(seed)}"
        self.node = rclpy.create_node("chaos", context=self._context, namespace=self._namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._camera = self.node.create_publisher(Image, "image", QoSProfile(depth=5))
        for kind, topic, check in (
            (Detection2DArray, "detections", self.monitor.detections),
            (PerceptionStatus, "perception/status", self.monitor.status),
            (ZoneStateArray, "zones/zones", self.monitor.zones),
        ):
            self._listen(kind, topic, check)
        self._clients: dict[str, Any] = {}
        self.size_hw, self.stopped, self._newest = SIZE_HW, False, 0
        self.models = [self._write_model(name) for name in ("plain", "permuted")]
        self._logs = [(folder / f"{name}.log").open("w") for name in ("perception", "zones")]
        self.start_perception(self.models[0])
        self._zones = self._start("zones_node", self._logs[1], zones_file=self._zones_file())

    def ended(self) -> list[str]:
        """One sentence about each node that is no longer there."""
        return [
            f"{label} ended with {process.returncode}"
            for process, label in ((self.process, "perception"), (self._zones, "zones"))
            if process.poll() is not None
        ]

    def close(self) -> None:
        """End both nodes; that must work, too."""
        for process, label in ((self.process, "perception"), (self._zones, "zones")):
            if (status := stop_node(process, ANSWER_S)) not in ENDS:
                self.monitor.violations.append(f"{label} ended with {status}")
        for log in self._logs:
            log.close()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def live(self, seconds: float) -> None:
        """Send images at 20 Hz and listen."""
        end, due = time.monotonic() + seconds, 0.0
        while True:
            now = time.monotonic()
            if not self.stopped and now >= due:
                due = now + 0.05
                self.send(self.stamp(), Truth(self.size_hw, self._sees_person()))
            self._executor.spin_once(timeout_sec=0.01)
            if now >= end:
                return

    def _sees_person(self) -> bool:
        """Nobody for a while, then people who come and go with every image."""
        if self._scenes.random() < 1 / _SCENE_IMAGES:
            self._has_people = not self._has_people
        return self._scenes.random() < 0.5 and self._has_people

    def stamp(self) -> int:
        """A stamp of now, later than every one before, nanoseconds."""
        self._newest = max(time.time_ns(), self._newest + 1_000_000)
        return self._newest

    def send(self, stamp: int, truth: Truth) -> None:
        """Send an image of which the monitor is told what it shows."""
        pixels = np.full((*truth.size_hw, 3), 127, np.uint8)
        pixels[0, 0] = 0
        if truth.person:
            x0, y0, x1, y1 = PERSON_BOX
            pixels[y0:y1, x0:x1] = 255
        header = Header(stamp=Time(nanoseconds=stamp).to_msg(), frame_id="camera")
        message = image_message(pixels, "rgb8", header)
        if truth.broken:
            message.data = message.data[: self._scenes.randrange(len(message.data))]
        self.monitor.sent(stamp, truth)
        self._camera.publish(message)

    def _listen(self, kind: type, topic: str, check: Callable[[Any, int], None]) -> None:
        def heard(message: Any, info: Any) -> None:
            check(message, int(info["source_timestamp"]))

        self.node.create_subscription(kind, topic, heard, QoSProfile(depth=500))

    def call(self, kind: type, service: str, request: Any) -> Any:
        """The answer, with the camera running meanwhile; None without one."""
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, service)
        client, end = self._clients[service], time.monotonic() + ANSWER_S
        while not client.service_is_ready() and time.monotonic() < end:
            self.live(0.05)
        while time.monotonic() < end:
            # A call reaches nobody while the graph still shows a process that was killed.
            future, patience = client.call_async(request), time.monotonic() + RETRY_S
            while not future.done() and time.monotonic() < patience:
                self.live(0.0)
            if future.done():
                return future.result()
        self.monitor.violations.append(f"no answer of {service} within {ANSWER_S:.0f} s")
        return None

    def transition(self, number: int) -> None:
        """Ask for a lifecycle transition."""
        request = ChangeState.Request()
        request.transition.id = number
        self.call(ChangeState, "perception/change_state", request)

    def set(self, **values: Any) -> bool:
        """Whether all of these parameters were accepted."""
        given = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        request = SetParameters.Request(parameters=given)
        answer = self.call(SetParameters, "perception/set_parameters", request)
        return answer is not None and all(result.successful for result in answer.results)

    def start_perception(self, model: Path) -> None:
        """Start a perception node with a model."""
        self.model, self._started = model, time.monotonic()
        self.process = self._start(
            str(SCRIPTED),
            self._logs[0],
            model=str(self.model),
            check_images=False,
            image_reliability="reliable",
        )

    def stop_perception(self) -> int | None:
        """Stop the perception node by SIGINT; its exit status.

        A node gets the signal only once its program runs: an interpreter that is interrupted while
        it imports `site` ends with status 1, whatever the program is.
        """
        self.live(max(0.0, self._started + _INTERPRETER_S - time.monotonic()))
        return stop_node(self.process, ANSWER_S)

    def _start(self, name: str, log: Any, **parameters: Any) -> Any:
        environment = {
            "ROS_DOMAIN_ID": str(self._domain),
            "ROS_LOG_DIR": str(self._folder),
            "MTV_TEST_RELEASE": str(self._folder / "release"),
        }
        remap = {"__ns": self._namespace}
        return start_node(name, parameters, remap=remap, environment=environment, output=log)

    def _write_model(self, name: str) -> Path:
        """A copy of the model; in the permuted one the same ids have other names."""
        source, folder = load_artefact(find_model("warehouse")), self._folder / name
        write_artefact(folder, source.spec, source.content, golden=source.golden)
        if name == "permuted":
            text = yaml.safe_load((folder / SPEC_FILE).read_text(encoding="utf-8"))
            background, *others = text["classes"]
            text["classes"] = [background, *others[1:], others[0]]
            (folder / SPEC_FILE).write_text(yaml.safe_dump(text), encoding="utf-8")
        return folder

    def _zones_file(self) -> str:
        zone = {"name": "left", "space": "image", "polygon": ZONE, "tests": ["box"]}
        camera = {"image_hw": list(SIZE_HW), "zones": [zone]}
        path = self._folder / "zones.yaml"
        path.write_text(yaml.safe_dump({"deadline": DEADLINE_S, "cameras": [camera]}))
        return str(path)
