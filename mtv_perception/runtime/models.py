"""The models that come with the package, by name."""

from __future__ import annotations

import os
from pathlib import Path

from mtv_perception.errors import ArtefactError


def model_folders() -> list[Path]:
    """Where models may lie: the source tree, then every ROS prefix's share folder."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    folders = [Path(__file__).resolve().parents[2] / "models"]
    # Installed: <prefix>/lib/pythonX.Y/site-packages/mtv_perception/runtime/models.py
    folders += [parent / "share" / "mtv_perception" / "models" for parent in Path(__file__).resolve().parents[3:7]]
    folders += [Path(prefix) / "share" / "mtv_perception" / "models" for prefix in prefixes if prefix]
    return [folder for folder in folders if folder.is_dir()]


def find_model(name: str) -> Path:
    """The folder of a model: a path as it is, or the name of one that comes with the package.

    Raises:
        ArtefactError: neither.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if not path.is_absolute() and ".." not in path.parts:
        for folder in model_folders():
            if (folder / name / "model.yaml").is_file():
                return folder / name
    known = sorted({item.parent.name for folder in model_folders() for item in folder.glob("*/model.yaml")})
    raise ArtefactError(f"Expected a model folder or one of {', '.join(known) or 'no installed model'}, got {name!r}.")
