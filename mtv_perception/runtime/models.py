"""The models that come with the package, by name."""

from __future__ import annotations

from collections.abc import Sequence
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


def find_model(name: str, allowed: Sequence[str] = ()) -> Path:
    """The folder of a model. A plain name is that of a model of the package.

    Even if a folder here has that name.

    Args:
        name: of a model that comes with the package, or the path of a model folder.
        allowed: folders that the model must lie in; any where empty.

    Raises:
        ArtefactError: no such model, or it lies elsewhere.
    """
    folder = _find(name)
    inside = [Path(item).expanduser().resolve() for item in allowed]
    if inside and not any(folder.resolve().is_relative_to(item) for item in inside):
        raise ArtefactError(
            f"Expected a model in {', '.join(map(str, inside))} (model_folders), got {name!r}."
        )
    return folder


def _find(name: str) -> Path:
    path = Path(name).expanduser()
    if len(path.parts) == 1 and not name.startswith((".", "~")):
        for folder in model_folders():
            if (folder / name / "model.yaml").is_file():
                return folder / name
    if path.is_dir():
        return path
    known = sorted(
        {item.parent.name for folder in model_folders() for item in folder.glob("*/model.yaml")}
    )
    raise ArtefactError(
        f"Expected a model folder or one of {', '.join(known) or 'no installed model'}, got {name!r}."
    )
