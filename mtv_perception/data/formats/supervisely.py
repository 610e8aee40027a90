"""Supervisely's projects: `meta.json`, and for each data set `ann/NAME.json` and `img/NAME`.

A rectangle is a box; a polygon and a bitmap are a box and an outline. Lines and points are no
objects and are left out. The data sets of a project are its splits.

Source: https://docs.supervisely.com/data-organization/00_ann_format_navi.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.formats.base import Contents, Entry, ReadOptions, Split
from mtv_perception.data.formats.files import files, folders, is_file, is_folder, read_json, shown
from mtv_perception.data.formats.shapes import (
    ShapeError,
    as_points,
    box_around,
    box_of_mask,
    decode_bitmap,
    polygon,
    runs_of,
)
from mtv_perception.errors import DatasetError

_META = "meta.json"
_NO_OBJECTS = frozenset({"line", "point", "multipoint", "graph", "cuboid"})


class SuperviselyFormat:
    """Supervisely's projects; see the module."""

    layout = "meta.json, DATASET/ann/ and DATASET/img/ (Supervisely)"

    def find(self, root: Path) -> tuple[Split, ...]:
        """See Format."""
        if is_folder(root / "ann") and is_folder(root / "img"):
            return (Split("", (root,)),)
        if not is_file(root / _META):
            return ()
        inner = [f for f in folders(root) if is_folder(f / "ann") and is_folder(f / "img")]
        return tuple(Split(folder.name, (folder,)) for folder in inner)

    def read(self, root: Path, split: Split, options: ReadOptions) -> Contents:
        """See Format."""
        (folder,) = split.sources
        entries, faults, left_out = [], [], 0
        for path in files(folder / "ann", ".json"):
            try:
                entry, wrong, dropped = _entry(folder, path, shown(path, root))
            except DatasetError as error:
                faults.append(f"{shown(path, root)}: {str(error).removeprefix(f'{path}: ')}")
                continue
            entries.append(entry)
            faults += wrong
            left_out += dropped
        note = f"{left_out} lines and points are no objects and are left out"
        names = _class_names(root) | {name for entry in entries for name in entry.names}
        return Contents(
            tuple(entries), tuple(sorted(names)), None, tuple(faults), (note,) * bool(left_out)
        )


def _class_names(root: Path) -> set[str]:
    path = root / _META if is_file(root / _META) else root.parent / _META
    meta = read_json(path) if is_file(path) else {}
    classes = meta.get("classes") if isinstance(meta, dict) else None
    return {str(item.get("title")) for item in classes or () if isinstance(item, dict)}


def _entry(folder: Path, path: Path, where: str) -> tuple[Entry, list[str], int]:
    """One image, what is wrong with its objects, and how many are no objects."""
    content = read_json(path)
    listed = content.get("objects") if isinstance(content, dict) else None
    size = content.get("size") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not isinstance(size, dict):
        raise DatasetError(f"{path}: expected 'size' and a list 'objects'.")
    sides = size.get("height"), size.get("width")
    known = all(type(x) is int and x > 0 for x in sides)
    size_hw = (int(sides[0] or 0), int(sides[1] or 0)) if known else None
    names, boxes, outlines, faults, left_out = [], [], [], [], 0
    for number, item in enumerate(listed):
        kind = item.get("geometryType") if isinstance(item, dict) else None
        if isinstance(kind, str) and kind in _NO_OBJECTS:
            left_out += 1
            continue
        try:
            box, outline = _read_object(str(kind), item, size_hw)
        except ShapeError as error:
            faults.append(f"{where}: object {number}: {error}")
            continue
        names.append(item["classTitle"].strip())
        boxes.append(box)
        outlines.append(outline)
    entry = Entry(
        image_path=folder / "img" / path.stem,
        names=tuple(names),
        boxes_xyxy=np.array(boxes, np.float64).reshape(-1, 4),
        segmentations=tuple(outlines),
        size_hw=size_hw,
        label_path=path,
    )
    return entry, faults, left_out


def _read_object(kind: str, item: Any, size_hw: tuple[int, int] | None) -> tuple[np.ndarray, Any]:
    title = item.get("classTitle") if isinstance(item, dict) else None
    if not isinstance(title, str) or not title.strip():
        raise ShapeError(f"expected a classTitle, got {title!r}")
    if kind not in _KINDS:
        raise ShapeError(f"expected a geometryType of {', '.join(_KINDS)}, got {kind!r}")
    return _KINDS[kind](item, size_hw)


def _exterior(item: dict[str, Any], at_least: int) -> np.ndarray:
    points = item.get("points")
    return as_points(points.get("exterior") if isinstance(points, dict) else None, at_least)


def _rectangle(item: dict[str, Any], size_hw: tuple[int, int] | None) -> tuple[np.ndarray, Any]:
    return box_around(_exterior(item, 2)), None


def _polygon(item: dict[str, Any], size_hw: tuple[int, int] | None) -> tuple[np.ndarray, Any]:
    """A polygon; what lies in its holes is covered too."""
    points = _exterior(item, 3)
    return box_around(points), [polygon(points)]


def _bitmap(item: dict[str, Any], size_hw: tuple[int, int] | None) -> tuple[np.ndarray, Any]:
    bitmap = item.get("bitmap")
    if size_hw is None or not isinstance(bitmap, dict):
        raise ShapeError("expected a bitmap and the image's size")
    first = as_points([bitmap.get("origin")], 1)[0].astype(int)
    origin, mask = (int(first[0]), int(first[1])), decode_bitmap(bitmap.get("data"))
    return box_of_mask(mask, origin), runs_of(mask, origin, size_hw)


_KINDS: dict[str, Callable[[dict[str, Any], tuple[int, int] | None], tuple[np.ndarray, Any]]] = {
    "rectangle": _rectangle,
    "polygon": _polygon,
    "bitmap": _bitmap,
}
