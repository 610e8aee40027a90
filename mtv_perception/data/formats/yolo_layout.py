"""Where YOLO data sets keep class names, splits, images and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from mtv_perception.config import read_yaml, short_repr
from mtv_perception.data.formats.base import Split, are_splits, same_split
from mtv_perception.data.formats.files import (
    by_stem,
    check_names,
    files,
    folders,
    has_suffix,
    images_in,
    is_file,
    is_folder,
    is_foreign_root,
    read_names,
    read_text,
    shown,
)
from mtv_perception.errors import ConfigError, DatasetError
from mtv_perception.labels import is_background

# The list of names stands in the split's folder or above it: ROOT/train/images, or
# ROOT/images/train.
_LEVELS_UP = 2
_YAML = (".yaml", ".yml")
_YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_TEXT_NAMES = ("classes.txt", "obj.names", "labels.txt")
_BESIDE = (Path(), Path("labels"))
_SPLIT_KEYS = ("train", "val", "valid", "validation", "test")


def find_splits(root: Path) -> tuple[Split, ...]:
    """The splits of a YOLO data set; none if `root` is not one."""
    if is_file(root):
        return _listed(root) if has_suffix(root, _YAML) else ()
    if not is_folder(root) or names_file(root) is None:
        return ()
    if root.parent.name == "images" and is_folder(root.parent.parent / "labels" / root.name):
        return (Split("", (root,)),)
    path = names_file(root)
    own = path is not None and path.parent == root and has_suffix(path, _YAML)
    listed = _listed(path) if own and path else _darknet(root)
    used = {source for split in listed for source in split.sources}
    seen = [split for split in _in_folders(root) if not _is_covered(split, listed, used)]
    return (*listed, *seen)


def _is_covered(split: Split, listed: Iterable[Split], used: set[Path]) -> bool:
    """Whether a folder of images is part of a split that the list of splits names."""
    resolved = {source.resolve() for source in used}
    own = {source.resolve() for source in split.sources}
    inside = any(base in path.parents or path in base.parents for path in own for base in resolved)
    names = any(same_split(split.name, item.name) for item in listed if item.name and split.name)
    return bool(own & resolved) or inside or names or any(has_suffix(p, (".txt",)) for p in used)


def _in_folders(root: Path) -> list[Split]:
    """The splits that the folders alone show."""
    images, labels = root / "images", root / "labels"
    if is_folder(images) and is_folder(labels):
        inner = [folder for folder in folders(images) if images_in(folder, True)]
        if images_in(images) or not inner:
            return [Split("", (images,))]
        return [Split(folder.name, (folder,)) for folder in inner]
    found = [f for f in folders(root) if is_folder(f / "images") and is_folder(f / "labels")]
    if not are_splits(folder.name for folder in found):
        return []
    return [Split(folder.name, (folder / "images",)) for folder in found]


def _listed(path: Path) -> tuple[Split, ...]:
    """The splits that a YAML file names and that are there."""
    try:
        content = read_yaml(path)
    except ConfigError:
        return ()
    if not isinstance(content, dict) or "names" not in content:
        return ()
    base = content.get("path")
    found, shifted = {}, False
    for key in _SPLIT_KEYS:
        values = content.get(key)
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            continue
        sources = [
            locate(value, path.parent, base if isinstance(base, str) else "") for value in values
        ]
        there = tuple(source for source in sources if source is not None)
        if there and len(there) == len(sources):
            own = all(_is_below(source, path.parent) for source in there)
            found[Split(key, there)] = own
            shifted |= own and any(map(_leads_up, values))
    # Where `../train` lies beside the file, `../valid` above it is of another data set.
    return tuple(split for split, own in found.items() if own or not shifted)


def _is_below(path: Path, folder: Path) -> bool:
    return folder.resolve() in path.resolve().parents


def _leads_up(value: str) -> bool:
    return ".." in PurePosixPath(value.replace("\\", "/")).parts


def lost_splits(root: Path) -> list[str]:
    """A sentence for each split that a YAML file names and that is nowhere."""
    path = root if is_file(root) else names_file(root)
    if path is None or not has_suffix(path, _YAML):
        return []
    try:
        content = read_yaml(path)
    except ConfigError:
        return []
    found = [split.name for split in find_splits(root)]
    named = {key: content.get(key) for key in _SPLIT_KEYS} if isinstance(content, dict) else {}
    lost = [
        f"{path.name} names {key}: {_shown(value)}, which is not there: that split is left out"
        for key, value in named.items()
        if value and not any(same_split(key, name) for name in found)
    ]
    base = content.get("path") if isinstance(content, dict) else None
    for key, value in named.items():
        parts = value if isinstance(value, list) else []
        gone = [
            part
            for part in parts
            if isinstance(part, str)
            and locate(part, path.parent, base if isinstance(base, str) else "") is None
        ]
        if gone and any(same_split(key, name) for name in found):
            lost.append(
                f"{path.name} names {', '.join(gone)} for {key}, which is not there: the split is "
                "what the folder of its name holds"
            )
    return lost


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else short_repr(value)


def locate(value: str, folder: Path, base: str = "") -> Path | None:
    """The file or folder that a path in a list or YAML file means; None where there is none.

    Tools write paths of the machine they ran on, and Roboflow `../train/images` for a folder beside
    the file. What lies in the file's own folder goes before what a path with `..` finds above it.

    Args:
        value: the path.
        folder: where the list or YAML file is.
        base: what the YAML file calls `path`.
    """
    parts = [
        part for part in PurePosixPath(value.replace("\\", "/")).parts if part not in ("..", ".")
    ]
    inside = Path(*parts) if parts and not is_foreign_root(parts[0]) else None
    tried = [folder / base / value, folder / value]
    if inside is not None:
        tried += [folder / inside, *([folder / Path(*parts[1:])] if parts[0] == "data" else [])]
    else:
        # Of an absolute path, the last parts; two at least, so that `images` alone never fits.
        tried += [folder / Path(*parts[start:]) for start in range(1, len(parts) - 1)]
    there = [path for path in tried if is_file(path) or is_folder(path)]
    inside_folder = [path for path in there if _is_below(path, folder)]
    chosen = inside_folder if _leads_up(value) else there
    return next(iter(chosen or there), None)


def _darknet(root: Path) -> tuple[Split, ...]:
    """The splits of a Darknet data set, as CVAT's `YOLO 1.1` writes it."""
    if not is_file(root / "obj.names"):
        return ()
    lists = {}
    if is_file(root / "obj.data"):
        for line in read_text(root / "obj.data").splitlines():
            key, _, value = (part.strip() for part in line.partition("="))
            path = locate(value, root) if key in _SPLIT_KEYS and value else None
            if path is not None:
                lists[key] = path
    lists = lists or {path.stem: path for path in files(root, ".txt") if path.stem in _SPLIT_KEYS}
    if lists:
        return tuple(Split(name, (path,)) for name, path in lists.items())
    inner = [folder for folder in folders(root) if folder.name.startswith("obj_")]
    return tuple(Split(_darknet_name(folder), (folder,)) for folder in inner)


def _darknet_name(folder: Path) -> str:
    return folder.name.removeprefix("obj_").removesuffix("_data").lower()


def images_of(root: Path, split: Split) -> tuple[list[Path], list[str]]:
    """The image files of a split, and what is wrong with its lists."""
    found: list[Path] = []
    faults: list[str] = []
    for source in split.sources:
        if has_suffix(source, (".txt",)):
            listed, wrong = _from_list(source, root)
            found, faults = found + listed, faults + wrong
        else:
            found += images_in(source, True)
    per_folder: dict[Path, list[Path]] = {}
    for image in found:
        per_folder.setdefault(image.parent, []).append(image)
    for paths in per_folder.values():
        faults += by_stem(dict.fromkeys(paths), root)[1]
    return found, faults


def _from_list(path: Path, root: Path) -> tuple[list[Path], list[str]]:
    found, faults = [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        image = locate(line.strip(), path.parent)
        if image is None:
            faults.append(
                f"{shown(path, root)}:{number}: no such image {line.strip()[:80]!r}; "
                "export the data set with its images"
            )
        else:
            found.append(image)
    return found, faults


def sibling_folder(image: Path, name: str, root: Path) -> Path:
    """The folder `name` beside the `images/` that an image is in, or the image's own folder."""
    inside = _images_folder(image, root)
    return image.parent if inside is None else inside.parent / name


def relative_image(image: Path, root: Path) -> Path:
    """An image's path below `images/`, or its name."""
    inside = _images_folder(image, root)
    return Path(image.name) if inside is None else image.relative_to(inside)


def _images_folder(image: Path, root: Path) -> Path | None:
    """The nearest folder `images/` above an image.

    One above the data set counts only for a split of it.
    """
    base = root if is_folder(root) else root.parent
    for parent in image.parents:
        if parent.name.lower() == "images" and (
            parent not in base.parents or parent == base.parent
        ):
            return parent
    return None


def names_file(root: Path) -> Path | None:
    """The file with the class names: in the folder or its `labels/`.

    Of one split of a data set, also up to two folders above.
    """
    if is_file(root):
        return root
    above = [folder for folder in _above(root) if _is_split_of(root, folder)]
    for folder in (root, root / "labels", *above):
        for name in (*_YAML_NAMES, *_TEXT_NAMES):
            if is_file(folder / name):
                return folder / name
        if folder == root:
            others = [path for path in files(root, *_YAML) if _has_names(path)]
            if len(others) == 1:
                return others[0]
    return None


def _above(root: Path) -> list[Path]:
    return list(root.resolve().parents)[:_LEVELS_UP]


def _is_split_of(root: Path, folder: Path) -> bool:
    """Whether a folder looks like a split of the data set in another one: by its name, or as its list says."""
    inside = [part.lower() for part in root.resolve().relative_to(folder).parts]
    if "images" in inside or (len(inside) == 1 and are_splits(inside)):
        return True
    listed = (split for path in files(folder, *_YAML) for split in _listed(path))
    sources = [source for split in listed for source in split.sources]
    return any(source.resolve() == root.resolve() or _is_below(source, root) for source in sources)


def _has_names(path: Path) -> bool:
    try:
        content = read_yaml(path)
    except ConfigError:
        return False
    return (
        isinstance(content, dict) and "names" in content and bool(set(_SPLIT_KEYS) & set(content))
    )


def read_class_names(root: Path) -> dict[int, str]:
    """Class name by number.

    Raises:
        DatasetError: no list of names, or one that can't be read.
    """
    path = names_file(root)
    if path is None:
        raise DatasetError(
            f"{root}: expected the class names in data.yaml or classes.txt, found neither."
        )
    if not has_suffix(path, _YAML):
        names = dict(enumerate(read_names(path)))
        if not names:
            raise DatasetError(f"{path}: expected a class name a line, the file is empty.")
        return names
    try:
        content = read_yaml(path)
    except ConfigError as error:
        raise DatasetError(str(error)) from error
    if isinstance(content, dict) and content.get("kpt_shape") is not None:
        raise DatasetError(
            f"{path}: expected boxes or outlines, found key points (kpt_shape): export "
            "boxes, or keep the first five values of each line and remove kpt_shape."
        )
    listed = content.get("names") if isinstance(content, dict) else None
    names = {key: str(name) for key, name in _numbered(path, listed).items()}
    check_names(path, names)
    _check_count(path, content, names)
    _check_other_list(path, names)
    return names


def _check_count(path: Path, content: Mapping[str, Any], names: Mapping[int, str]) -> None:
    """Raise DatasetError where `nc` is another number than that of the names: one may be missing."""
    stated = content.get("nc")
    if type(stated) is int and stated != len(names):
        raise DatasetError(
            f"{path}: expected {stated} names as nc says, got {len(names)}; correct nc, or add the "
            "missing name: the numbers of the classes after it depend on it."
        )


def _check_other_list(path: Path, names: Mapping[int, str]) -> None:
    """Raise DatasetError where a second list of names beside the YAML file has another order."""
    for other in (folder / name for folder in _BESIDE for name in _TEXT_NAMES[:2]):
        file = path.parent / other
        listed = dict(enumerate(read_names(file))) if is_file(file) else dict(names)
        if is_background(listed.get(0, "")):  # Of the values of masks.
            continue
        # Case alone tells no other class.
        if any(listed.get(number, name).lower() != name.lower() for number, name in names.items()):
            raise DatasetError(
                f"{path}: expected the same class names in {other}, got {list(names.values())} and "
                f"{list(listed.values())}; correct one of them, or remove {other}."
            )


def _numbered(path: Path, listed: Any) -> dict[int, Any]:
    pairs: Any = dict(enumerate(listed)) if isinstance(listed, list) else listed
    if isinstance(pairs, Mapping):
        pairs = {int(k) if str(k).isdecimal() else k: name for k, name in pairs.items()}
        if len(pairs) < len(listed):
            raise DatasetError(
                f"{path}: expected each number of 'names' once, got {short_repr(listed)}; "
                "write the numbers without quotes."
            )
    good = isinstance(pairs, Mapping) and pairs and all(type(key) is int for key in pairs)
    if not good or not all(isinstance(name, (str, int, float, bool)) for name in pairs.values()):
        raise DatasetError(
            f"{path}: expected 'names' as a list, or names by number, got {short_repr(listed)}."
        )
    if any(isinstance(name, bool) for name in pairs.values()):
        raise DatasetError(f"{path}: expected class names, got true or false; put them in quotes.")
    return dict(pairs)
