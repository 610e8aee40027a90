"""`mtv doctor`: what this machine has and lacks, with the fix for each."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from mtv_perception.resources import write_whole

HELP = "what this machine has and lacks, with the fix for each"


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
        name: of what was looked at.
        state: "ok", "optional" (not there, and no robot needs it), "missing" (a setting) or "broken"
            (the robot node needs it).
        detail: version or what is wrong.
        fix: what to do; empty when ok.
    """

    name: str
    state: str
    detail: str
    fix: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings here")


def _pip_on_robot(package: str) -> str:
    """Plain pip would replace the NumPy that the ROS 2 packages of Ubuntu are built for."""
    return f"pip install {package}; beside Ubuntu's ROS 2 as docs/how-to/deploy.md says (Build)"


# Module, what it is for, needed on a robot, how to get it.
_MODULES = (
    ("numpy", "arrays", True, "pip install numpy"),
    ("cv2", "images", True, "pip install opencv-python-headless, or apt install python3-opencv"),
    ("yaml", "configuration", True, "pip install pyyaml"),
    ("ai_edge_litert", "running models", True, _pip_on_robot("ai-edge-litert")),
    ("simplejpeg", "decoding JPEG", True, _pip_on_robot("simplejpeg")),
    ("rclpy", "ROS 2", True, "source /opt/ros/$ROS_DISTRO/setup.bash, or run make setup"),
    (
        "vision_msgs",
        "detection messages",
        True,
        "apt install ros-$ROS_DISTRO-vision-msgs, or run make setup",
    ),
    (
        "mtv_perception.msg",
        "our own messages",
        True,
        "build the package with colcon, or run make setup",
    ),
    ("tensorflow", "training and export", False, "make setup, or pip install -e '.[train]'"),
    (
        "rosbags",
        "recording and replaying bags",
        False,
        "make setup, or pip install -e '.[replay]'; beside Ubuntu's ROS 2 as "
        "docs/how-to/deploy.md says (Record and replay bags)",
    ),
    ("pycocotools", "evaluation", False, "make setup, or pip install -e '.[train]'"),
    ("moderngl", "mtv synth", False, "make setup, or pip install -e '.[synth]'"),
)


@cache
def _distributions() -> Mapping[str, list[str]]:
    """Distributions by the module they install; reading them all takes a second."""
    return importlib.metadata.packages_distributions()


def _version(module: str) -> str:
    names = _distributions().get(module.split(".")[0], [])
    return importlib.metadata.version(names[0]) if names else "installed"


def _module(module: str, purpose: str, needed: bool, fix: str) -> Finding:
    name = f"{module} ({purpose})"
    try:
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"no module named {module!r}")
        if needed:  # Others, such as TensorFlow, take seconds.
            importlib.import_module(module)
    except ImportError as error:
        return Finding(name, "broken" if needed else "optional", str(error), fix)
    return Finding(name, "ok", _version(module))


def _transport() -> Finding:
    from mtv_perception.ros.middleware import FASTDDS_TRANSPORT, VGA_BYTES, transport_warning

    name = "Fast DDS transport"
    middleware = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if "fastrtps" not in middleware:
        return Finding(name, "ok", f"not used: {middleware}")
    if warning := transport_warning(middleware, VGA_BYTES["raw"]):
        where = "in every process that sends images, the camera's too"
        return Finding(
            name,
            "missing",
            warning,
            f"export FASTDDS_BUILTIN_TRANSPORTS='{FASTDDS_TRANSPORT}' {where}",
        )
    profile = os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE")
    return Finding(
        name, "ok", profile or os.environ.get("FASTDDS_BUILTIN_TRANSPORTS") or "a profile"
    )


def _models() -> Finding:
    from mtv_perception.errors import MtvError
    from mtv_perception.runtime import Perceiver, load_artefact
    from mtv_perception.runtime.models import find_model

    try:
        perceiver = Perceiver(load_artefact(find_model("warehouse")))
    except (MtvError, ImportError) as error:
        return Finding(
            "model 'warehouse'",
            "broken",
            str(error),
            "check out the repository whole, or train one: docs/how-to/train.md",
        )
    return Finding("model 'warehouse'", "ok", perceiver.spec.model_id)


def _cpu() -> Finding:
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8") if info.is_file() else ""
    fast = [name for name in ("avx512_vnni", "avx_vnni", "asimddp", "i8mm") if name in flags]
    detail = f"{os.cpu_count()} x {platform.machine()}, int8 dot products: {', '.join(fast) or 'none found'}"
    return Finding("processor", "ok", detail)


_CHECKS: tuple[Callable[[], Finding], ...] = (_cpu, _transport, _models)


def run(args: argparse.Namespace) -> int:
    """Print every finding; exit status 1 when the robot node can't run here."""
    findings = [_module(*row) for row in _MODULES] + [check() for check in _CHECKS]
    for item in findings:
        print(f"{item.state:>8}  {item.name}: {item.detail}")
        if item.fix:
            print(f"{'':>8}    fix: {item.fix}")
    if args.json:
        write_whole(args.json, json.dumps([asdict(item) for item in findings], indent=2) + "\n")
    return 1 if any(item.state == "broken" for item in findings) else 0
