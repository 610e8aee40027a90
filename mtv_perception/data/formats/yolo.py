"""Data sets in YOLO's layout: `images/`, `labels/NAME.txt`, and class names in `data.yaml` or `classes.txt`.

A label file has a line `class cx cy w h` for each object: the class by its position in the list of
names, centre and size as fractions of the image's sides. An image without a label file shows no
object. `masks/NAME.png` of our class ids may stand beside them.

Source: https://docs.ultralytics.com/datasets/detect/.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.config import read_yaml
from mtv_perception.data.formats.assemble import ClassOptions, Entry, assemble, list_images, mask_in
from mtv_perception.data.formats.faults import shown
from mtv_perception.data.formats.lines import parse_numbers, read_lines
from mtv_perception.data.sample import Dataset
from mtv_perception.errors import ConfigError, DatasetError
from mtv_perception.geometry.boxes import cxcywh_to_xyxy
from mtv_perception.labels import LabelSet

# The list of names stands in the split's folder or above it: ROOT/train/images, or
# ROOT/images/train.
_LEVELS_UP = 2
_SHOWN = 60  # characters of a faulty line


def read_yolo(
    root: Path,
    labels: LabelSet,
    *,
    rename: Mapping[str, str] | None = None,
    box_classes: tuple[str, ...] | None = None,
    mask_classes: tuple[str, ...] | None = None,
) -> Dataset:
    """Read a YOLO folder.

    Args:
        root: folder with `images/` and `labels/`, or one split `.../images/SPLIT` whose labels are
            in `.../labels/SPLIT`.
        labels: our classes; classes of other names are left out where they have no box, else
            faults.
        rename: data set's class name to our class name; a class renamed to the background is left
            out.
        box_classes: classes that have every object boxed; by default those with at least one box.
        mask_classes: classes the masks tell apart; by default those with at least one pixel.

    Raises:
        DatasetError: unreadable or empty, or every fault (bad line, box outside, unknown class) at
            once.
    """
    image_folder, label_folder, mask_folder = yolo_folders(root)
    names = _read_names(root)
    images, faults = list_images(image_folder, root)
    if not images:
        raise DatasetError(
            f"{image_folder}: expected images, found none. A split is named as images/SPLIT."
        )
    for path in sorted(label_folder.glob("*.txt")):
        if path.stem not in images and path.name != "classes.txt":
            faults.append(f"{shown(path, root)}: has no image in {image_folder.name}/")
    entries = []
    for stem, image_path in images.items():
        label_path = label_folder / f"{stem}.txt"
        ids, boxes, found = _read_labels(label_path, shown(label_path, root), names)
        faults += found
        entries.append(
            Entry(
                image_path=image_path,
                names=tuple(names[index] for index in ids),
                boxes_xyxy=boxes,
                mask_path=mask_in(mask_folder, image_path.name),
                label_path=label_path,
                fractions=True,
            )
        )
    options = ClassOptions(rename, box_classes, mask_classes)
    return assemble(root, labels, entries, options, names=names.values(), faults=faults)


def yolo_folders(root: Path) -> tuple[Path, Path, Path]:
    """The folders of images, labels and masks; they need not exist."""
    if root.parent.name == "images":
        base = root.parent.parent
        return root, base / "labels" / root.name, base / "masks" / root.name
    return root / "images", root / "labels", root / "masks"


def names_file(root: Path) -> Path | None:
    """The file that lists the class names: in the folder, its `labels/`, or up to two folders above."""
    folders = [root, root / "labels", *list(root.resolve().parents)[:_LEVELS_UP]]
    paths = (folder / name for folder in folders for name in ("data.yaml", "classes.txt"))
    return next((path for path in paths if path.is_file()), None)


def _read_names(root: Path) -> dict[int, str]:
    path = names_file(root)
    if path is None:
        raise DatasetError(
            f"{root}: expected the class names in data.yaml or classes.txt, found neither."
        )
    if path.suffix == ".txt":
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return dict(enumerate(line.strip() for line in lines if line.strip()))
    try:
        content = read_yaml(path)
    except ConfigError as error:
        raise DatasetError(str(error)) from error
    listed = content.get("names") if isinstance(content, dict) else None
    pairs: dict[Any, Any] = dict(enumerate(listed)) if isinstance(listed, list) else listed or {}
    if not isinstance(pairs, dict) or not pairs or not all(isinstance(key, int) for key in pairs):
        raise DatasetError(
            f"{path}: expected 'names' as a list, or names by number, got {listed!r}."
        )
    return {key: str(name) for key, name in pairs.items()}


def _read_labels(
    path: Path, where: str, names: Mapping[int, str]
) -> tuple[list[int], np.ndarray, list[str]]:
    """Class numbers, boxes `(N, 4)` as corners in fractions, and faults of one label file."""
    lines, faults = read_lines(path, where) if path.is_file() else ([], [])
    ids, boxes = [], []
    for number, line in lines:
        values = parse_numbers(line.split())
        if len(values) != 5:
            faults.append(f"{where}:{number}: expected 'class cx cy w h', got {line[:_SHOWN]!r}")
        elif values[0] not in names:
            faults.append(
                f"{where}:{number}: expected a class of 0..{max(names)}, got {values[0]:g}"
            )
        else:
            ids.append(int(values[0]))
            boxes.append(values[1:])
    return ids, cxcywh_to_xyxy(np.array(boxes, np.float64).reshape(-1, 4)), faults
