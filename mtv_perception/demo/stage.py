"""The demo's processes: camera, perception, zones, ranging, recorder and state log.

Over real DDS.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from mtv_perception.ros.process.processes import start_node, stop_node

_STARTUP_S = 90.0


class Stage:
    """Processes of one DDS domain that end together; use as a context manager.

    Args:
        log: file for everything they print.
    """

    def __init__(self, log: Path) -> None:
        self._log_path = log
        domain = os.environ.get("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))
        self._environment = {"ROS_DOMAIN_ID": domain}
        self._running: list[tuple[str, subprocess.Popen[str]]] = []

    def __enter__(self) -> Stage:
        self._log: IO[str] = self._log_path.open("w", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        for _, process in reversed(self._running):
            stop_node(process)
        self._log.close()

    def start(self, name: str, parameters: Mapping[str, Any]) -> subprocess.Popen[str]:
        """Start a node."""
        process = start_node(name, parameters, environment=self._environment, output=self._log)
        self._running.append((name, process))
        return process

    def wait_for(self, text: str) -> None:
        """Wait until some node has printed a text.

        Raises:
            RuntimeError: a node ended first, or nobody printed it.
        """
        deadline = time.monotonic() + _STARTUP_S
        while text not in self._log_path.read_text(encoding="utf-8"):
            self.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"Nobody said {text!r}; see {self._log_path}.")
            time.sleep(0.1)

    def check(self, except_for: subprocess.Popen[str] | None = None) -> None:
        """RuntimeError when a node has ended by itself."""
        for name, process in self._running:
            if process is not except_for and process.poll() is not None:
                raise RuntimeError(f"{name} has ended; see {self._log_path}.")

    def follow(self, camera: subprocess.Popen[str], stamps: Path, frames: int, rate: float) -> None:
        """Wait until a camera has published `frames` images, or has ended."""
        limit = time.monotonic() + 60 + 3 * frames / rate
        while camera.poll() is None and len(published(stamps)) < frames:
            print(f"\rdemo: {len(published(stamps)):4d} of {frames} images", end="", flush=True)
            time.sleep(0.2)
            self.check(camera)
            if time.monotonic() > limit:
                raise RuntimeError(f"The camera hangs; see {self._log_path}.")
        print(f"\rdemo: {len(published(stamps)):4d} of {frames} images")

    def end(self, process: subprocess.Popen[str]) -> None:
        """Kill one process without warning, as a pulled plug would."""
        process.kill()
        process.wait()
        self._running = [item for item in self._running if item[1] is not process]


def published(path: Path) -> list[tuple[int, str]]:
    """Stamp and frame id of every image that a camera has published."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [tuple(json.loads(line)) for line in lines if line.endswith("]")]
