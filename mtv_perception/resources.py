"""Where the package's files lie that are no modules: models, message definitions, configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parents[1]


def share_folders(package: str) -> list[Path]:
    """The share folders of a ROS package: beside this installation, of the environment, and of the sourced prefixes."""
    prefixes = [Path(sys.prefix)]
    # Installed: <prefix>/lib/pythonX.Y/site-packages/mtv_perception
    prefixes += SOURCE_ROOT.parents[1:3]
    prefixes += [
        Path(item) for item in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if item
    ]
    found = [prefix / "share" / package for prefix in prefixes]
    return [
        folder
        for index, folder in enumerate(found)
        if folder.is_dir() and folder not in found[:index]
    ]
