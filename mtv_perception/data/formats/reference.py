"""A JSON list of samples, each of three files, as the reference network's data is described.

    [{"image": "images/0001.png", "mask": "masks/0001.png", "boxes": "boxes/0001.csv"}, ...]

Paths are absolute or relative to the JSON file. `mask` and `boxes` may be absent or null. The mask
is a PNG of class ids (255 = ignore). The CSV has a line `label,xmin,ymin,xmax,ymax` for each object:
a class id or name, then pixel edges; LF or CRLF, with or without that header, empty where there is
no object.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.formats.base import Contents, Entry, ReadOptions, Split
from mtv_perception.data.formats.files import (
    is_file,
    json_or_none,
    parse_numbers,
    read_json,
    read_lines,
    shown,
)
from mtv_perception.data.formats.hints import about_json, is_foreign_json
from mtv_perception.errors import DatasetError
from mtv_perception.labels import LabelSet

INDEX_NAME = "samples.json"
_KEYS = ("image", "mask", "boxes")
_COLUMNS = ("label", "xmin", "ymin", "xmax", "ymax")
_SHOWN = 80  # characters of a wrong item


class ReferenceFormat:
    """A JSON list of samples; see the module."""

    layout = f"a JSON list of samples, or a folder with {INDEX_NAME}"

    def find(self, root: Path) -> tuple[Split, ...]:
        """See Format."""
        if is_file(root / INDEX_NAME):
            return (Split("", (root / INDEX_NAME,)),)
        is_list = is_file(root) and root.suffix.lower() == ".json"
        return (Split("", (root,)),) if is_list and _may_be_index(root) else ()

    def read(self, root: Path, split: Split, options: ReadOptions) -> Contents:
        """See Format."""
        (path,) = split.sources
        known = {*options.labels.names, *options.rename}
        entries, faults = [], []
        for number, item in enumerate(_read_index(path)):
            if not _is_item(item):
                faults.append(
                    f"{path.name}[{number}]: expected paths under {', '.join(_KEYS)}, 'image' at "
                    f"least, got {str(item)[:_SHOWN]}"
                )
                continue
            found = {key: path.parent / item[key] for key in _KEYS if item.get(key)}
            names: list[str] = []
            boxes = np.empty((0, 4))
            if "boxes" in found:
                where = shown(found["boxes"], path.parent)
                names, boxes, wrong = _read_boxes(found["boxes"], where, options.labels, known)
                faults += wrong
            entries.append(
                Entry(
                    image_path=found["image"],
                    names=tuple(names),
                    boxes_xyxy=boxes,
                    mask_path=found.get("mask"),
                    label_path=found.get("boxes"),
                )
            )
        return Contents(tuple(entries), faults=tuple(faults))


def _may_be_index(path: Path) -> bool:
    """Whether a JSON file is a list of samples; one that can't be read may be, and is told when read."""
    content = json_or_none(path)
    if not isinstance(content, list):
        return content is None
    if is_foreign_json(content):
        return False
    return not content or not isinstance(content[0], dict) or "image" in content[0]


def _read_index(path: Path) -> list[Any]:
    index = read_json(path)
    if not isinstance(index, list):
        raise DatasetError(f"{path}: expected a JSON list of samples, got {type(index).__name__}.")
    if is_foreign_json(index):
        raise DatasetError(f"{path}: expected a JSON list of samples. {about_json(path)}")
    return index


def _is_item(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and bool(item.get("image"))
        and set(item) <= set(_KEYS)
        and all(value is None or isinstance(value, str) for value in item.values())
    )


def _read_boxes(
    path: Path, where: str, labels: LabelSet, known: set[str]
) -> tuple[list[str], np.ndarray, list[str]]:
    """Class names, boxes `(N, 4)` in pixels, and faults of one CSV."""
    lines, faults = read_lines(path, where)
    names, boxes = [], []
    expected = f"a class of {', '.join(sorted(known))} or its id"
    for number, line in lines:
        cells = [cell.strip().strip('"') for cell in line.split(",")]
        if number == 1 and tuple(cell.lower() for cell in cells) == _COLUMNS:
            continue
        name, box = _class_name(cells[0], labels, known), parse_numbers(cells[1:])
        if name is None:
            faults.append(f"{where}:{number}: expected {expected}, got {cells[0]!r}")
        elif len(box) != 4:
            faults.append(f"{where}:{number}: expected {','.join(_COLUMNS)}, got {line!r}")
        else:
            names.append(name)
            boxes.append(box)
    return names, np.array(boxes, np.float64).reshape(-1, 4), faults


def _class_name(cell: str, labels: LabelSet, known: set[str]) -> str | None:
    """The name a label cell stands for; ids are ours. The background is no object."""
    if cell.isdecimal():
        return labels.names[int(cell)] if 0 < int(cell) < len(labels) else None
    return cell if cell in known and cell != labels.names[0] else None
