#!/usr/bin/env python3
"""Does random things to perception_node and zones_node, and watches what they publish.

    . scripts/env.sh && .venv/bin/python tools/attacks/chaos.py --seconds 1800 --seeds 1 2 3

The perception node has a scripted network that sees white rectangles as persons; everything else is
real. Each seed gives one sequence of events and one of images. The monitor knows what every image
showed, and counts what must never happen. Exit status: 0 without violations, 1 with, 2 for wrong
usage.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos_monitor import SECOND, SIZE_HW, Truth
from chaos_stage import ANSWER_S, ENDS, Stage
from lifecycle_msgs.msg import Transition
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

from mtv_perception.ros.process.processes import private_domain
from mtv_perception.runtime.artefact import MODEL_FILE


class Chaos(Stage):
    """The stage, and the events that befall it.

    Args:
        seed: of the sequence.
        folder: for logs, models and the zones file.
        domain: ROS domain.

    Attributes:
        events: how often each was.
    """

    def __init__(self, seed: int, folder: Path, domain: int) -> None:
        super().__init__(seed, folder, domain)
        self.events = collections.Counter[str]()
        self._random = random.Random(seed)
        self._others: list[Any] = []

    def run(self, seconds: float) -> None:
        """Do random things for so long."""
        names, checked, late = sorted(EVENTS), self.monitor.checked, time.monotonic() + ANSWER_S
        while not (checked["detections"] and checked["zones"]) and time.monotonic() < late:
            self.live(0.2)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name = self._random.choice(names)
            self.events[name] += 1
            EVENTS[name](self)
            self.live(self._random.uniform(0.1, 1.0))
            if ended := self.ended():
                self.monitor.violations += ended
                return

    def kill(self) -> None:
        """Kill the node; another model, perhaps with another class order, starts in its place."""
        self.process.kill()
        self.process.wait()
        self.start_perception(self._random.choice(self.models))

    def restart(self) -> None:
        """The same in an orderly way."""
        if self.stop_perception() not in ENDS:
            self.monitor.violations.append("perception did not end with status 0")
        self.start_perception(self._random.choice(self.models))

    def toggle(self) -> None:
        """Disable, and enable again after a while or at once."""
        self.call(SetBool, "perception/set_enabled", SetBool.Request(data=False))
        self.monitor.silence(time.time_ns())
        self.live(self._random.choice((0.0, 0.3)))
        self.monitor.speech(time.time_ns())
        self.call(SetBool, "perception/set_enabled", SetBool.Request(data=True))

    def cycle(self) -> None:
        """Deactivate and activate."""
        self.transition(Transition.TRANSITION_DEACTIVATE)
        self.monitor.silence(time.time_ns())
        self.live(self._random.choice((0.0, 0.3)))
        self.monitor.speech(time.time_ns())
        self.transition(Transition.TRANSITION_ACTIVATE)

    def swap(self) -> None:
        """Set another model."""
        model = self._random.choice(self.models)
        if self.set(model=str(model)):
            self.model = model

    def reload(self) -> None:
        """Load the model again."""
        self.call(Trigger, "perception/reload_model", Trigger.Request())

    def reload_damaged(self) -> None:
        """Load a model whose file is half written; it must be refused."""
        folder = self.model
        content = (folder / MODEL_FILE).read_bytes()
        (folder / MODEL_FILE).write_bytes(content[: len(content) // 3])
        answer = self.call(Trigger, "perception/reload_model", Trigger.Request())
        (folder / MODEL_FILE).write_bytes(content)
        if answer is not None and answer.success:
            self.monitor.violations.append("a damaged model serves")

    def parameters(self) -> None:
        """Set a parameter, wrong ones too; what hides persons does not last."""
        values: list[dict[str, Any]] = [
            {"class_id_as": "id"},
            {"class_id_as": "name"},
            {"score_threshold": 0.95},
            {"score_threshold": -1.0},
            {"score_threshold": 7.0},
            {"model": "/nowhere"},
        ]
        value = self._random.choice(values)
        self.set(**value)
        if "score_threshold" in value:
            self.live(self._random.uniform(0.1, 1.0))
            self.set(score_threshold=-1.0)

    def odd_stamps(self) -> None:
        """Images with stamps 0, of another clock, or from the future."""
        offset = self._random.choice((None, -3600, 3600))
        for _ in range(5):
            stamp = 0 if offset is None else time.time_ns() + offset * SECOND
            self.send(stamp, Truth(is_odd=True))
            self.live(0.02)

    def other_size(self) -> None:
        """Change the camera's resolution for a while."""
        self.size_hw = (240, 320)
        self.live(self._random.uniform(0.1, 1.0))
        self.size_hw = SIZE_HW

    def broken(self) -> None:
        """Send broken images."""
        for _ in range(3):
            self.send(self.stamp(), Truth(self.size_hw, broken=True))

    def stop_camera(self) -> None:
        """No images for longer than the zones' deadline."""
        self.stopped = True
        self.live(1.0)
        self.stopped = False

    def subscribers(self) -> None:
        """Somebody begins to look at pictures, or stops."""
        if self._others:
            self.node.destroy_subscription(self._others.pop())
        else:
            nothing: Callable[[Any], None] = lambda message: None  # noqa: E731
            self._others.append(
                self.node.create_subscription(Image, "overlay", nothing, QoSProfile(depth=1))
            )


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
    parser.add_argument("--domain", type=int, default=private_domain())
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
