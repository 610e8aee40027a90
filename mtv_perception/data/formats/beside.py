"""What lies in a data set's folder and is not read: images, a second index, a second layout."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from mtv_perception.data.formats.base import Contents, Split
from mtv_perception.data.formats.coco import MOST_INDICES, OTHER_INDICES, is_index
from mtv_perception.data.formats.cvat import is_cvat
from mtv_perception.data.formats.files import (
    files,
    images_in,
    is_file,
    is_folder,
    json_or_none,
    shown,
)

# Of pixel labels, whose readers tell themselves what they leave out; and of VOC's, which none reads.
_MASK_FOLDERS = frozenset({"masks", "SegmentationClass", "SegmentationObject"})
# Layouts that are parts of others: masks beside boxes.
_PARTS = frozenset({"semantic"})


def images_beside(root: Path, contents: Iterable[Contents]) -> list[str]:
    """A sentence about the images in a folder that its reader left out."""
    if not is_folder(root):
        return []
    entries = [entry for part in contents for entry in part.entries]
    known = {path for e in entries for path in (e.image_path, e.mask_path) if path}
    lost = [
        path
        for path in images_in(root, recursive=True)
        if path not in known and _MASK_FOLDERS.isdisjoint(path.relative_to(root).parts)
    ]
    # A list may lead to the same files by another path.
    resolved = {path.resolve() for path in known} if lost else set()
    lost = [path for path in lost if path.resolve() not in resolved]
    if not lost:
        return []
    return [
        f"{len(lost)} images in it are not read, such as {shown(lost[0], root)}: no label and no list of "
        "this layout names them. If they are labelled, give their folder on its own, or choose --format"
    ]


def indices_beside(root: Path, splits: Iterable[Split]) -> list[str]:
    """A sentence about each index of labels that lies beside those that are read."""
    if not is_folder(root):
        return []
    sources = {source for split in splits for source in split.sources}
    read = sorted(path for path in sources if path.suffix.lower() in _INDEX_TESTS and is_file(path))
    places = dict.fromkeys((path.parent, path.suffix.lower()) for path in read)
    return [
        f"{shown(path, root)} is not read, though it is an index of labels too; if its labels count, "
        f"give the file on its own as a data set ({path}), else move it away"
        for folder, suffix in places
        for path in _may_be_indices(folder, suffix)
        if path not in sources and _INDEX_TESTS[path.suffix.lower()](path)
    ]


def _may_be_indices(folder: Path, suffix: str) -> list[Path]:
    """The files to look into; COCO's own others have hundreds of megabytes."""
    found = [path for path in files(folder, suffix) if not path.name.startswith(OTHER_INDICES)]
    return found if len(found) <= MOST_INDICES else []


_INDEX_TESTS = {".json": lambda path: is_index(json_or_none(path)), ".xml": is_cvat}


def layouts_beside(chosen: str, found: Mapping[str, Collection[Split]]) -> list[str]:
    """A sentence about the other layouts that a folder has too."""
    others = [name for name in found if name != chosen and name not in _PARTS]
    if not others:
        return []
    return [
        f"it is read as {chosen}, and is laid out as {', '.join(others)} too: --format, or `format` in "
        "a configuration, says which labels count"
    ]
