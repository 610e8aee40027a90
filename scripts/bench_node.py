#!/usr/bin/env python3
"""Measures the perception node as a process: start to first result, memory, stamp-to-publish latency, share processed.

    . scripts/env.sh && .venv/bin/python scripts/bench_node.py --model warehouse --rate 30 --seconds 20
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile

from mtv_perception.demo import CLIP
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.processes import start_node, stop_node


def resident_mb(pid: int) -> float:
    """Resident memory of a process, MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p95 and p99 by name."""
    return {f"p{q}": round(float(np.percentile(values, q)), 2) for q in (50, 95, 99)}


def main() -> int:
    """Run, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="warehouse")
    parser.add_argument("--clip", default=str(CLIP))
    parser.add_argument("--rate", type=float, default=30.0, help="camera frames a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to measure after the first result")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))
    rclpy.init()
    node, seen = rclpy.create_node("bench"), []
    node.create_subscription(PerceptionStatus, "perception/status", seen.append, QoSProfile(depth=100))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    source = {"source": args.clip, "rate": args.rate, "loop": True, "wait_for_subscribers": 0}
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        camera = start_node("image_replay_node", source, output=nowhere)
        time.sleep(3.0)  # the camera is up before the node, as on a robot
        begun = time.monotonic()
        perception = start_node("perception_node", {"model": args.model, "num_threads": args.threads}, output=nowhere)
        first = None
        while (first is None or time.monotonic() - first < args.seconds) and time.monotonic() - begun < 120:
            executor.spin_once(timeout_sec=0.2)
            if first is None and seen:
                first = time.monotonic()
        memory = resident_mb(perception.pid)
        statuses = [stop_node(process) for process in (camera, perception)]
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    if first is None:
        print("no result within 120 s")
        return 1
    latency = percentiles([message.stamp_to_publish_ms for message in seen[5:]])
    network = percentiles([message.network_ms for message in seen[5:]])
    last = seen[-1]
    figures = {
        "machine": f"{os.cpu_count()} x {platform.machine()}",
        "model": last.model_id,
        "threads": args.threads,
        "rate_hz": args.rate,
        "start_to_first_result_s": round(first - begun, 2),
        "rss_mb": round(memory, 1),
        "stamp_to_publish_ms": latency,
        "network_ms": network,
        "results_per_second": round(len(seen) / args.seconds, 1),
        "received": last.received,
        "processed": last.processed,
        "dropped": last.dropped,
        "exit_statuses": statuses,
    }
    print(json.dumps(figures, indent=2))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
