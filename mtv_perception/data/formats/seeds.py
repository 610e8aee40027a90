"""Data sets as the project's seeds describe them: a JSON list of samples, each of three files.

    [{"image": "images/0001.png", "mask": "masks/0001.png", "boxes": "boxes/0001.csv"}, ...]

Paths are absolute or relative to the JSON file. `mask` and `boxes` may be absent or null. The mask
is a PNG of class ids (255 = ignore). The CSV has a line `label,xmin,ymin,xmax,ymax` for each
object: a class id or name, then pixel edges; LF or CRLF, with or without that header, empty where
there is no object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.formats.assemble import ClassOptions, Entry, assemble
from mtv_perception.data.formats.faults import shown
from mtv_perception.data.formats.lines import parse_numbers, read_lines
from mtv_perception.data.sample import Dataset
from mtv_perception.errors import DatasetError
from mtv_perception.labels import LabelSet

INDEX_NAME = "samples.json"
_KEYS = ("image", "mask", "boxes")
_COLUMNS = ("label", "xmin", "ymin", "xmax", "ymax")


def read_seeds(
    root: Path,
    labels: LabelSet,
    *,
    rename: Mapping[str, str] | None = None,
    box_classes: tuple[str, ...] | None = None,
    mask_classes: tuple[str, ...] | None = None,
) -> Dataset:
    """Read a JSON list of samples.

    Args:
        root: the JSON file, or a folder that holds it as `samples.json`.
        labels: our classes, which ids in CSVs and masks refer to.
        rename: class name in the CSVs to our class name; a class renamed to the background is left
            out.
        box_classes: classes that have every object boxed; by default those with at least one box.
        mask_classes: classes the masks tell apart; by default those with at least one pixel.

    Raises:
        DatasetError: unreadable or empty, or every fault (missing file, box outside, unknown class)
            at once.
    """
    path = root / INDEX_NAME if root.is_dir() else root
    faults: list[str] = []
    known = {*labels.names, *(rename or {})}
    entries = []
    for number, item in enumerate(_read_index(path)):
        if not _is_item(item):
            known_keys = ", ".join(_KEYS)
            faults.append(
                f"{path.name}[{number}]: expected paths under {known_keys}, 'image' at least, got {item!r}"
            )
            continue
        found = {key: path.parent / item[key] for key in _KEYS if item.get(key)}
        names: list[str] = []
        boxes = np.empty((0, 4))
        if "boxes" in found:
            where = shown(found["boxes"], path.parent)
            names, boxes, wrong = _read_boxes(found["boxes"], where, labels, known)
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
    options = ClassOptions(rename, box_classes, mask_classes)
    return assemble(path.parent if root.is_dir() else path, labels, entries, options, faults=faults)


def _read_index(path: Path) -> list[Any]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path}: expected a JSON list of samples, could not read it: {error}"
        ) from error
    if not isinstance(index, list):
        raise DatasetError(f"{path}: expected a JSON list of samples, got {type(index).__name__}.")
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
