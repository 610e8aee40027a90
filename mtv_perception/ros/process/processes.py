"""Starting this package's nodes as processes of their own, as the demo and the tests do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtv_perception.resources import SOURCE_ROOT, share_folders
from mtv_perception.ros.middleware import FASTDDS_TRANSPORT

TRANSPORT = {"FASTDDS_BUILTIN_TRANSPORTS": FASTDDS_TRANSPORT}


def private_domain() -> int:
    """A ROS domain for this process and its children, never the one that the shell is set to."""
    domain = os.getpid() % 100 + 1
    return domain if str(domain) != os.environ.get("ROS_DOMAIN_ID") else domain + 1


def executable(name: str) -> Path:
    """The path of one of the package's executables, in the source tree or an installed prefix."""
    folders = [SOURCE_ROOT / "scripts"]
    folders += [
        share.parents[1] / "lib" / "mtv_perception" for share in share_folders("mtv_perception")
    ]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"Expected an executable {name!r} in {', '.join(map(str, folders))}.")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_text, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def start_node(
    name: str,
    parameters: Mapping[str, Any],
    *,
    remap: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    output: Any = None,
) -> subprocess.Popen[str]:
    """Start an executable with ROS parameters and remappings.

    Args:
        name: of the executable.
        parameters: of its node.
        remap: topic names.
        more: further ROS arguments, such as --params-file.
        environment: added to TRANSPORT and this process' own.
        output: where its text goes; a pipe by default.
    """
    command = [sys.executable, str(executable(name)), "--ros-args"]
    for key, value in parameters.items():
        command += ["-p", f"{key}:={_text(value)}"]
    for source, target in (remap or {}).items():
        command += ["-r", f"{source}:={target}"]
    command += more
    variables = {**TRANSPORT, **os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
    return subprocess.Popen(
        command,
        env=variables,
        text=True,
        stdout=output or subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def stop_node(process: subprocess.Popen[str], timeout: float = 15.0) -> int:
    """End a node as a robot would (SIGINT), and by force where it does not listen.

    Returns its exit status.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
