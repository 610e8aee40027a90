"""Data sets in COCO's layout: `annotations.json`, `images/`, and, if there, `masks/` with a PNG for an image.

Without `masks/`, the annotations' polygons and run lengths, if there are any, give the masks.

Source: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.formats.assemble import ClassOptions, Entry, assemble, mask_in
from mtv_perception.data.sample import Dataset
from mtv_perception.errors import DatasetError
from mtv_perception.labels import LabelSet

_ID, _NUMBER = (int, str), (int, float)
_REQUIRED: dict[str, dict[str, Any]] = {
    "images": {"id": _ID, "file_name": str, "width": _NUMBER, "height": _NUMBER},
    "annotations": {"image_id": _ID, "category_id": _ID, "bbox": list},
    "categories": {"id": _ID, "name": str},
}


def read_coco(
    root: Path,
    labels: LabelSet,
    *,
    rename: Mapping[str, str] | None = None,
    box_classes: tuple[str, ...] | None = None,
    mask_classes: tuple[str, ...] | None = None,
) -> Dataset:
    """Read a COCO folder.

    Args:
        root: folder with `annotations.json`, `images/` and perhaps `masks/` (PNG of our class ids,
            named as the image).
        labels: our classes; categories of other names are left out where they have no annotation,
            else faults.
        rename: COCO category name to our class name; a category renamed to the background is left
            out.
        box_classes: classes that have every object boxed; by default those with at least one
            annotation.
        mask_classes: classes the masks tell apart; by default those with at least one pixel.

    Raises:
        DatasetError: unreadable or empty, or every fault (missing image, box outside, ...) at once.
    """
    index, faults = _read_index(root / "annotations.json")
    names = {category["id"]: category["name"] for category in index["categories"]}
    by_image: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in index["images"]}
    if len(by_image) < len(index["images"]):
        faults.append(
            f"annotations.json: expected {len(index['images'])} different image ids, got {len(by_image)}"
        )
    for annotation in index["annotations"]:
        where = f"annotation {annotation.get('id')}"
        if annotation["image_id"] not in by_image:
            faults.append(f"{where}: image id {annotation['image_id']!r} is not listed")
        elif annotation["category_id"] not in names:
            faults.append(f"{where}: category {annotation['category_id']!r} is not listed")
        elif not _is_box(annotation["bbox"]):
            faults.append(
                f"{where}: expected bbox [x, y, width, height], got {annotation['bbox']!r}"
            )
        else:
            by_image[annotation["image_id"]].append(annotation)
    outlined = not (root / "masks").is_dir() and any(
        a.get("segmentation") for a in index["annotations"]
    )
    entries = [
        _entry(root, image, by_image[image["id"]], names, outlined) for image in index["images"]
    ]
    options = ClassOptions(rename, box_classes, mask_classes)
    return assemble(root, labels, entries, options, names=names.values(), faults=faults)


def _read_index(path: Path) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """The three lists without their incomplete items, and a fault for each of these."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path}: expected COCO annotations, could not read them: {error}"
        ) from error
    missing = [
        key
        for key in _REQUIRED
        if not isinstance(index, dict) or not isinstance(index.get(key), list)
    ]
    if missing:
        expected = ", ".join(map(repr, _REQUIRED))
        raise DatasetError(f"{path}: expected lists {expected}, missing {missing!r}.")
    complete: dict[str, list[dict[str, Any]]] = {}
    faults = []
    for key, needed in _REQUIRED.items():
        lacking = [_lacking(item, needed) for item in index[key]]
        complete[key] = [item for item, keys in zip(index[key], lacking, strict=True) if not keys]
        for number, (item, keys) in enumerate(zip(index[key], lacking, strict=True)):
            if keys:
                named = f" (id {item['id']!r})" if isinstance(item, dict) and "id" in item else ""
                faults.append(
                    f"{path.name}: {key}[{number}]{named}: expected a valid {', '.join(keys)}"
                )
    return complete, faults


def _lacking(item: Any, needed: Mapping[str, Any]) -> list[str]:
    """The needed keys that an item does not have, or has with a value of another type."""
    return [
        k
        for k, kinds in needed.items()
        if not isinstance(item, dict) or not isinstance(item.get(k), kinds)
    ]


def _is_box(bbox: list[Any]) -> bool:
    return len(bbox) == 4 and all(isinstance(value, _NUMBER) for value in bbox)


def _entry(
    root: Path,
    image: dict[str, Any],
    annotations: list[dict[str, Any]],
    names: Mapping[Any, str],
    outlined: bool,
) -> Entry:
    boxes = np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return Entry(
        image_path=root / "images" / image["file_name"],
        names=tuple(names[a["category_id"]] for a in annotations),
        boxes_xyxy=boxes,
        crowd=tuple(bool(a.get("iscrowd", 0)) for a in annotations),
        segmentations=tuple(a.get("segmentation") for a in annotations) if outlined else None,
        mask_path=mask_in(root / "masks", image["file_name"]),
        size_hw=(int(image["height"]), int(image["width"])),
    )
