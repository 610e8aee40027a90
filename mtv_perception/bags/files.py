"""Which files make a bag, in which order, and what other recordings are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtv_perception.errors import ReplayError
from mtv_perception.media.files import natural_key
from mtv_perception.resources import is_stream, pointer_hint
from mtv_perception.yaml_text import parse_yaml

METADATA = "metadata.yaml"
ACTIVE = ".active"
"""What some recorders append to the name of a file while they write it."""
SUFFIXES = (".mcap", ".db3")
_PACKED = (".zstd", ".zst")
_ENDINGS = tuple(
    f"{suffix}{packed}{active}"
    for suffix in SUFFIXES
    for packed in ("", *_PACKED)
    for active in ("", ACTIVE)
)
_ARCHIVES = (".gz", ".tgz", ".bz2", ".xz", ".lz4", ".zip", ".7z", ".tar", ".rar")
_METADATA_BYTES = 64 << 20
_METADATA_KEY = "rosbag2_bagfile_information"
_METADATA_HEAD_BYTES = 64 << 10
"""Where that key is looked for; rosbag2 writes it first."""
_ROS1_MAGIC = b"#ROSBAG"
ZSTD = "zstd"
_MAGICS = {
    b"\x89MCAP0\r\n": ".mcap",
    b"SQLite format 3\0": ".db3",
    b"\x28\xb5\x2f\xfd": ZSTD,
}
"""A file is what its first bytes say; its name decides where they are broken."""
_PART = re.compile(r"^(.*?)(?:_(\d{1,4}))?$")
"""The name of a bag and the number of the part; longer numbers are dates."""


@dataclass(frozen=True)
class BagFiles:
    """The storage files of a bag.

    Attributes:
        files: in recorded order.
        damage: what is known to be wrong before any is opened.
        is_finished: whether the recorder closed the bag: its metadata is there, or a file was
            named.
        beside: storage files in the same folder that belong to other bags.
    """

    files: tuple[Path, ...]
    damage: str = ""
    is_finished: bool = True
    beside: tuple[Path, ...] = ()


def is_bag(path: Path) -> bool:
    """Whether a path is a rosbag2: a folder with its metadata or storage files, or such a file."""
    if path.is_dir():
        return any(_is_storage(item) for item in path.iterdir()) or _is_metadata(path / METADATA)
    return _is_storage(path)


def _is_metadata(path: Path) -> bool:
    """Whether a file is the metadata of a bag: other programs have a metadata.yaml, too."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _METADATA_KEY.encode() in file.read(_METADATA_HEAD_BYTES)


def _is_storage(path: Path) -> bool:
    named = path.name.lower().endswith(_ENDINGS) and not path.name.startswith(".")
    return named and not path.is_dir() and not is_stream(path)


def unpack_hint(path: Path) -> str:
    """What to do with a file that holds a compressed bag or several files; "" for others."""
    return f"; unpack {path.name} first" if path.name.lower().endswith(_ARCHIVES) else ""


def is_ros1_bag(path: Path) -> bool:
    """Whether a path is a bag of ROS 1, or a folder with one."""
    if path.is_dir():
        return any(item.suffix == ".bag" and is_ros1_bag(item) for item in path.iterdir())
    if is_stream(path):
        return False
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


def storage_kind(path: Path, named: Path | None = None) -> str:
    """Either ".mcap", ".db3" or ZSTD, by the file's content; by its name where that tells nothing.

    Args:
        path: of the file.
        named: whose name counts, where it is not the file's own.
    """
    with path.open("rb") as file:
        start = file.read(max(map(len, _MAGICS)))
    found = [kind for magic, kind in _MAGICS.items() if start.startswith(magic)]
    return found[0] if found else Path(plain_name((named or path).name).lower()).suffix


def plain_name(name: str) -> str:
    """A storage file's name without what compression and a running recorder append."""
    for ending in (ACTIVE, *_PACKED):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name


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
                f"another kind{unpack_hint(path)}."
            )
        active = path.name.lower().endswith(ACTIVE)
        return BagFiles((path,), is_finished=not active)
    present = sorted(filter(_is_storage, path.iterdir()), key=lambda item: natural_key(item.name))
    if not (path / METADATA).is_file():
        return BagFiles(*_unlisted(path, present), is_finished=False)
    try:
        names = _listed(path / METADATA)
    except (ReplayError, ValueError, OSError) as error:
        files, damage = _unlisted(path, present)
        what = " ".join(str(error).split())
        return BagFiles(
            files, "; ".join(filter(None, (f"{METADATA} can't be read: {what}", damage)))
        )
    return _as_listed(path, names, present)


def _listed(path: Path) -> list[str]:
    """The files that the metadata names. All versions of the metadata name them alike.

    Raises:
        ReplayError: it names none.
    """
    if hint := pointer_hint(path):
        raise ReplayError(hint.removeprefix("; "))
    with path.open("rb") as file:
        content: Any = parse_yaml(file.read(_METADATA_BYTES))
    for key in (_METADATA_KEY, "relative_file_paths"):
        content = content.get(key) if isinstance(content, dict) else None
    if not content or not isinstance(content, list):
        raise ReplayError("it names no files; `ros2 bag reindex` writes it again")
    return [str(name) for name in content]


def _unlisted(path: Path, present: list[Path]) -> tuple[tuple[Path, ...], str]:
    """The files of a folder whose metadata names none, and which parts are missing among them."""
    files = [item for item in present if not _has_plain_twin(item, present)]
    _refuse_several(path, files)
    return tuple(files), _missing_parts(files)


def _has_plain_twin(item: Path, present: list[Path]) -> bool:
    """Whether a compressed file lies beside its own content: then that is read."""
    plain = plain_name(item.name)
    return item.name != plain and any(other.name == plain for other in present)


def _part_of(path: Path) -> tuple[str, str | None]:
    """The name of the bag that a storage file is a part of, and its number."""
    found = _PART.match(Path(plain_name(path.name)).stem)
    return (found[1], found[2]) if found else (path.name, None)


def _missing_parts(files: list[Path]) -> str:
    """Recorders number the parts of a bag from 0 on."""
    numbers = [part for _, part in map(_part_of, files)]
    if len(files) < 2 or None in numbers:
        return ""
    have = {int(number) for number in numbers if number}
    missing = sorted(set(range(max(have))) - have)
    if not missing:
        return ""
    name = _part_of(files[0])[0]
    parts = ", ".join(f"{name}_{number}" for number in missing[:5])
    return (
        f"{parts}{' and more' if len(missing) > 5 else ''} is missing, by the numbers of the others"
    )


def _as_listed(path: Path, names: list[str], present: list[Path]) -> BagFiles:
    """Files are looked for in the bag's own folder alone, wherever the metadata points."""
    by_name = {item.name: item for item in present}
    files, missing = [], []
    for name in dict.fromkeys(names):
        base = Path(name).name
        candidates = (base, *(f"{base}{packed}" for packed in _PACKED), plain_name(base))
        found = next((by_name[item] for item in candidates if item in by_name), None)
        if found is None:
            missing.append(base)
        elif found not in files:
            files.append(found)
    if not files and not present:
        packed = next((item for item in sorted(path.iterdir()) if unpack_hint(item)), None)
        raise ReplayError(
            f"{path}: expected a rosbag2 bag, found {METADATA} without its storage files"
            f"{unpack_hint(packed) if packed else ''}."
        )
    if not files:
        return BagFiles(
            tuple(present), f"{METADATA} names {missing[0]}, the folder has {present[0].name}"
        )
    return _with_others(files, missing, present)


def _with_others(files: list[Path], missing: list[str], present: list[Path]) -> BagFiles:
    """The files that the metadata names, in the order of their numbers.

    Parts of the same bag that it does not name are read, too.
    """
    reasons = [f"{', '.join(missing)} of {METADATA} is missing"] if missing else []
    plain = {plain_name(item.name) for item in files}
    others = [item for item in present if plain_name(item.name) not in plain]
    bags = {_part_of(item)[0] for item in files}
    parts = [item for item in others if _part_of(item)[0] in bags]
    if parts:
        names = ", ".join(item.name for item in parts)
        reasons.append(f"{METADATA} does not name {names}; `ros2 bag reindex` writes it again")
    if len(bags) == 1:
        files = sorted((*files, *parts), key=lambda item: natural_key(item.name))
    return BagFiles(
        (*files, *(item for item in parts if item not in files)),
        "; ".join(reasons),
        beside=tuple(item for item in others if item not in parts),
    )


def _refuse_several(path: Path, files: list[Path]) -> None:
    """Parts of one bag share a name with a number behind it; others are bags of their own."""
    stems = {_part_of(item)[0] for item in files}
    if len(stems) > 1:
        raise ReplayError(
            f"{path}: expected one bag, found {len(files)} storage files of {len(stems)} bags without "
            f"{METADATA}: {', '.join(item.name for item in files[:5])}; give them one by one."
        )
    if not files:
        raise ReplayError(f"{path}: expected a rosbag2 bag, found none.")
