"""YOLO label files in every folder layout that tools write them in.

| tool | class names | images | labels |
|---|---|---|---|
| plain, Label Studio | `data.yaml` or `classes.txt` | `images/` | `labels/` |
| Roboflow v5 to v12 | `data.yaml` | `train/images/`, `valid/images/` | `train/labels/` |
| Ultralytics, CVAT | `data.yaml` | `images/SPLIT/`, or lists of images | `labels/SPLIT/` |
| CVAT YOLO 1.1, Darknet | `obj.names` | `obj_train_data/` | beside the images |

A label file has a line for each object: `class cx cy w h`, centre and size as fractions of the
image's sides, or `class x1 y1 x2 y2 ...`, the corners of its outline. An image without a label file
shows no object. `masks/NAME.png` may stand beside `images/`, with values that `masks/classes.txt` names
or that are our class ids.

Source: https://docs.ultralytics.com/datasets/detect/ and https://docs.ultralytics.com/datasets/segment/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mtv_perception.data.formats.base import Contents, Entry, ReadOptions, Split
from mtv_perception.data.formats.files import (
    MaskFolder,
    by_stem,
    files,
    folders,
    images_in,
    is_file,
    is_folder,
    mask_names,
    parse_numbers,
    read_lines,
    shown,
)
from mtv_perception.data.formats.yolo_layout import (
    find_splits,
    images_of,
    lost_splits,
    read_class_names,
    relative_image,
    sibling_folder,
)
from mtv_perception.data.sample import raise_faults
from mtv_perception.errors import DatasetError
from mtv_perception.geometry.boxes import cxcywh_to_xyxy
from mtv_perception.media.files import UNREAD_SUFFIXES

_SHOWN = 60  # characters of a faulty line
_BOX_VALUES = 5
_OUTLINE_HINT = "an outline is 'class x1 y1 x2 y2 x3 y3 ...'"
_LEAST_POLYGON_VALUES = 7
_LEAST_CLEAR_VALUES = 11  # shorter outlines of a few corners are often all of one length
_ROUNDING = 1e-3  # of fractions that tools write with three digits
_VISIBILITIES = (0, 1, 2)
_KEY_POINTS = (
    "key points are not read: export boxes or outlines, or keep the first five values of each line"
)
# Text files beside label files that hold no labels.
_NO_LABELS = frozenset(
    {"classes.txt", "labels.txt", "notes.txt", "readme.txt", "train.txt", "val.txt"}
)


class YoloFormat:
    """YOLO label files; see the module's table."""

    layout = (
        "images/, labels/ and data.yaml or classes.txt; SPLIT/images and SPLIT/labels (Roboflow); "
        "images/SPLIT and labels/SPLIT (Ultralytics); obj.names and obj_train_data/ (CVAT)"
    )

    def find(self, root: Path) -> tuple[Split, ...]:
        """See Format; a data.yaml alone, or a folder `images/SPLIT`, is a data set too."""
        return find_splits(root)

    def read(self, root: Path, split: Split, options: ReadOptions) -> Contents:
        """See Format."""
        names = read_class_names(root)
        images, faults = images_of(root, split)
        if not images:
            raise_faults(root, faults)
            where = ", ".join(shown(source, root) for source in split.sources)
            raise DatasetError(f"{root}: expected images in {where}, found none.")
        labels = _LabelFolders(root, images)
        parsed = {}
        for image in images:
            path = labels.path_of(image)
            parsed[image] = _read_labels(path, shown(path, root), names) if path else _Labels()
            faults += parsed[image].faults
        faults += labels.faults
        faults += _key_point_faults(parsed.values())
        masks = _masks(images, root)
        lists = {mask_names(folder) for folder in masks}
        if len(lists) > 1:
            faults.append(
                "the folders masks/ have different classes.txt: read the splits one by one"
            )
        listed = next(iter(lists), None)
        entries = []
        for image, found in parsed.items():
            mask_path, unclear = masks[sibling_folder(image, "masks", root)].of(
                relative_image(image, root)
            )
            faults += unclear
            entries.append(
                Entry(
                    image_path=image,
                    names=tuple(names[index] for index in found.ids),
                    boxes_xyxy=cxcywh_to_xyxy(np.array(found.boxes, np.float64).reshape(-1, 4)),
                    segmentations=tuple(found.outlines),
                    mask_path=mask_path,
                    label_path=labels.path_of(image),
                    fractions=True,
                )
            )
        notes = [note for folder in masks.values() for note in folder.left_over()]
        notes += [*labels.notes, *lost_splits(root)]
        numbers = {index + 1: name for index, name in names.items()}
        return Contents(
            tuple(entries),
            tuple(names.values()),
            listed,
            faults=tuple(faults),
            notes=tuple(notes),
            numbers=numbers,
        )


def _masks(images: list[Path], root: Path) -> dict[Path, MaskFolder]:
    """The folder of masks of each folder of images."""
    owners: dict[Path, list[Path]] = {}
    for image in images:
        folder = sibling_folder(image, "masks", root)
        owners.setdefault(folder, []).append(relative_image(image, root))
    return {folder: MaskFolder(folder, inside) for folder, inside in owners.items()}


class _LabelFolders:
    """The label file of each image, and what is wrong with the folders they are in.

    Attributes:
        faults: label files without image, two for one image, a split without any folder of labels.
        notes: how many images have no label file.
    """

    def __init__(self, root: Path, images: list[Path]) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []
        self._root = root
        self._paths: dict[Path, Path] = {}
        owners: dict[Path, dict[str, Path]] = {}
        for image in images:
            owners.setdefault(self._folder_of(image), {})[image.stem] = image
        missing = [folder for folder in owners if not is_folder(folder)]
        for folder in missing:
            self.faults.append(
                f"{shown(folder, root)}/: no such folder of label files; they lie in folders as their "
                "images do; if these images show no object, make the folder and leave it empty"
            )
        for folder, stems in owners.items():
            self._assign(folder, stems)
        self._find_lost(images)
        unlabelled = len(images) - len(self._paths)
        if unlabelled and not missing:
            self.notes.append(
                f"{unlabelled} of {len(images)} images have no label file: no objects"
            )

    def path_of(self, image: Path) -> Path | None:
        """The label file of an image."""
        return self._paths.get(image)

    def _folder_of(self, image: Path) -> Path:
        """`labels/` beside `images/`; the image's own folder where that alone has text files."""
        folder = sibling_folder(image, "labels", self._root)
        if folder == image.parent:
            return folder
        mirrored = folder / relative_image(image, self._root).parent
        beside = not is_folder(mirrored) and is_file(image.with_suffix(".txt"))
        return image.parent if beside else mirrored

    def _assign(self, folder: Path, stems: Mapping[str, Path]) -> None:
        found, doubled = by_stem(files(folder, ".txt"), self._root)
        self.faults += doubled
        beside = next(iter(stems.values())).parent
        unlisted = {path.stem for path in images_in(beside)}
        unread = {path.stem: path.name for path in files(beside, *UNREAD_SUFFIXES)}
        for stem, path in found.items():
            if stem in stems:
                self._paths[stems[stem]] = path
            elif path.name.lower() not in _NO_LABELS and stem not in unlisted:
                where = shown(path, self._root)
                self.faults.append(
                    f"{where}: has no image in {beside.name}/{_cure(unread.get(stem))}"
                )

    def _find_lost(self, images: Iterable[Path]) -> None:
        """Note folders of label files to which there is no folder of images."""
        pairs = {
            (
                sibling_folder(image, "labels", self._root),
                sibling_folder(image, "images", self._root),
            )
            for image in images
        }
        for labels, pictures in sorted(pairs):
            for folder in folders(labels) if labels.name == "labels" else ():
                count = len(files(folder, ".txt"))
                if count and not is_folder(pictures / folder.name):
                    self.notes.append(
                        f"{shown(folder, self._root)}/: {count} label files, and no folder "
                        f"{shown(pictures, self._root)}/{folder.name}"
                    )


def _cure(unread: str | None) -> str:
    """What to do with a label file whose image is of a format that can't be read, or not there."""
    if unread:
        return f"; {unread} is of a format that can't be read: convert it to JPEG"
    return "; add the image, or remove the label file"


@dataclass
class _Labels:
    """Objects of one label file: class numbers, boxes in centre form, outlines; fractions."""

    ids: list[int] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    outlines: list[list[list[float]] | None] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def _read_labels(path: Path, where: str, names: Mapping[int, str]) -> _Labels:
    found = _Labels()
    lines, found.faults = read_lines(path, where)
    for number, line in lines:
        values = parse_numbers(line.split())
        count = len(values)
        is_outline = count >= _LEAST_POLYGON_VALUES and count % 2 == 1
        if count != _BOX_VALUES and not is_outline:
            hint = _hint_of(line, values)
            found.faults.append(
                f"{where}:{number}: expected 'class cx cy w h', got {line[:_SHOWN]!r}; {hint}"
            )
        elif values[0] not in names:
            whole = sorted(names) == list(range(len(names)))
            expected = f"0..{max(names)}" if whole else ", ".join(map(str, sorted(names)))
            found.faults.append(
                f"{where}:{number}: expected a class of {expected}, got {values[0]:g}"
            )
        else:
            found.ids.append(int(values[0]))
            found.boxes.append(_around(values[1:]) if is_outline else values[1:])
            found.outlines.append([values[1:]] if is_outline else None)
    return found


def _hint_of(line: str, values: list[float]) -> str:
    """What a line may be that is neither a box nor an outline."""
    if "," in line or ";" in line:
        return "separate the values by blanks, and write decimals with a point"
    if not values and not parse_numbers(line.split()[:1]):
        return "the class is its number in the list of names"
    if len(values) == _BOX_VALUES + 1:
        return "six values are a detection with its score"
    points = values[_BOX_VALUES:]
    is_pose = points and len(points) % 3 == 0 and set(points[2::3]) <= set(_VISIBILITIES)
    return _KEY_POINTS if is_pose else _OUTLINE_HINT


def _key_point_faults(labels: Iterable[_Labels]) -> list[str]:
    """A fault where the outlines of a data set are boxes with key points: `class cx cy w h x y ...`.

    They have one length. The points lie in the boxes, and the size is no corner beside them.
    """
    lines = [outline[0] for item in labels for outline in item.outlines if outline]
    if not lines or len(lines[0]) + 1 == _LEAST_POLYGON_VALUES or len(set(map(len, lines))) > 1:
        return []
    values = np.array(lines)
    box, points = values[:, :4], values[:, 4:]
    low, high = box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2
    if (low < -_ROUNDING).any() or (high > 1 + _ROUNDING).any() or (box[:, 2:] <= 0).any():
        return []
    if not _are_marked(points, low, high) and not _lie_in_boxes(values, low, high):
        return []
    return [
        f"{len(lines)} lines of {values.shape[1] + 1} values look like boxes with key points "
        f"(class cx cy w h, then the points), not like outlines; {_KEY_POINTS}; "
        "outlines that look so are read from a COCO export"
    ]


def _are_marked(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether values behind a box are `x y visibility` triples, most of them in the box.

    Corners on the image's edges are 0 and 1, too, but lie elsewhere.
    """
    if points.shape[1] % 3:
        return False
    triples = points.reshape(len(points), -1, 3)
    places, marks = triples[..., :2], triples[..., 2]
    seen = places.any(2)
    inside = ((places >= low[:, None]) & (places <= high[:, None])).all(2)
    return bool(np.isin(marks, _VISIBILITIES).all() and 2 * (inside & seen).sum() >= seen.sum())


def _lie_in_boxes(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether values behind `cx cy w h` are points in the boxes, and w and h are none beside them."""
    points = values[:, 4:].reshape(len(values), -1, 2)
    seen = points.any(2, keepdims=True)
    inside = (points >= low[:, None] - _ROUNDING) & (points <= high[:, None] + _ROUNDING)
    if not (inside | ~seen).all():
        return False
    centre, size = values[:, None, :2], values[:, 2:4]
    others = np.concatenate([centre, np.where(seen, points, centre)], 1)
    first, last = others.min(1), others.max(1)
    margin = last - first
    apart = ((size < first - margin) | (size > last + margin)).any(1)
    pairs = zip(values[:, :2], points, np.asarray(seen)[..., 0], strict=True)
    if 2 * sum(_is_among(middle, places[there]) for middle, places, there in pairs) > len(values):
        return True
    return bool(
        apart.any()
        if values.shape[1] >= _LEAST_CLEAR_VALUES
        else len(values) > 1 and 2 * apart.sum() > len(values)
    )


def _is_among(centre: np.ndarray, points: np.ndarray) -> bool:
    """Whether points lie on every side: a corner of an outline has the others on one, mostly."""
    angles = np.sort(np.arctan2(*(points - centre).T))
    gaps = np.diff(angles, append=angles[:1] + 2 * np.pi)
    return bool(gaps.max(initial=0) < np.pi and len(angles) > 1)


def _around(polygon: list[float]) -> list[float]:
    """The box `cx cy w h` around a polygon `x1 y1 x2 y2 ...`."""
    points = np.array(polygon).reshape(-1, 2)
    low, high = points.min(0), points.max(0)
    return [*((low + high) / 2), *(high - low)]
