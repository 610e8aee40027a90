"""Data sets in COCO's layout: `annotations.json`, `images/`, and, if there, `masks/` with a PNG for an image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.sample import Dataset, Sample, raise_faults
from mtv_perception.errors import DatasetError
from mtv_perception.labels import LabelSet


def _read_index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: expected COCO annotations, could not read them: {error}") from error
    missing = [key for key in ("images", "annotations", "categories") if not isinstance(index.get(key), list)]
    if missing:
        raise DatasetError(f"{path}: expected lists 'images', 'annotations', 'categories', missing {missing!r}.")
    return index


def _category_ids(index: dict[str, Any], labels: LabelSet, rename: Mapping[str, str]) -> dict[int, int]:
    """COCO category id to our class id, for the categories we know under their (renamed) name."""
    wanted = {c["id"]: rename.get(c["name"], c["name"]) for c in index["categories"]}
    return {key: labels.id_of(name) for key, name in wanted.items() if name in labels.foreground}


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
        root: folder with `annotations.json`, `images/` and perhaps `masks/` (PNG of class ids, named as the image).
        labels: our classes; categories of other names are left out.
        rename: COCO category name to our class name.
        box_classes: classes that have every object boxed; by default those with at least one annotation.
        mask_classes: classes the masks tell apart; by default `box_classes`.

    Raises:
        DatasetError: unreadable or empty, or every fault (missing image, box outside, unknown category) at once.
    """
    index = _read_index(root / "annotations.json")
    if not index["images"]:
        raise DatasetError(f"{root}: expected at least one image, got an empty data set.")
    to_class = _category_ids(index, labels, rename or {})
    known_categories = {category["id"] for category in index["categories"]}
    by_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in index["images"]}
    faults = []
    for annotation in index["annotations"]:
        if annotation["image_id"] not in by_image:
            faults.append(f"annotation {annotation['id']}: image id {annotation['image_id']!r} is not listed")
        elif annotation["category_id"] not in known_categories:
            faults.append(f"annotation {annotation['id']}: category {annotation['category_id']!r} is not listed")
        elif annotation["category_id"] in to_class:
            by_image[annotation["image_id"]].append(annotation)
    present = {to_class[a["category_id"]] for items in by_image.values() for a in items}
    boxed = tuple(sorted(present if box_classes is None else map(labels.id_of, box_classes)))
    masked = boxed if mask_classes is None else tuple(sorted(map(labels.id_of, mask_classes)))
    samples = []
    for image in index["images"]:
        annotations = by_image[image["id"]]
        boxes = np.array([a["bbox"] for a in annotations], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        faults += _image_faults(root, image, boxes)
        mask_path = root / "masks" / f"{Path(image['file_name']).stem}.png"
        samples.append(
            Sample(
                image_path=root / "images" / image["file_name"],
                size_hw=(int(image["height"]), int(image["width"])),
                boxes_xyxy=np.clip(boxes, 0, [image["width"], image["height"]] * 2).astype(np.float32),
                class_ids=np.array([to_class[a["category_id"]] for a in annotations], np.int32),
                crowd=np.array([bool(a.get("iscrowd", 0)) for a in annotations], bool),
                mask_path=mask_path if mask_path.is_file() else None,
                box_classes=boxed,
                mask_classes=masked,
            )
        )
    raise_faults(root, faults)
    return Dataset(root.name, labels, tuple(samples))


def _image_faults(root: Path, image: dict[str, Any], boxes_xyxy: np.ndarray) -> list[str]:
    """What is wrong with one image's entry; annotators' boxes may stick out by a pixel."""
    faults = []
    if not (root / "images" / image["file_name"]).is_file():
        faults.append(f"{image['file_name']}: no such image file")
    limit = np.array([image["width"], image["height"]] * 2, np.float32)
    for box in boxes_xyxy:
        if not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
            faults.append(f"{image['file_name']}: box {box.tolist()} has no area")
        elif (box < -1.5).any() or (box > limit + 1.5).any():
            faults.append(f"{image['file_name']}: box {box.tolist()} lies outside {limit[:2].tolist()}")
    return faults
