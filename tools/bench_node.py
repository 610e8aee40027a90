#!/usr/bin/env python3
"""Measures the perception node as a process: start to first result, memory, latency, throughput,
shares of cameras.

    . scripts/env.sh
    .venv/bin/python tools/bench_node.py --rate 30                # latency at a camera's rate
    .venv/bin/python tools/bench_node.py --rate 0                 # as fast as it can, for --seconds
    .venv/bin/python tools/bench_node.py --cameras 4 --rate 15    # what each of four cameras gets
    .venv/bin/python tools/bench_node.py --cpu-quota 100          # under systemd's CPUQuota=100%

Images are decoded before, stamped when they are published, and go over DDS from this process to the
node's.
"""

import argparse
import json
import os
import platform
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from mtv_perception.cli.bench import read_images
from mtv_perception.cli.bench.turns import percentiles
from mtv_perception.demo.people import CLIP
from mtv_perception.msg import PerceptionStatus
from mtv_perception.resources import memory_mb
from mtv_perception.ros.conversions import byte_array
from mtv_perception.ros.process.processes import TRANSPORT, private_domain, start_node, stop_node
from mtv_perception.ros.qos import newest_only

_STAGES = ("decode_ms", "preprocess_ms", "network_ms", "postprocess_ms", "publish_ms")
# As fast as it can: one image in work and one waiting. If nothing comes back for so long (s), both
# are sent anew.
_IN_FLIGHT = 2
_SILENCE = 0.2
_STARTING = 5  # First results, not counted.
_PATIENCE = 120.0
_QUOTA_PERIOD_US = 100_000  # systemd's


class CpuQuota:
    """A control group with what systemd's CPUQuota sets; needs root.

    Args:
        percent: of one core. None: no limit.
    """

    def __init__(self, percent: int | None) -> None:
        self._group: Path | None = None
        if percent is None:
            return
        root, quota = Path("/sys/fs/cgroup"), percent * _QUOTA_PERIOD_US // 100
        if (root / "cgroup.controllers").is_file():
            self._group = root / f"mtv_bench_{os.getpid()}"
            limit = {"cpu.max": f"{quota} {_QUOTA_PERIOD_US}"}
        else:
            self._group = root / "cpu" / f"mtv_bench_{os.getpid()}"
            limit = {"cpu.cfs_period_us": str(_QUOTA_PERIOD_US), "cpu.cfs_quota_us": str(quota)}
        self._group.mkdir()
        for name, value in limit.items():
            (self._group / name).write_text(value, encoding="ascii")

    def hold(self, process: int) -> None:
        """Put a process and what it starts under the quota."""
        if self._group:
            (self._group / "cgroup.procs").write_text(str(process), encoding="ascii")

    def throttled_share(self) -> float:
        """The share of periods so far in which the quota was used up."""
        if not self._group:
            return 0.0
        lines = (self._group / "cpu.stat").read_text(encoding="ascii").splitlines()
        found = {name: int(value) for name, value in map(str.split, lines)}
        return found["nr_throttled"] / max(found["nr_periods"], 1)

    def remove(self) -> None:
        """Take the group away, once its processes have ended."""
        if self._group:
            self._group.rmdir()


class Cameras:
    """Cameras and listener in one: publishes images, keeps the statuses that come back, by camera.

    Args:
        names: of the cameras; an empty one stands for the only one.
        images: `(H, W, 3)` uint8 RGB, used in turn.
        rate: images a second of each camera; 0 sends the next one when a result comes back.
        masks: subscribe to the masks, too.
    """

    def __init__(
        self, names: Sequence[str], images: Sequence[np.ndarray], rate: float, masks: bool
    ) -> None:
        self.node, self._rate, self._turn = Node("bench"), rate, 0
        self.statuses: dict[str, list[PerceptionStatus]] = {name: [] for name in names}
        self.sent = dict.fromkeys(names, 0)
        self._heard = dict.fromkeys(names, -np.inf)
        self._publishers, self._stopping = {}, threading.Event()
        for name in names:
            prefix = f"{name}/" if name else ""
            self._publishers[name] = self.node.create_publisher(
                Image, f"{prefix}image", QoSProfile(depth=10)
            )
            topic, keep = f"perception/{prefix}status", partial(self._keep, name)
            self.node.create_subscription(PerceptionStatus, topic, keep, QoSProfile(depth=100))
            if masks:
                topic = f"{prefix}segmentation/mask"
                self.node.create_subscription(
                    Image, topic, lambda _: None, newest_only("best_effort")
                )
        self._pixels = [(image.shape, byte_array(image[..., ::-1].copy())) for image in images]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Fall silent."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        names, begun, count = list(self.sent), time.monotonic(), 0
        while not self._stopping.is_set():
            if self._rate:
                # Cameras are not in step: they take turns within a period.
                self._send(names[count % len(names)])
                count += 1
                due = begun + count / (self._rate * len(names))
                self._stopping.wait(max(due - time.monotonic(), 0))
            else:
                for name in names:
                    if time.monotonic() - self._heard[name] > _SILENCE:
                        self._heard[name] = time.monotonic()
                        self._send(name, _IN_FLIGHT)
                self._stopping.wait(_SILENCE / 4)

    def _send(self, camera: str, count: int = 1) -> None:
        for _ in range(count):
            (height, width, _), data = self._pixels[self._turn % len(self._pixels)]
            self._turn += 1
            self.sent[camera] += 1
            header = Header(stamp=self.node.get_clock().now().to_msg(), frame_id="camera")
            layout = {"height": height, "width": width, "step": 3 * width, "encoding": "bgr8"}
            self._publishers[camera].publish(Image(header=header, data=data, **layout))

    def _keep(self, camera: str, status: PerceptionStatus) -> None:
        self.statuses[camera].append(status)
        self._heard[camera] = time.monotonic()
        if not self._rate:
            self._send(camera)


def cpu_seconds(pid: int) -> float:
    """Time a process has spent on CPUs."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def camera_figures(
    statuses: Sequence[Any], sent: int, seconds: float, even: float
) -> dict[str, Any]:
    """What one camera got.

    Args:
        statuses: of its results in the time measured.
        sent: images it published in that time.
        seconds: that time.
        even: results a camera would have got of equal shares.
    """
    if not statuses:
        return {"sent": sent, "processed": 0}
    stages = {name: np.array([getattr(item, name) for item in statuses]) for name in _STAGES}
    latency = np.array([item.stamp_to_publish_ms for item in statuses])
    return {
        "sent": sent,
        "processed": len(statuses),
        "processed_of_sent": round(len(statuses) / max(sent, 1), 4),
        "processed_of_even_share": round(len(statuses) / even, 4),
        "results_per_second": round(len(statuses) / seconds, 1),
        "stamp_to_publish_ms": percentiles(latency),
        **{name: percentiles(values) for name, values in stages.items()},
        # Transport, and waiting for the executor, the worker and the frame before.
        "before_decode_ms": percentiles(latency - np.sum(list(stages.values()), 0)),
    }


def measure(cameras: Cameras, pid: int, seconds: float) -> dict[str, Any]:
    """Figures from the first results on; empty where there were none."""
    executor = SingleThreadedExecutor()
    executor.add_node(cameras.node)
    begun, first = time.monotonic(), 0.0

    def spin_until(end: float, enough: int) -> None:
        while time.monotonic() < end and min(map(len, cameras.statuses.values())) < enough:
            executor.spin_once(timeout_sec=0.2)

    spin_until(begun + _PATIENCE, 1)
    first = time.monotonic()
    spin_until(first + _PATIENCE, _STARTING)
    before = {name: (len(kept), cameras.sent[name]) for name, kept in cameras.statuses.items()}
    start, cpu = time.monotonic(), cpu_seconds(pid)
    spin_until(start + seconds, 10**9)
    spent, cores = time.monotonic() - start, cpu_seconds(pid) - cpu
    executor.shutdown()
    kept = {name: cameras.statuses[name][count:] for name, (count, _) in before.items()}
    total = sum(map(len, kept.values()))
    if not total:
        return {}
    even = total / len(kept)
    return {
        "model": next(items[-1].model_id for items in kept.values() if items),
        "start_to_first_result_s": round(first - begun, 2),
        "rss_mb": round(memory_mb(pid), 1),
        "cpu_cores": round(cores / spent, 2),
        "results_per_second": round(total / spent, 1),
        "cameras": {
            name or "camera": camera_figures(
                items, cameras.sent[name] - before[name][1], spent, even
            )
            for name, items in kept.items()
        },
    }


def main() -> int:
    """Run, print and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", default="warehouse")
    add("--clip", type=Path, default=CLIP, help="video, images or bag")
    add(
        "--rate",
        type=float,
        default=30.0,
        help="images a second of each camera; 0: as fast as the node can",
    )
    add("--cameras", type=int, default=1, metavar="N")
    add("--masks", action="store_true", help="subscribe to the masks, too")
    add("--seconds", type=float, default=20.0, help="how long to measure after the first results")
    add("--threads", type=int, default=2)
    add("--backend", default="auto", help="auto, litert or openvino")
    add("--cpu-quota", type=int, metavar="PERCENT", help="of one core, as CPUQuota; needs root")
    add("--json", type=Path)
    args = parser.parse_args()
    names = [f"camera{index}" for index in range(args.cameras)] if args.cameras > 1 else [""]
    # Beside a robot's nodes, of which it is no camera.
    os.environ.update({**TRANSPORT, **os.environ, "ROS_DOMAIN_ID": str(private_domain())})
    cv2.setNumThreads(1)
    rclpy.init()
    cameras = Cameras(names, read_images(args.clip), args.rate, args.masks)
    time.sleep(1.0)  # The cameras are up before the node, as on a robot.
    wanted = {"model": args.model, "num_threads": args.threads, "backend": args.backend}
    quota = CpuQuota(args.cpu_quota)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        several = {"cameras": names} if args.cameras > 1 else {}
        perception = start_node("perception_node", wanted | several, output=nowhere)
        try:
            quota.hold(perception.pid)
            found = measure(cameras, perception.pid, args.seconds)
            throttled = quota.throttled_share()
        finally:
            status = stop_node(perception)
            quota.remove()
    cameras.stop()
    cameras.node.destroy_node()
    rclpy.try_shutdown()
    if not found:
        print(f"no result within {_PATIENCE:g} s")
        return 1
    figures = {
        "machine": f"{os.cpu_count()} x {platform.machine()}",
        "rate_hz": args.rate,
        "threads": args.threads,
        "cpu_quota_percent": args.cpu_quota,
        "throttled_share": round(throttled, 3),
        **found,
        "exit_status": status,
    }
    print(json.dumps(figures, indent=2))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
