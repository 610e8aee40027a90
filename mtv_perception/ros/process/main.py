"""The one entry of every node process: checks first, then ROS, then the node."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mtv_perception.errors import ConfigError
from mtv_perception.ros.process.signals import ignore
from mtv_perception.ros.process.startup import prepare

_OF_BAGS = ("rosbags", "mcap", "zstandard")
USAGE = 2
"""Exit status: nothing was done, because of how the program was called or set up."""


@dataclass(frozen=True)
class Program:
    """A node executable.

    Attributes:
        node: `module:Class` of the node; imported after the checks, because the import loads ROS.
        help: what it does, in one sentence.
        ready: `module:function`, called with the node before it spins.
    """

    node: str
    help: str
    ready: str = ""


PROGRAMS = {
    "perception_node": Program(
        "mtv_perception.ros.perception.node:PerceptionNode",
        "Camera images in, detections and a segmentation mask out.",
        ready="mtv_perception.ros.perception.main:ready",
    ),
    "zones_node": Program(
        "mtv_perception.ros.zones.node:ZonesNode", "Says which zones are occupied, free or unknown."
    ),
    "ranging_node": Program(
        "mtv_perception.ros.ranging.node:RangingNode",
        "Puts detections into metres, and maps the floor.",
    ),
    "recorder_node": Program(
        "mtv_perception.ros.tools.recorder:RecorderNode",
        "Records the perception node's topics into a bag.",
    ),
    "image_replay_node": Program(
        "mtv_perception.ros.tools.image_replay:ImageReplayNode",
        "Publishes a video, image folder or bag as a camera.",
    ),
    "state_log_node": Program(
        "mtv_perception.ros.tools.state_log:StateLogNode",
        "Writes zone states and measured objects as JSON lines.",
    ),
    "web_view_node": Program(
        "mtv_perception.ros.tools.web_view:WebViewNode",
        "Shows a camera's overlay and figures on a web page.",
    ),
}


def run(program: str, arguments: Sequence[str] | None = None) -> int:
    """Run a node process to its end.

    Args:
        program: a key of PROGRAMS.
        arguments: the command line without the program's name; by default this process'.

    Returns:
        The exit status: 0 after a stop on request, 1 where the node failed, 2 where it could not
        start.
    """
    try:
        return _run(program, sys.argv[1:] if arguments is None else list(arguments))
    except ConfigError as error:
        print(f"{program}: {error}", file=sys.stderr)  # noqa: T201 (ROS's log is not there yet)
        return USAGE
    finally:
        ignore()


def _run(program: str, arguments: list[str]) -> int:
    line, files = prepare(arguments, os.environ)
    if line.wants_help:
        print(usage(program))  # noqa: T201
        return 0
    node = _load(PROGRAMS[program].node)
    ready = _load(PROGRAMS[program].ready) if PROGRAMS[program].ready else None
    from mtv_perception.ros.process.spin import spin

    return spin(node, arguments, ready, files)


def _load(reference: str) -> Any:
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in _OF_BAGS:
            raise ConfigError(
                f"Expected packages that read and write bags, found no {error.name}; install them as "
                "docs/how-to/deploy.md says (Record and replay bags), or run make setup."
            ) from error
        raise ConfigError(
            f"Expected a ROS 2 with this package's messages in this environment, found no {error.name}; "
            "source the workspace's setup.bash, or scripts/env.sh of the source tree."
        ) from error


def usage(program: str) -> str:
    """The text of --help."""
    return (
        f"usage: {program} [--ros-args [-p NAME:=VALUE] [-r FROM:=TO] [--params-file FILE] [--log-level LEVEL]]\n\n"
        f"{PROGRAMS[program].help}\n\n"
        f"While it runs: ros2 param list, ros2 param describe NODE NAME. Documentation: docs/reference/topics.md"
    )
