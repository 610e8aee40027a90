"""Which files make a bag, in which order, and what other recordings are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mtv_perception.errors import ReplayError
from mtv_perception.media.files import natural_key

METADATA = "metadata.yaml"
ACTIVE = ".active"
"""What some recorders append to the name of a file while they write it."""
SUFFIXES = (".mcap", ".db3")
_ENDINGS = tuple(
    f"{suffix}{packed}{active}"
    for suffix in SUFFIXES
    for packed in ("", ".zstd")
    for active in ("", ACTIVE)
)
_METADATA_BYTES = 64 << 20
_ROS1_MAGIC = b"#ROSBAG"
_PART = re.compile(r"^(.*?)(?:_\d+)?$")


@dataclass(frozen=True)
class BagFiles:
    """The storage files of a bag.

    Attributes:
        files: in recorded order.
        damage: what is known to be wrong before any is opened.
        is_finished: whether the recorder closed the bag: its metadata is there, or a file was
            named.
    """

    files: tuple[Path, ...]
    damage: str = ""
    is_finished: bool = True


def is_bag(path: Path) -> bool:
    """Whether a path is a rosbag2: a folder with metadata or storage files, or a storage file."""
    if path.is_dir():
        return (path / METADATA).is_file() or any(_is_storage(item) for item in path.iterdir())
    return _is_storage(path)


def _is_storage(path: Path) -> bool:
    return path.name.endswith(_ENDINGS) and not path.name.startswith(".")


def is_ros1_bag(path: Path) -> bool:
    """Whether a path is a bag of ROS 1, or a folder with one."""
    if path.is_dir():
        return any(item.suffix == ".bag" and is_ros1_bag(item) for item in path.iterdir())
    try:
        with path.open("rb") as file:
            return file.read(len(_ROS1_MAGIC)) == _ROS1_MAGIC
    except OSError as error:
        raise ReplayError(f"{path}: expected a file that can be read: {error.strerror}.") from error


def refuse_ros1(path: Path) -> None:
    """Raise ReplayError for a bag of ROS 1, with the command that converts it."""
    if not is_bag(path) and is_ros1_bag(path):
        raise ReplayError(
            f"{path}: expected a bag of ROS 2, got one of ROS 1. Convert it: pip install rosbags && "
            f"rosbags-convert --src {path} --dst {path.stem}_ros2"
        )


def storage_suffix(path: Path) -> str:
    """Either ".mcap" or ".db3", whatever else the name ends in."""
    name = path.name.removesuffix(ACTIVE).removesuffix(".zstd")
    return Path(name).suffix


def find_files(path: Path) -> BagFiles:
    """The storage files of a bag folder in recorded order, or the file itself.

    Raises:
        ReplayError: there is no bag, or the folder holds several.
    """
    if not path.exists():
        raise ReplayError(f"{path}: expected a rosbag2 bag, found nothing.")
    refuse_ros1(path)
    if not path.is_dir():
        if not _is_storage(path):
            raise ReplayError(
                f"{path}: expected a rosbag2 bag (a folder, {' or '.join(SUFFIXES)}), got a file of "
                "another kind."
            )
        active = path.name.endswith(ACTIVE)
        return BagFiles((path,), is_finished=not active)
    present = sorted(filter(_is_storage, path.iterdir()), key=lambda item: natural_key(item.name))
    if not (path / METADATA).is_file():
        _refuse_several(path, present)
        return BagFiles(tuple(present), is_finished=False)
    try:
        names = _listed(path / METADATA)
    except Exception as error:  # Broken YAML makes its parser raise anything.
        _refuse_several(path, present)
        return BagFiles(tuple(present), f"{METADATA} can't be read: {type(error).__name__}")
    return _as_listed(path, names, present)


def _listed(path: Path) -> list[str]:
    """The files that the metadata names; of any version, for they all say it in the same way."""
    with path.open(encoding="utf-8") as file:
        content: Any = yaml.safe_load(file.read(_METADATA_BYTES))
    return [str(name) for name in content["rosbag2_bagfile_information"]["relative_file_paths"]]


def _as_listed(path: Path, names: list[str], present: list[Path]) -> BagFiles:
    """Files are looked for in the bag's own folder alone, wherever the metadata points."""
    by_name = {item.name: item for item in present}
    files, missing = [], []
    for name in dict.fromkeys(names):
        base = Path(name).name
        found = next(
            (
                by_name[item]
                for item in (base, f"{base}.zstd", base.removesuffix(".zstd"))
                if item in by_name
            ),
            None,
        )
        if found is None:
            missing.append(base)
        elif found not in files:
            files.append(found)
    if not files and not present:
        raise ReplayError(
            f"{path}: expected a rosbag2 bag, found {METADATA} without its storage files."
        )
    if not files:
        return BagFiles(
            tuple(present), f"{METADATA} names {missing[0]}, the folder has {present[0].name}"
        )
    damage = f"{', '.join(missing)} of {METADATA} is missing" if missing else ""
    return BagFiles(tuple(files), damage)


def _refuse_several(path: Path, files: list[Path]) -> None:
    """Parts of one bag share a name with a number behind it; others are bags of their own."""
    stems = {_PART.sub(r"\1", item.name.split(".")[0]) for item in files}
    if len(stems) > 1:
        raise ReplayError(
            f"{path}: expected one bag, found {len(files)} storage files of {len(stems)} bags without "
            f"{METADATA}: {', '.join(item.name for item in files[:5])}; give them one by one."
        )
    if not files:
        raise ReplayError(f"{path}: expected a rosbag2 bag, found none.")
