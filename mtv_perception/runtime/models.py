"""The models that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

from mtv_perception.errors import ArtefactError
from mtv_perception.resources import SOURCE_ROOT, share_folders


def model_folders() -> list[Path]:
    """Where models may lie: the source tree, then share folders."""
    folders = [
        SOURCE_ROOT / "models",
        *(share / "models" for share in share_folders("mtv_perception")),
    ]
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
    known = sorted(
        {item.parent.name for folder in model_folders() for item in folder.glob("*/model.yaml")}
    )
    raise ArtefactError(
        f"Expected a model folder or one of {', '.join(known) or 'no installed model'}, got {name!r}."
    )
