"""Puts what lies beside the modules into the wheel; everything else is said in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import setup

SHARE = Path("share", "mtv_perception")
# Folder of the repository: where it goes. They are where `mtv_perception.resources` looks for them.
FOLDERS = {
    "models": SHARE / "models",
    "config": SHARE / "config",
    "launch": SHARE / "launch",
    "msg": SHARE / "msg",
    "third_party/vision_msgs/msg": Path("share", "vision_msgs", "msg"),
}


def data_files() -> list[tuple[str, list[str]]]:
    """Each folder to install, with its files.

    None for an editable installation, which has the tree.
    """
    if "editable_wheel" in sys.argv:
        return []
    found: dict[str, list[str]] = {}
    for source, target in FOLDERS.items():
        for path in sorted(Path(source).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                folder = target / path.parent.relative_to(source)
                found.setdefault(folder.as_posix(), []).append(path.as_posix())
    return list(found.items())


setup(data_files=data_files())
