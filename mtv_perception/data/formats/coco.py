"""COCO annotations in every folder layout that tools write them in.

| tool | index | images |
|---|---|---|
| this package | `annotations.json` | `images/`; masks in `masks/`, a PNG for an image |
| Roboflow | `SPLIT/_annotations.coco.json` | beside it |
| COCO itself | `annotations/instances_SPLIT.json` | `SPLIT/`, `images/SPLIT/` or `images/` |
| CVAT | `annotations/instances_default.json` | `images/` or `images/SPLIT/` |
| Label Studio | `result.json` | `images/` |
| FiftyOne | `labels.json` | `data/` |

An image without a PNG in `masks/` has the mask that its annotations' polygons and run lengths draw, if
any of its annotations has them.

Source: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.formats.base import (
    Contents,
    Entry,
    ReadOptions,
    Split,
    are_splits,
    same_split,
)
from mtv_perception.data.formats.coco_index import KEYS, is_box, is_crowd, read_index, short
from mtv_perception.data.formats.files import (
    MaskFolder,
    endings,
    files,
    folders,
    is_file,
    is_folder,
    json_or_none,
    mask_names,
    shown,
    stored_file,
)

OWN_INDEX = "annotations.json"
ROBOFLOW_INDEX = "_annotations.coco.json"
STATED_255 = "mask_255"  # in the index, under `info`
# Files of COCO's own download that hold no boxes of objects.
OTHER_INDICES = ("captions_", "person_keypoints_", "image_info_", "panoptic_", "stuff_")
# More JSON files than this in one folder are annotations of single images.
MOST_INDICES = 20


def is_index(content: Any) -> bool:
    """Whether a JSON file's content looks like COCO annotations."""
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in KEYS)


class CocoFormat:
    """COCO annotations; see the module's table."""

    layout = (
        "annotations.json and images/; SPLIT/_annotations.coco.json (Roboflow); "
        "annotations/instances_SPLIT.json (COCO, CVAT); result.json and images/ (Label Studio)"
    )

    def find(self, root: Path) -> tuple[Split, ...]:
        """See Format; an index file alone is a data set too."""
        if is_file(root):
            fits = root.suffix.lower() == ".json" and isinstance(json_or_none(root), dict)
            return (Split("", (root,)),) if fits else ()
        for name in (OWN_INDEX, ROBOFLOW_INDEX):
            if is_file(root / name):
                return (Split("", (root / name,)),)
        return _in_split_folders(root) or _in_annotations(root) or _beside_images(root)

    def read(self, root: Path, split: Split, options: ReadOptions) -> Contents:
        """See Format."""
        (path,) = split.sources
        return _Reader(root, path, split.name).contents()


def _in_split_folders(root: Path) -> tuple[Split, ...]:
    found = [
        (folder, folder / name)
        for folder in folders(root)
        for name in (ROBOFLOW_INDEX, OWN_INDEX)
        if is_file(folder / name)
    ]
    if not are_splits(folder.name for folder, _ in found):
        return ()
    return tuple(Split(folder.name, (path,)) for folder, path in found)


def _in_annotations(root: Path) -> tuple[Split, ...]:
    paths = [
        path
        for path in files(root / "annotations", ".json")
        if not path.name.startswith(OTHER_INDICES)
        and (path.name.startswith("instances_") or is_index(json_or_none(path)))
    ]
    return tuple(Split(path.stem.removeprefix("instances_"), (path,)) for path in paths)


def _beside_images(root: Path) -> tuple[Split, ...]:
    paths = files(root, ".json")
    if len(paths) > MOST_INDICES:
        return ()
    found = [path for path in paths if is_index(json_or_none(path))]
    single = len(found) == 1
    return tuple(Split("" if single else path.stem, (path,)) for path in found)


def _stated_255(path: Path) -> str:
    """What an index of our own says of the value 255 in masks; empty where it says nothing."""
    info = (json_or_none(path) or {}).get("info")
    return str(info.get(STATED_255, "")) if isinstance(info, dict) else ""


class _Reader:
    """One index file and the images it names."""

    def __init__(self, root: Path, path: Path, split: str) -> None:
        self._root = root.parent if root.is_file() else root
        self._path, self._split = path, split
        self._home = (
            path.parent.parent if path.parent.name.lower() == "annotations" else path.parent
        )
        self._bases = _image_folders(self._home, path.parent, split)
        self._index, self._faults = read_index(path)

    def contents(self) -> Contents:
        index, faults = self._index, self._faults
        names = {category["id"]: category["name"] for category in index["categories"]}
        by_image = self._annotations_by_image(names)
        masks = MaskFolder(
            self._home / "masks", [Path(image["file_name"]) for image in index["images"]]
        )
        entries = []
        for image in index["images"]:
            image_path, found = self._locate(image["file_name"])
            mask_path, unclear = masks.of(Path(image["file_name"]))
            faults += found + unclear
            annotations = by_image[image["id"]]
            entries.append(
                Entry(
                    image_path=image_path,
                    names=tuple(names[a["category_id"]] for a in annotations),
                    boxes_xyxy=_boxes(annotations),
                    crowd=tuple(is_crowd(a) for a in annotations),
                    segmentations=tuple(a.get("segmentation") for a in annotations),
                    mask_path=mask_path,
                    size_hw=(int(image["height"]), int(image["width"])),
                )
            )
        lost = masks.left_over()
        if masks.is_unused and index["images"]:
            faults, lost = [*faults, *lost], []
        return Contents(
            tuple(entries),
            tuple(names.values()),
            None if masks.is_empty else mask_names(self._home / "masks", self._home),
            tuple(faults),
            tuple(lost),
            numbers={} if masks.is_empty else names,
            mask_255="" if masks.is_empty else _stated_255(self._path),
        )

    def _annotations_by_image(self, names: Mapping[Any, str]) -> dict[Any, list[dict[str, Any]]]:
        """The usable annotations of each image id; faults for the others."""
        index, faults = self._index, self._faults
        by_image: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in index["images"]}
        for key in ("images", "categories"):
            ids = {item["id"] for item in index[key]}
            if len(ids) < len(index[key]):
                faults.append(
                    f"{self._path.name}: expected {len(index[key])} different "
                    f"{_SINGULAR[key]} ids, got {len(ids)}"
                )
        for annotation in index["annotations"]:
            where = f"{self._path.name}: annotation {annotation.get('id')}"
            image, category = annotation["image_id"], annotation["category_id"]
            if image not in by_image:
                hint = _as_other_type(image, by_image)
                faults.append(f"{where}: image id {image!r} is not listed{hint}")
            elif category not in names:
                hint = _as_other_type(category, names)
                faults.append(f"{where}: category {category!r} is not listed{hint}")
            elif not is_box(annotation["bbox"]):
                shown_box = short(annotation["bbox"])
                faults.append(f"{where}: expected bbox [x, y, width, height], got {shown_box}")
            else:
                by_image[annotation["image_id"]].append(annotation)
        return by_image

    def _locate(self, name: str) -> tuple[Path, list[str]]:
        """The file of an image, and what is wrong with its place."""
        likely = endings(name)
        tried = ([stored_file(base / item) for base in self._bases] for item in likely)
        found = next(filter(None, ([path for path in each if path] for each in tried)), [])
        if not found:
            return self._bases[0] / likely[-1], []
        own = [p for p in found if any(same_split(self._split, part) for part in p.parts[-3:-1])]
        if len(own or found) > 1:
            places = ", ".join(shown(p, self._root) for p in own or found)
            return found[0], [f"{short(name)}: stands in more than one folder: {places}"]
        return (own or found)[0], []


def _as_other_type(value: Any, listed: Iterable[Any]) -> str:
    """A hint at an id that is a number in one list and text in another."""
    same = [item for item in listed if str(item) == str(value)]
    return f"; there is {same[0]!r}: write both as numbers, or both as text" if same else ""


_SINGULAR = {"images": "image", "categories": "category"}


def _image_folders(home: Path, beside: Path, split: str) -> list[Path]:
    """Where the images of an index may be; at least one folder, the likeliest first."""
    own = [
        folder
        for place in (home / "images", home)
        for folder in folders(place)
        if split and same_split(split, folder.name)
    ]
    places = [*own, home / "images", home / "data", home, beside]
    there = [place for place in dict.fromkeys(places) if is_folder(place)]
    return [home / "images", *there] if not is_folder(home / "images") and len(there) < 2 else there


def _boxes(annotations: list[dict[str, Any]]) -> np.ndarray:
    boxes = np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes
