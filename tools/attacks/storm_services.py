#!/usr/bin/env python3
"""Call every service of a node hundreds of times at once, under a limit of tasks.

    . scripts/env.sh && .venv/bin/python tools/attacks/storm_services.py --calls 500 --tasks 128

The real perception node runs with a camera at 10 Hz, in a control group that allows it so many
tasks (threads and child processes), as TasksMax of its unit does. Each load of a model runs its
child process. Afterwards the node must answer and process images. Without the right to make control
groups the tasks are counted only. Exit status: 0, or 1 where the node ended or went silent.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from vision_msgs.msg import Detection2DArray

from mtv_perception.ros.conversions import image_message
from mtv_perception.ros.process.processes import TRANSPORT, private_domain, start_node, stop_node

CONTROL = Path("/sys/fs/cgroup")
PICTURE = np.full((120, 160, 3), 127, np.uint8)
# Client and server keep every call; the default of 10 would lose most of them.
QOS = QoSProfile(depth=2000)
# Configuring takes long enough for the graph to settle on a busy machine.
START_S, ANSWER_S = 120.0, 300.0


class TaskLimit:
    """A control group that limits tasks; one that only counts where there is no right to make one.

    Args:
        most: tasks.
    """

    def __init__(self, most: int) -> None:
        unified = (CONTROL / "cgroup.controllers").is_file()
        root = CONTROL if unified else CONTROL / "pids"
        self._group: Path | None = root / f"mtv_storm_{os.getpid()}"
        self._process = 0
        try:
            self._group.mkdir()
            (self._group / "pids.max").write_text(str(most))
        except OSError as error:
            print(f"no limit, only counted: {error}")
            self._group = None

    def hold(self, process: int) -> None:
        """Put a process and what it starts under the limit."""
        self._process = process
        if self._group:
            (self._group / "cgroup.procs").write_text(str(process))

    def tasks(self) -> int:
        """Tasks of the process now."""
        if self._group:
            return int((self._group / "pids.current").read_text())
        return len(list(Path(f"/proc/{self._process}/task").iterdir()))

    def refused(self) -> int:
        """How often the limit was met."""
        if not self._group:
            return 0
        return int((self._group / "pids.events").read_text().split()[1])

    def remove(self) -> None:
        """Take the group away, once its processes have ended."""
        if self._group:
            self._group.rmdir()


class Storm:
    """The node, its camera, and those who call.

    Args:
        limit: of the node's tasks.
        folder: for its log.
        domain: ROS domain.
    """

    def __init__(self, limit: TaskLimit, folder: Path, domain: int) -> None:
        os.environ.update({key: os.environ.get(key, value) for key, value in TRANSPORT.items()})
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._namespace = f"/storm_{os.getpid()}"
        self._node = rclpy.create_node("storm", namespace=self._namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._camera = self._node.create_publisher(Image, "image", QoSProfile(depth=1))
        self._results = self._sent = 0
        self._node.create_subscription(Detection2DArray, "detections", self._count, QOS)
        self._limit, self.most_tasks = limit, 0
        self._log = (folder / "perception.log").open("w")
        # No absolute cache folder: no model is remembered, so that each load runs its child.
        self.process = start_node(
            "perception_node",
            {"model": "warehouse", "num_threads": 1},
            remap={"__ns": self._namespace},
            environment={"ROS_DOMAIN_ID": str(domain), "XDG_CACHE_HOME": "none"},
            output=self._log,
        )
        limit.hold(self.process.pid)

    def _count(self, _: Any) -> None:
        self._results += 1

    def live(self, condition: Callable[[], Any], seconds: float) -> bool:
        """Send images at 10 Hz and listen until something holds; False when it did not in time."""
        end, due = time.monotonic() + seconds, 0.0
        while not condition():
            now = time.monotonic()
            if now > end or self.process.poll() is not None:
                return False
            if now >= due:
                due = now + 0.1
                stamp = self._node.get_clock().now().to_msg()
                header = Header(stamp=stamp, frame_id="camera")
                self._camera.publish(image_message(PICTURE, "rgb8", header))
                self.most_tasks = max(self.most_tasks, self._limit.tasks())
            self._executor.spin_once(timeout_sec=0.02)
        return True

    def is_seeing(self, seconds: float = START_S) -> bool:
        """Whether further results come."""
        goal = self._results + 3
        return self.live(lambda: self._results >= goal, seconds)

    def services(self) -> dict[str, type]:
        """The node's services by name."""

        def found() -> Any:
            return self._node.get_service_names_and_types_by_node("perception", self._namespace)

        self.live(lambda: len(found()) > 10, START_S)
        return {name: _service_class(types[0]) for name, types in found()}

    def call(self, services: dict[str, type], count: int) -> dict[str, int]:
        """Call each service so often without waiting; how many answers came to each."""
        clients = {
            name: self._node.create_client(kind, name, qos_profile=QOS)
            for name, kind in services.items()
        }
        self.live(lambda: all(client.service_is_ready() for client in clients.values()), START_S)
        futures = {
            name: [client.call_async(_request(services[name])) for _ in range(count)]
            for name, client in clients.items()
        }
        everything = [future for some in futures.values() for future in some]
        self.live(lambda: all(future.done() for future in everything), ANSWER_S)
        for client in clients.values():
            self._node.destroy_client(client)
        return {name: sum(future.done() for future in some) for name, some in futures.items()}

    def answers(self) -> bool:
        """Whether the node answers a simple question."""
        name = f"{self._namespace}/perception/get_parameters"
        return self.call({name: GetParameters}, 1)[name] == 1

    def close(self) -> int:
        """End the node; its exit status."""
        status = stop_node(self.process, 60.0)
        self._log.close()
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()
        return status


def _service_class(name: str) -> type:
    package, _, kind = name.split("/")
    found: type = getattr(importlib.import_module(f"{package}.srv"), kind)
    return found


def _request(kind: type) -> Any:
    """A request that changes something where that leaves the node running."""
    request = kind.Request()  # type: ignore[attr-defined]
    if kind is SetBool:
        request.data = True
    if hasattr(request, "parameters"):
        request.parameters = [Parameter("score_threshold", value=0.4).to_parameter_msg()]
    if hasattr(request, "names"):
        request.names = ["score_threshold"]
    return request


def main() -> int:
    """The storm and its report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=500, help="of each service")
    parser.add_argument("--tasks", type=int, default=128, help="that the node may have")
    parser.add_argument("--domain", type=int, default=private_domain())
    args = parser.parse_args()
    limit, folder = TaskLimit(args.tasks), Path(tempfile.mkdtemp(prefix="storm_"))
    storm, begun = Storm(limit, folder, args.domain), time.monotonic()
    good = storm.is_seeing()
    before = limit.tasks()
    services = storm.services()
    answered = storm.call(services, args.calls) if good else {}
    good = good and storm.is_seeing() and storm.answers()
    for name, count in sorted(answered.items()):
        print(f"{count:4d} of {args.calls} answered: {name.rsplit('/', 2)[-1]}")
    print(
        f"{len(services)} services x {args.calls} calls in {time.monotonic() - begun:.0f} s; tasks: "
        f"{before} before, at most {storm.most_tasks}, limit {args.tasks} met {limit.refused()} times"
    )
    status = storm.close()
    limit.remove()
    good = good and status == 0
    print(f"{'serves on' if good else 'DOES NOT SERVE'}; exit status {status}; log in {folder}")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
