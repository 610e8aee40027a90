#!/usr/bin/env python3
"""Runs the real `ros2` commands against this package's nodes, and writes what they answered.

Needs a shell in which `ros2` and this package work: a robot's, or a source tree with scripts/env.sh
sourced and ros2cli, launch and launch_ros on PYTHONPATH and PATH.

    tools/ros2cli_check.py [--report build/ros2cli.md]

Exit status 0 when every command answered as expected, 1 when one did not, 2 without `ros2`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from mtv_perception.errors import ConfigError
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros.process.params_file import read_params_file
from mtv_perception.ros.process.processes import start_node, stop_node

CLIP = SOURCE_ROOT / "docs" / "media" / "people.mp4"
TIMEOUT_S = 90.0
_SHOWN_LINES = 6
# A second domain, so that a node configured by a dump does not meet the one that was dumped.
_DOMAINS = ("77", "78")


@dataclass(frozen=True)
class Step:
    """A command and what its answer must hold.

    Attributes:
        command: of the shell, `ros2` first.
        expects: regular expressions that the output must match.
        status: exit status; None for any.
        seconds: SIGINT is sent after so long; 0 waits for the end.
    """

    command: str
    expects: tuple[str, ...] = ()
    status: int | None = 0
    seconds: float = 0.0


@dataclass
class Answer:
    """What a step gave."""

    step: Step
    status: int
    output: str
    missing: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether all that was expected was there."""
        return not self.missing and self.step.status in (None, self.status)


def steps(dump: Path) -> list[Step]:
    """All commands against a running perception node and camera."""
    fails = "failed|Failed"
    return [
        Step("ros2 node list", ("/perception\n",)),
        Step("ros2 node info /perception", ("/detections", "/perception/reload_model")),
        Step("ros2 param list /perception", ("score_threshold", "cameras")),
        Step(
            f"ros2 param load /perception {dump}",
            ("parameter max_age successful", "cameras failed.*read-only"),
            None,
        ),
        *[
            Step(f"ros2 param describe /perception {name}", (f"Type: {kind}", "Description: \\w"))
            for name, kind in {
                "model": "string",
                "track": "boolean",
                "max_detections": "integer",
                "max_age": "double",
                "cameras": "string array",
                "camera_weights": "double array",
            }.items()
        ],
        Step("ros2 param set /perception max_age 3", ("successful",)),
        Step("ros2 param get /perception max_age", ("Double value is: 3.0",)),
        Step("ros2 param set /perception camera_weights '[2]'", ("successful",)),
        Step("ros2 param set /perception camera_weights '[]'", ("successful",)),
        *[
            Step(f"ros2 param set /perception {name} {value}", (fails,), None)
            for name, value in {
                "max_age": "high",
                "score_threshold": "5.0",
                "max_detections": "1.5",
                "mask_size": "huge",
                "camera_weights": "'[1.0, 2.0]'",
                "cameras": "'[front]'",
                "model": "nowhere",
            }.items()
        ],
        Step("ros2 topic list -t", (r"/detections \[vision_msgs/msg/Detection2DArray\]",)),
        Step("ros2 topic info -v /image", ("Reliability: BEST_EFFORT", "Node name: perception")),
        Step("ros2 topic info -v /segmentation/mask", ("Node name: perception", "Reliability:")),
        Step("ros2 topic info -v /label_info", ("Durability: TRANSIENT_LOCAL",)),
        Step("ros2 topic hz /detections --window 10", ("average rate",), None, 40.0),
        Step("ros2 topic echo --once /detections", ("detections:",)),
        Step("ros2 topic echo --once /label_info", ("class_name: person",)),
        Step("ros2 service list", ("/perception/set_enabled",)),
        Step(
            "ros2 service call /perception/set_enabled std_srvs/srv/SetBool '{data: false}'",
            ("success=True", "disabled"),
        ),
        Step(
            "ros2 service call /perception/set_enabled std_srvs/srv/SetBool '{data: true}'",
            ("success=True",),
        ),
        Step("ros2 service call /perception/reload_model std_srvs/srv/Trigger", ("success=",)),
        Step("ros2 lifecycle nodes", ("/perception",)),
        Step("ros2 lifecycle get /perception", ("active",)),
        Step("ros2 lifecycle set /perception deactivate", ("successful",)),
        Step("ros2 lifecycle get /perception", ("inactive",)),
        Step("ros2 lifecycle set /perception activate", ("successful",)),
        Step("ros2 lifecycle set /perception configure", (fails + "|Unknown",), None),
        Step(
            f"ros2 launch {SOURCE_ROOT}/launch/perception.launch.py --show-args", ("'transport'",)
        ),
        Step(
            f"ros2 launch {SOURCE_ROOT}/launch/demo.launch.py --show-args",
            ("'source'", "'image_topic'", "'cameras'"),
        ),
    ]


def run(step: Step, environment: dict[str, str]) -> Answer:
    """Run a step to its end, or until its SIGINT."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {step.command}"],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = process.communicate(timeout=step.seconds or TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            output, _ = process.communicate(timeout=10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
    missing = [text for text in step.expects if not re.search(text, output)]
    return Answer(step, process.returncode, output, missing)


def dumped(name: str, environment: dict[str, str], path: Path) -> Answer:
    """`ros2 param dump` into a file, which must be a parameters file without an empty value."""
    answer = run(Step(f"ros2 param dump {name}", ("ros__parameters",)), environment)
    path.write_text(answer.output, encoding="utf-8")
    try:
        read_params_file(path)
        if re.search(r": (null)?$", re.sub(r"(?m)^\S.*|^  ros__.*", "", answer.output)):
            answer.missing.append("no empty value")
    except ConfigError as error:
        answer.missing.append(str(error))
    return answer


def check(folder: Path) -> list[Answer]:
    """Start the nodes, run every step, end the nodes."""
    first, second = ({**os.environ, "ROS_DOMAIN_ID": domain} for domain in _DOMAINS)
    running = []
    with (folder / "nodes.log").open("w") as log:
        try:
            running.append(start_node("perception_node", {}, environment=first, output=log))
            camera = {"source": str(CLIP), "loop": True, "wait_for_subscribers": 0}
            running.append(start_node("image_replay_node", camera, environment=first, output=log))
            _wait_for(folder / "nodes.log", "ready")
            answers = [dumped("/perception", first, folder / "first.yaml")]
            answers += [_told(run(step, first)) for step in steps(_for_all(folder / "first.yaml"))]
            file = ["--params-file", str(folder / "first.yaml")]
            with (folder / "second.log").open("w") as other:
                running.append(
                    start_node("perception_node", {}, more=file, environment=second, output=other)
                )
            _wait_for(folder / "second.log", "ready")
            again = dumped("/perception", second, folder / "second.yaml")
            if _settings(folder / "first.yaml") != _settings(folder / "second.yaml"):
                again.missing.append("the settings of the first dump")
            return [*answers, again]
        finally:
            for process in running:
                stop_node(process)
            for environment in (first, second):
                run(Step("ros2 daemon stop", status=None), environment)


def _for_all(dump: Path) -> Path:
    """The dump for nodes of every name: ros2cli 0.36 with rclpy 9 loads no other file."""
    path = dump.with_name("load.yaml")
    text = dump.read_text(encoding="utf-8").replace("/perception:", "/**:", 1)
    path.write_text(text, encoding="utf-8")
    return path


def _told(answer: Answer) -> Answer:
    print("ok  " if answer.is_right else "FAIL", answer.step.command, flush=True)
    if not answer.is_right:
        print(f"     status {answer.status}, missing {answer.missing}\n{answer.output}", flush=True)
    return answer


def _settings(path: Path) -> object:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _wait_for(log: Path, word: str) -> None:
    end = time.monotonic() + TIMEOUT_S
    while word not in log.read_text(encoding="utf-8"):
        if time.monotonic() > end:
            raise SystemExit(f"expected {word!r} in {log}, got:\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.2)


def report(answers: list[Answer]) -> str:
    """The answers as a table in Markdown."""
    rows = ["| command | status | as expected | answer (shortened) |", "|---|---|---|---|"]
    for answer in answers:
        lines = [line.strip() for line in answer.output.splitlines() if line.strip()]
        shown = " / ".join(lines[:_SHOWN_LINES])[:200].replace("|", "\\|").replace("`", "'")
        command = answer.step.command.replace(f"{SOURCE_ROOT}/", "").replace("|", "\\|")
        command = re.sub(r"/\S*/(\w+\.yaml)", r"\1", command)
        verdict = "yes" if answer.is_right else f"no: {', '.join(answer.missing)}"
        rows.append(f"| `{command}` | {answer.status} | {verdict} | `{shown}` |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--report", type=Path, help="write the answers here, in Markdown")
    options = parser.parse_args()
    if not shutil.which("ros2"):
        print("expected `ros2` on PATH, found none; source a ROS 2 with ros2cli.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        answers = check(Path(folder))
    text = report(answers)
    if options.report:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(text, encoding="utf-8")
    wrong = [answer for answer in answers if not answer.is_right]
    print(f"{len(answers) - len(wrong)} of {len(answers)} commands answered as expected")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
