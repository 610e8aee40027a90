#!/usr/bin/env python3
"""Does random things to perception_node and zones_node, and watches what they publish.

    . scripts/env.sh && .venv/bin/python tools/chaos.py --seconds 1800 --seeds 1 2 3

The perception node has a scripted network that sees white rectangles as persons; everything else is
real. Each seed gives one sequence of events. The monitor knows what every image showed, and counts
what must never happen. Exit status: 0 without violations, 1 with, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from vision_msgs.msg import Detection2DArray

from mtv_perception.msg import PerceptionStatus, ZoneStateArray
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros.conversions import image_message, stamp_ns
from mtv_perception.ros.process.processes import TRANSPORT, start_node, stop_node
from mtv_perception.runtime.artefact import MODEL_FILE, SPEC_FILE, load_artefact, write_artefact
from mtv_perception.runtime.models import find_model

SCRIPTED = SOURCE_ROOT / "test" / "ros" / "scripted_node.py"
SIZE_HW = (120, 160)
PERSON_BOX = (20, 30, 60, 110)
ZONE = [[0, 0], [80, 0], [80, 120], [0, 120]]
SECOND = 1_000_000_000
DEADLINE_S, SLACK_S = 0.5, 0.05
ANSWER_S, RETRY_S = 120.0, 20.0
# A process that is still starting Python has no handler for the signal yet.
ENDS = (0, -signal.SIGINT)


@dataclass(frozen=True)
class Truth:
    """What an image showed: its size, whether a person was in the zone, whether it was broken."""

    size_hw: tuple[int, int] = SIZE_HW
    person: bool = False
    broken: bool = False
    is_odd: bool = False  # Its stamp is not unique, so that results can't be told apart.


class Monitor:
    """Compares what is published with what was sent; knows nothing of how the nodes work.

    Attributes:
        violations: one line each.
        checked: messages by kind.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.checked: collections.Counter[str] = collections.Counter()
        self._truth: dict[int, Truth] = {}
        self._results: set[int] = set()
        self._classes: dict[int, list[str]] = {}
        self._numbers: dict[int, list[str]] = {}
        self._silent: list[tuple[int, int]] = []
        self._silent_since: int | None = None

    def sent(self, stamp: int, truth: Truth) -> None:
        """An image was sent."""
        self._truth[stamp] = truth

    def silence(self, now: int) -> None:
        """The node has confirmed that it is silent (system time, nanoseconds)."""
        self._silent_since = now

    def speech(self, now: int) -> None:
        """The node is about to be asked to speak again, or to be started again."""
        if self._silent_since is not None:
            self._silent.append((self._silent_since, now))
        self._silent_since = None

    def detections(self, message: Detection2DArray, published: int) -> None:
        """Check an array; `published` is its source time, nanoseconds."""
        self.checked["detections"] += 1
        stamp = stamp_ns(message.header)
        truth = self._truth.get(stamp)
        if truth is None:
            self._report(f"a result of stamp {stamp}, which was never sent")
            return
        if truth.is_odd:
            return
        if truth.broken:
            self._report(f"a result of a broken image: {len(message.detections)} detections")
        if stamp in self._results:
            self._report(f"two results of stamp {stamp}")
        self._results.add(stamp)
        if any(begin < published < end for begin, end in self._silent) or (
            self._silent_since is not None and published > self._silent_since
        ):
            self._report(f"a result while silent, {published}")
        ids = [item.results[0].hypothesis.class_id for item in message.detections]
        if len(ids) != truth.person and not truth.broken:
            self._report(f"expected {int(truth.person)} persons, got {ids}")
        if any(item.isdigit() for item in ids):
            self._numbers[stamp] = ids
            self._check_numbers(stamp)
        elif any(item != "person" for item in ids):
            self._report(f"a person called {ids}")

    def status(self, message: PerceptionStatus, published: int) -> None:
        """Check a status."""
        self.checked["status"] += 1
        stamp = stamp_ns(message.header)
        truth = self._truth.get(stamp)
        if truth is None or truth.is_odd:
            return
        size = (message.source_height, message.source_width)
        if size != truth.size_hw:
            self._report(f"a status of size {size}, the image had {truth.size_hw}")
        done = message.processed + message.dropped + message.stale + message.failed
        if done > message.received:
            self._report(f"{done} images done of {message.received} received")
        self._classes[stamp] = list(message.classes)
        self._check_numbers(stamp)

    def zones(self, message: ZoneStateArray, published: int) -> None:
        """Check the zone's state."""
        self.checked["zones"] += 1
        (state,) = message.zones
        stamp = stamp_ns(state.header)
        truth = self._truth.get(stamp)
        if not state.valid:
            self.checked["unknown"] += 1
            return
        self.checked["occupied" if state.occupied else "free"] += 1
        if truth is None or truth.is_odd:
            self._report(f"a valid zone of stamp {stamp}, which no usable image has")
        elif not state.occupied and truth.person:
            self._report(f"FREE with a person inside, stamp {stamp}")
        elif truth.size_hw != SIZE_HW and not state.occupied:
            self._report("free by an image of another size")
        if published - stamp > (DEADLINE_S + SLACK_S) * SECOND:
            self._report(f"a valid zone {(published - stamp) / SECOND:.3f} s old")

    def _check_numbers(self, stamp: int) -> None:
        """Numbers mean what the status of the same stamp says."""
        ids, classes = self._numbers.get(stamp), self._classes.get(stamp)
        if ids and classes and any(classes[int(item)] != "person" for item in ids):
            self._report(f"a person with the numbers {ids} of {classes}")

    def _report(self, text: str) -> None:
        self.violations.append(text)


class Chaos:
    """Both nodes, a camera, and the events that befall them.

    Args:
        seed: of the sequence.
        folder: for logs, models and the zones file.
        domain: ROS domain.
    """

    def __init__(self, seed: int, folder: Path, domain: int) -> None:
        self.monitor, self.events = Monitor(), collections.Counter[str]()
        self._random, self._folder, self._domain = random.Random(seed), folder, domain
        # Images get through only with the transport that cameras are told to use.
        os.environ.update({key: os.environ.get(key, value) for key, value in TRANSPORT.items()})
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._namespace = f"/chaos_{os.getpid()}_{seed}"
        self._node = rclpy.create_node("chaos", context=self._context, namespace=self._namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._camera = self._node.create_publisher(Image, "image", QoSProfile(depth=5))
        for kind, topic, check in (
            (Detection2DArray, "detections", self.monitor.detections),
            (PerceptionStatus, "perception/status", self.monitor.status),
            (ZoneStateArray, "zones/zones", self.monitor.zones),
        ):
            self._listen(kind, topic, check)
        self._clients: dict[str, Any] = {}
        self._others: list[Any] = []
        self._active = self._enabled = True
        self._size_hw, self._stopped, self._newest = SIZE_HW, False, 0
        self._models = [self._write_model(name) for name in ("plain", "permuted")]
        self._logs = [(folder / f"{name}.log").open("w") for name in ("perception", "zones")]
        self._start_perception()
        self._zones = self._start("zones_node", self._logs[1], zones_file=self._zones_file())

    def run(self, seconds: float) -> None:
        """Do random things for so long."""
        names, checked, late = sorted(EVENTS), self.monitor.checked, time.monotonic() + ANSWER_S
        while not (checked["detections"] and checked["zones"]) and time.monotonic() < late:
            self._live(0.2)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name = self._random.choice(names)
            self.events[name] += 1
            EVENTS[name](self)
            self._live(self._random.uniform(0.1, 1.0))
            for process, label in ((self._process, "perception"), (self._zones, "zones")):
                if process.poll() is not None:
                    self.monitor.violations.append(f"{label} ended with {process.returncode}")
                    return

    def close(self) -> None:
        """End both nodes; that must work, too."""
        for process, label in ((self._process, "perception"), (self._zones, "zones")):
            if (status := stop_node(process, ANSWER_S)) not in ENDS:
                self.monitor.violations.append(f"{label} ended with {status}")
        for log in self._logs:
            log.close()
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    # Events

    def kill(self) -> None:
        """Kill the node; another model, perhaps with another class order, starts in its place."""
        self._process.kill()
        self._process.wait()
        self._start_perception()

    def restart(self) -> None:
        """The same in an orderly way."""
        if stop_node(self._process, ANSWER_S) not in ENDS:
            self.monitor.violations.append("perception did not end with status 0")
        self._start_perception()

    def toggle(self) -> None:
        """Disable, and enable again after a while or at once."""
        self._call(SetBool, "perception/set_enabled", SetBool.Request(data=False))
        self.monitor.silence(time.time_ns())
        self._live(self._random.choice((0.0, 0.3)))
        self.monitor.speech(time.time_ns())
        self._call(SetBool, "perception/set_enabled", SetBool.Request(data=True))

    def cycle(self) -> None:
        """Deactivate and activate."""
        self._transition(Transition.TRANSITION_DEACTIVATE)
        self.monitor.silence(time.time_ns())
        self._live(self._random.choice((0.0, 0.3)))
        self.monitor.speech(time.time_ns())
        self._transition(Transition.TRANSITION_ACTIVATE)

    def swap(self) -> None:
        """Set another model."""
        model = self._random.choice(self._models)
        if self._set(model=str(model)):
            self._model = model

    def reload(self) -> None:
        """Load the model again."""
        self._call(Trigger, "perception/reload_model", Trigger.Request())

    def reload_damaged(self) -> None:
        """Load a model whose file is half written; it must be refused."""
        folder = self._model
        content = (folder / MODEL_FILE).read_bytes()
        (folder / MODEL_FILE).write_bytes(content[: len(content) // 3])
        answer = self._call(Trigger, "perception/reload_model", Trigger.Request())
        (folder / MODEL_FILE).write_bytes(content)
        if answer is not None and answer.success:
            self.monitor.violations.append("a damaged model serves")

    def parameters(self) -> None:
        """Set a parameter, wrong ones too."""
        values: list[dict[str, Any]] = [
            {"class_id_as": "id"},
            {"class_id_as": "name"},
            {"score_threshold": 0.95},
            {"score_threshold": -1.0},
            {"score_threshold": 7.0},
            {"model": "/nowhere"},
        ]
        self._set(**self._random.choice(values))

    def odd_stamps(self) -> None:
        """Images with stamps 0, of another clock, or from the future."""
        offset = self._random.choice((None, -3600, 3600))
        for _ in range(5):
            stamp = 0 if offset is None else time.time_ns() + offset * SECOND
            self._send(stamp, Truth(is_odd=True))
            self._live(0.02)

    def other_size(self) -> None:
        """Change the camera's resolution."""
        self._size_hw = self._random.choice((SIZE_HW, (240, 320)))

    def broken(self) -> None:
        """Send broken images."""
        for _ in range(3):
            self._send(self._stamp(), Truth(self._size_hw, broken=True))

    def stop_camera(self) -> None:
        """No images for longer than the zones' deadline."""
        self._stopped = True
        self._live(1.0)
        self._stopped = False

    def subscribers(self) -> None:
        """Somebody begins to look at pictures, or stops."""
        if self._others:
            self._node.destroy_subscription(self._others.pop())
        else:
            nothing: Callable[[Any], None] = lambda message: None  # noqa: E731
            self._others.append(
                self._node.create_subscription(Image, "overlay", nothing, QoSProfile(depth=1))
            )

    # Means

    def _live(self, seconds: float) -> None:
        """Send images at 20 Hz and listen."""
        end, due = time.monotonic() + seconds, 0.0
        while True:
            now = time.monotonic()
            if not self._stopped and now >= due:
                due = now + 0.05
                self._send(self._stamp(), Truth(self._size_hw, self._random.random() < 0.5))
            self._executor.spin_once(timeout_sec=0.01)
            if now >= end:
                return

    def _stamp(self) -> int:
        self._newest = max(time.time_ns(), self._newest + 1_000_000)
        return self._newest

    def _send(self, stamp: int, truth: Truth) -> None:
        pixels = np.full((*truth.size_hw, 3), 127, np.uint8)
        pixels[0, 0] = 0
        if truth.person:
            x0, y0, x1, y1 = PERSON_BOX
            pixels[y0:y1, x0:x1] = 255
        header = Header(stamp=Time(nanoseconds=stamp).to_msg(), frame_id="camera")
        message = image_message(pixels, "rgb8", header)
        if truth.broken:
            message.data = message.data[: self._random.randrange(len(message.data))]
        self.monitor.sent(stamp, truth)
        self._camera.publish(message)

    def _listen(self, kind: type, topic: str, check: Callable[[Any, int], None]) -> None:
        def heard(message: Any, info: Any) -> None:
            check(message, int(info["source_timestamp"]))

        self._node.create_subscription(kind, topic, heard, QoSProfile(depth=500))

    def _call(self, kind: type, service: str, request: Any) -> Any:
        """The answer, with the camera running meanwhile; None without one."""
        if service not in self._clients:
            self._clients[service] = self._node.create_client(kind, service)
        client, end = self._clients[service], time.monotonic() + ANSWER_S
        while not client.service_is_ready() and time.monotonic() < end:
            self._live(0.05)
        while time.monotonic() < end:
            # A call reaches nobody while the graph still shows a process that was killed.
            future, patience = client.call_async(request), time.monotonic() + RETRY_S
            while not future.done() and time.monotonic() < patience:
                self._live(0.0)
            if future.done():
                return future.result()
        self.monitor.violations.append(f"no answer of {service} within {ANSWER_S:.0f} s")
        return None

    def _transition(self, number: int) -> None:
        request = ChangeState.Request()
        request.transition.id = number
        self._call(ChangeState, "perception/change_state", request)

    def _set(self, **values: Any) -> bool:
        given = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        request = SetParameters.Request(parameters=given)
        answer = self._call(SetParameters, "perception/set_parameters", request)
        return answer is not None and all(result.successful for result in answer.results)

    def _start_perception(self) -> None:
        self._model = self._random.choice(self._models)
        self._process = self._start(
            str(SCRIPTED),
            self._logs[0],
            model=str(self._model),
            check_images=False,
            image_reliability="reliable",
        )

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


EVENTS: dict[str, Callable[[Chaos], None]] = {
    function.__name__: function
    for function in (
        *(Chaos.kill, Chaos.restart, Chaos.toggle, Chaos.cycle, Chaos.swap, Chaos.reload),
        *(Chaos.reload_damaged, Chaos.parameters, Chaos.odd_stamps, Chaos.other_size),
        *(Chaos.broken, Chaos.stop_camera, Chaos.subscribers),
    )
}


def run_seed(seed: int, seconds: float, domain: int, folder: Path) -> Chaos:
    """Run one sequence; the nodes' logs stay in `folder`."""
    chaos = Chaos(seed, folder, domain)
    try:
        chaos.run(seconds)
    finally:
        chaos.close()
    return chaos


def main(arguments: list[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="for each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--domain", type=int, default=int(os.environ.get("ROS_DOMAIN_ID", 42)))
    args = parser.parse_args(arguments)
    found = 0
    for seed in args.seeds:
        folder = Path(tempfile.mkdtemp(prefix=f"chaos_{seed}_"))
        chaos = run_seed(seed, args.seconds, args.domain, folder)
        monitor = chaos.monitor
        found += len(monitor.violations)
        print(f"seed {seed}: {sum(chaos.events.values())} events {dict(chaos.events)}")
        print(f"  checked {dict(monitor.checked)}; {len(monitor.violations)} violations; {folder}")
        for text in monitor.violations[:20]:
            print(f"  {text}")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
