#!/usr/bin/env python3
"""Runs the perception node for a long time at full load and says whether it grew, slowed down or
failed.

    . scripts/env.sh && .venv/bin/python tools/soak.py --minutes 720 --json soak.json
    ... tools/soak.py --model FOLDER --height 120 --width 160 --rate 500   # a small network: more
    images in an hour

Synthetic images (moving boxes on noise) are published faster than the node can process them.
Memory, latency, counters and diagnostics are sampled. The verdict compares the median memory of the
last fifth of the samples with that of the first fifth after the warm-up.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from mtv_perception.msg import PerceptionStatus
from mtv_perception.resources import memory_mb
from mtv_perception.ros.conversions import image_message
from mtv_perception.ros.process.processes import TRANSPORT, private_domain, start_node, stop_node
from mtv_perception.ros.qos import newest_only

NODE = "perception_node"
FIRST_RESULT_S = 120.0
SCENES = 16


@dataclass(frozen=True)
class Sample:
    """What was seen in one period: memory in MiB, latency in ms, images since the node was
    activated.
    """

    seconds: float
    rss_mb: float
    results: int
    p50_ms: float
    p99_ms: float
    received: int
    processed: int
    dropped: int
    stale: int
    failed: int
    errors: int


class Soak:
    """A camera and a listener around one node.

    Args:
        args: command line.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._node = rclpy.create_node("soak")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._scenes = [
            image_message(image, "rgb8", Header()) for image in scenes(args.height, args.width)
        ]
        self._camera = self._node.create_publisher(Image, "image", newest_only("best_effort"))
        self._node.create_timer(1 / args.rate, self._publish)
        self.published = 0
        self.statuses: list[PerceptionStatus] = []
        self.errors: list[str] = []
        self._node.create_subscription(
            PerceptionStatus, "perception/status", self.statuses.append, QoSProfile(depth=200)
        )
        # The node makes masks only for those who want them.
        self._node.create_subscription(
            Image, "segmentation/mask", lambda message: None, newest_only("best_effort")
        )
        self._node.create_subscription(
            DiagnosticArray, "/diagnostics", self._diagnosed, QoSProfile(depth=20)
        )

    def _publish(self) -> None:
        message = self._scenes[self.published % len(self._scenes)]
        message.header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id="soak")
        self._camera.publish(message)
        self.published += 1

    def _diagnosed(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.level == DiagnosticStatus.ERROR:
                self.errors.append(f"{status.name}: {status.message}")

    def spin(self, seconds: float, until: Any = lambda: False) -> None:
        """Publish and listen for some time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()


def scenes(height: int, width: int) -> list[np.ndarray]:
    """Bright boxes that walk over noise."""
    rng = np.random.default_rng(0)
    images = [rng.integers(60, 120, (height, width, 3), np.uint8) for _ in range(SCENES)]
    for index, image in enumerate(images):
        left = index * width // (2 * SCENES)
        image[height // 4 : 3 * height // 4, left : left + width // 4] = (220, 120, 40)
    return images


def sample(soak: Soak, pid: int, seconds: float) -> Sample:
    """What came since the last sample."""
    seen, errors = soak.statuses[:], len(soak.errors)
    soak.statuses.clear()
    latency = [message.stamp_to_publish_ms for message in seen] or [float("nan")]
    names = ("received", "processed", "dropped", "stale", "failed")
    counters = {name: int(getattr(seen[-1], name)) if seen else 0 for name in names}
    p50, p99 = (round(float(np.percentile(latency, q)), 2) for q in (50, 99))
    return Sample(
        round(seconds, 1),
        memory_mb(pid),
        len(seen),
        p50,
        p99,
        **counters,
        errors=errors,
    )


def verdict(samples: list[Sample], warm_up: float, limit_mb: float) -> dict[str, Any]:
    """Growth, slowest p99 and errors after the warm-up, and whether all of it is fine."""
    after = [item for item in samples if item.seconds >= warm_up]
    fifth = max(len(after) // 5, 1)
    begin = float(np.median([item.rss_mb for item in after[:fifth]])) if after else float("nan")
    end = float(np.median([item.rss_mb for item in after[-fifth:]])) if after else float("nan")
    silent = sum(not item.results for item in after)
    failed = after[-1].failed if after else 0
    errors = after[-1].errors - after[0].errors if after else 0
    return {
        "samples_after_warm_up": len(after),
        "rss_begin_mb": round(begin, 2),
        "rss_end_mb": round(end, 2),
        "growth_mb": round(end - begin, 2),
        "results": sum(item.results for item in after),
        "p99_ms_by_fifth": [
            round(float(np.median([item.p99_ms for item in part])), 2)
            for part in np.array_split(
                np.array([item for item in after if item.results], object), 5
            )
            if len(part)
        ],
        "p99_ms_median": round(float(np.median([item.p99_ms for item in after])), 2)
        if after
        else None,
        "p99_ms_worst": max((item.p99_ms for item in after), default=None),
        "failed": failed,
        "errors": errors,
        "samples_without_results": silent,
        "passed": bool(after) and end - begin <= limit_mb and not (failed or errors or silent),
    }


def run(args: argparse.Namespace, soak: Soak, process: subprocess.Popen[str]) -> list[Sample]:
    """Sample until the time is over or the node has ended."""
    soak.spin(FIRST_RESULT_S, lambda: bool(soak.statuses) or process.poll() is not None)
    soak.statuses.clear()
    soak.errors.clear()
    begun, samples = time.monotonic(), []
    while time.monotonic() - begun < args.minutes * 60 and process.poll() is None:
        soak.spin(args.period, lambda: process.poll() is not None)
        if process.poll() is None:
            samples.append(sample(soak, process.pid, time.monotonic() - begun))
            print(json.dumps(asdict(samples[-1])), flush=True)
    return samples


def main() -> int:
    """Run, print the verdict, write the samples; 0 when all is well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--model", default="warehouse")
    parser.add_argument(
        "--rate", type=float, default=60.0, help="images a second; more than the node can take"
    )
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--threads", type=int, default=2, help="of the network")
    parser.add_argument("--period", type=float, default=10.0, help="seconds from sample to sample")
    parser.add_argument("--warm-up", type=float, default=60.0, help="seconds that do not count")
    parser.add_argument(
        "--limit-mb", type=float, default=10.0, help="growth that is still accepted"
    )
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    # Beside a robot's nodes, of which it is no camera.
    os.environ.update({**TRANSPORT, **os.environ, "ROS_DOMAIN_ID": str(private_domain())})
    rclpy.init()
    soak = Soak(args)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = start_node(NODE, {"model": args.model, "num_threads": args.threads}, output=log)
        try:
            samples = run(args, soak, process)
        finally:
            status = stop_node(process)
            soak.close()
            rclpy.try_shutdown()
        log.seek(0)
        text = log.read()
    found = verdict(samples, args.warm_up, args.limit_mb)
    found["exit_status"] = status
    found["passed"] = found["passed"] and status == 0
    figures = {
        "machine": f"{os.cpu_count()} x {platform.machine()}",
        "settings": {name: str(value) for name, value in vars(args).items()},
        "published": soak.published,
        "verdict": found,
        "error_texts": sorted(set(soak.errors))[:20],
        "samples": [asdict(item) for item in samples],
    }
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))
    if not found["passed"]:
        print(text[-5000:])
    grown = f"{found['growth_mb']} MB after the warm-up"
    print(f"{'passed' if found['passed'] else 'FAILED'}: memory grew by {grown}")
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
