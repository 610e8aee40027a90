"""What the package finds around it: its files that are no modules, and the memory of a process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parents[1]


def share_folders(package: str) -> list[Path]:
    """The share folders of a ROS package.

    Beside this installation, of the environment, and of the sourced prefixes.
    """
    prefixes = [Path(sys.prefix)]
    # Installed: <prefix>/lib/pythonX.Y/site-packages/mtv_perception, or into one folder.
    prefixes += [*SOURCE_ROOT.parents[1:3], SOURCE_ROOT]
    prefixes += [
        Path(item) for item in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if item
    ]
    found = [prefix / "share" / package for prefix in prefixes]
    return [
        folder
        for index, folder in enumerate(found)
        if folder.is_dir() and folder not in found[:index]
    ]


def memory_mb(pid: int | str = "self", field: str = "VmRSS") -> float:
    """Memory of a process, MiB; 0 where the system does not say (other than Linux).

    Args:
        pid: of the process, by default this one.
        field: a line of /proc/PID/status: VmRSS is what is resident, VmHWM the most that ever was.
    """
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    found = [line for line in lines if line.startswith(f"{field}:")]
    return round(int(found[0].split()[1]) / 1024, 2) if found else 0.0
