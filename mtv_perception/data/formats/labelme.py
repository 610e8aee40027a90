"""LabelMe's annotations: a JSON file with shapes beside each image, perhaps in a folder a split.

A rectangle is a box. A polygon, a circle and a mask are a box and an outline. Shapes of one label
and `group_id` are one object. Lines and points are no objects and are left out.

Source: https://github.com/wkentaro/labelme.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mtv_perception.data.formats.base import Contents, Entry, ReadOptions, Split, are_splits
from mtv_perception.data.formats.files import (
    files,
    folders,
    images_in,
    is_file,
    is_folder,
    json_or_none,
    read_json,
    shown,
)
from mtv_perception.data.formats.shapes import (
    ShapeError,
    as_points,
    box_around,
    box_inside,
    box_of_mask,
    circle,
    decode_bitmap,
    polygon,
    runs_of,
)
from mtv_perception.errors import DatasetError
from mtv_perception.media.files import IMAGE_SUFFIXES

# Shapes without an area.
_NO_OBJECTS = frozenset({"point", "line", "linestrip", "points"})
_TRIED = 20  # JSON files of a folder; others may lie among LabelMe's


class LabelmeFormat:
    """LabelMe's JSON files; see the module."""

    layout = "a LabelMe JSON file beside each image, perhaps in SPLIT/"

    def find(self, root: Path) -> tuple[Split, ...]:
        """See Format."""
        if not is_folder(root):
            return ()
        if _has_shapes(root):
            return (Split("", (root,)),)
        found = [folder for folder in folders(root) if _has_shapes(folder)]
        if not are_splits(folder.name for folder in found):
            return ()
        return tuple(Split(folder.name, (folder,)) for folder in found)

    def read(self, root: Path, split: Split, options: ReadOptions) -> Contents:
        """See Format: every image that has an annotation."""
        (folder,) = split.sources
        entries, faults, left_out, used = [], [], 0, set()
        for path in files(folder, ".json"):
            try:
                entry, wrong, dropped = _entry(path, shown(path, root))
            except DatasetError as error:
                faults.append(f"{shown(path, root)}: {str(error).removeprefix(f'{path}: ')}")
                continue
            entries.append(entry)
            used.add(entry.image_path.name)
            faults += wrong
            left_out += dropped
        if entries and not any(is_file(entry.image_path) for entry in entries):
            raise DatasetError(
                f"{root}: expected the image of each LabelMe file beside it, found none, such as "
                f"{shown(entries[0].image_path, root)}; put the files beside their images. If the "
                "data set is of another layout, move them out of it, or choose its --format."
            )
        bare = [image for image in images_in(folder) if image.name not in used]
        notes = [f"{left_out} lines and points are no objects and are left out"] if left_out else []
        notes += [f"{len(bare)} images have no annotation and are left out"] if bare else []
        return Contents(tuple(entries), faults=tuple(faults), notes=tuple(notes))


def _has_shapes(folder: Path) -> bool:
    """Whether one of the first JSON files in a folder is LabelMe's."""
    contents = map(json_or_none, files(folder, ".json")[:_TRIED])
    return any(isinstance(c, dict) and isinstance(c.get("shapes"), list) for c in contents)


def _entry(path: Path, where: str) -> tuple[Entry, list[str], int]:
    """One image, what is wrong with its shapes, and how many are no objects."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise DatasetError(
            f"{path}: expected a list 'shapes', found none; move the file if it is not LabelMe's."
        )
    size = content.get("imageHeight"), content.get("imageWidth")
    known = all(type(x) is int and x > 0 for x in size)
    size_hw = (int(size[0] or 0), int(size[1] or 0)) if known else None
    objects: dict[Any, tuple[str, list[np.ndarray], list[Any]]] = {}
    faults, left_out = [], 0
    for number, shape in enumerate(content["shapes"]):
        kind = shape.get("shape_type", "polygon") if isinstance(shape, dict) else None
        if isinstance(kind, str) and kind in _NO_OBJECTS:
            left_out += 1
            continue
        try:
            label = _label(shape)
            box, outline = _read_shape(str(kind), shape, size_hw)
        except ShapeError as error:
            faults.append(f"{where}: shape {number}: {error}")
            continue
        group = shape.get("group_id")
        key = (label, number if group is None else f"group {group}")
        _, boxes, outlines = objects.setdefault(key, (label, [], []))
        boxes.append(box)
        outlines.append(outline)
    merged = [_merged(*parts) for parts in objects.values()]
    entry = Entry(
        image_path=_image_path(path, content.get("imagePath")),
        names=tuple(name for name, _, _ in merged),
        boxes_xyxy=np.array([box for _, box, _ in merged], np.float64).reshape(-1, 4),
        segmentations=tuple(outline for _, _, outline in merged),
        size_hw=size_hw,
        label_path=path,
    )
    return entry, faults, left_out


def _label(shape: Any) -> str:
    label = shape.get("label") if isinstance(shape, dict) else None
    if not isinstance(label, str) or not label.strip():
        raise ShapeError(f"expected a label, got {label!r}")
    return label.strip()


def _merged(name: str, boxes: list[np.ndarray], outlines: list[Any]) -> tuple[str, np.ndarray, Any]:
    """One object of all its parts."""
    stacked = np.array(boxes)
    box = np.concatenate([stacked[:, :2].min(0), stacked[:, 2:].max(0)])
    if len(outlines) == 1:
        return name, box, outlines[0]
    if all(isinstance(outline, list) for outline in outlines):
        return name, box, [part for outline in outlines for part in outline]
    return name, box, None


def _rectangle(shape: dict[str, Any], size_hw: tuple[int, int] | None) -> tuple[np.ndarray, Any]:
    return box_around(as_points(shape.get("points"), 2)), None


def _polygon(shape: dict[str, Any], size_hw: tuple[int, int] | None) -> tuple[np.ndarray, Any]:
    points = as_points(shape.get("points"), 3)
    return box_around(points), [polygon(points)]


def _circle(shape: dict[str, Any], size_hw: tuple[int, int] | None) -> tuple[np.ndarray, Any]:
    """A circle is its centre and a point on it."""
    centre, edge = as_points(shape.get("points"), 2)[:2]
    radius = float(np.hypot(*(edge - centre)))
    points = circle(centre, (radius, radius))
    return box_inside(points, size_hw), [polygon(points)]


def _mask(shape: dict[str, Any], size_hw: tuple[int, int] | None) -> tuple[np.ndarray, Any]:
    """A mask is its first and last pixel and a bitmap."""
    if size_hw is None:
        raise ShapeError("expected imageHeight and imageWidth beside a mask")
    first = as_points(shape.get("points"), 1)[0].round().astype(int)
    origin, bitmap = (int(first[0]), int(first[1])), decode_bitmap(shape.get("mask"))
    return box_of_mask(bitmap, origin), runs_of(bitmap, origin, size_hw)


_KINDS: dict[str, Callable[[dict[str, Any], tuple[int, int] | None], tuple[np.ndarray, Any]]] = {
    "rectangle": _rectangle,
    "polygon": _polygon,
    "oriented_rectangle": _polygon,
    "rotation": _polygon,
    "circle": _circle,
    "mask": _mask,
}


def _read_shape(
    kind: str, shape: dict[str, Any], size_hw: tuple[int, int] | None
) -> tuple[np.ndarray, Any]:
    if kind not in _KINDS:
        raise ShapeError(f"expected a shape of {', '.join(_KINDS)}, got {kind!r}")
    return _KINDS[kind](shape, size_hw)


def _image_path(path: Path, stated: Any) -> Path:
    """The image of the annotation's own name beside it, else the one that `imagePath` states.

    Of several of its name the stated one.
    """
    if isinstance(stated, str):
        named = path.parent / PurePosixPath(stated.replace("\\", "/")).name
        if named.stem == path.stem and is_file(named):
            return named
    beside = (
        path.with_suffix(suffix) for suffix in (*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES))
    )
    own = next(filter(is_file, beside), None)
    if own is not None or not isinstance(stated, str):
        return own or path.with_suffix(".jpg")
    relative = PurePosixPath(stated.replace("\\", "/"))
    below = path.parent / relative
    if is_file(below) and not relative.is_absolute():
        return below
    return path.parent / relative.name
