"""CVAT's own XML for images: `annotations.xml` and `images/`.

A box is a box; a turned box, a polygon, an ellipse and a mask are a box and an outline. A box and
one outline of the same label that form a group are one object. Polylines, points and tags are no
objects and are left out. Subsets are splits.

Source: https://docs.cvat.ai/docs/manual/advanced/xml_format/.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mtv_perception.data.formats.base import Contents, Entry, ReadOptions, Split
from mtv_perception.data.formats.files import (
    as_side,
    endings,
    has_suffix,
    is_file,
    read_xml,
    stored_file,
)
from mtv_perception.data.formats.shapes import (
    ShapeError,
    as_points,
    box_around,
    box_inside,
    box_of_mask,
    check_area,
    circle,
    corners,
    polygon,
    rotated,
    runs_of,
)
from mtv_perception.errors import DatasetError

INDEX_NAME = "annotations.xml"
_NO_OBJECTS = frozenset({"polyline", "points", "tag", "skeleton", "cuboid"})
Shape = tuple[np.ndarray, object]
"""A box `(4,)` in pixels and its COCO outline, or None."""
_NO_GROUP = "0"
# What CVAT itself calls the subset of images that are in none, beside named ones.
_UNNAMED = "default"


@dataclass(frozen=True)
class _Shape:
    """One drawn shape: its class, box `(4,)` in pixels, COCO outline if any, and group."""

    label: str
    box: np.ndarray
    outline: object
    group: str


def is_cvat(path: Path) -> bool:
    """Whether an XML file is of CVAT."""
    try:
        return read_xml(path).tag == "annotations"
    except DatasetError:
        return False


class CvatFormat:
    """`CVAT for images`; see the module."""

    layout = "annotations.xml and images/ (CVAT for images)"

    def find(self, root: Path) -> tuple[Split, ...]:
        """See Format; the XML file alone is a data set too."""
        path = root if is_file(root) else root / INDEX_NAME
        if not is_file(path) or not has_suffix(path, (".xml",)):
            return ()
        try:
            document = read_xml(path)
        except DatasetError:
            return (Split("", (path,)),) if path.name == INDEX_NAME else ()
        if document.tag != "annotations":
            return ()
        subsets = dict.fromkeys(image.get("subset") or "" for image in document.iterfind("image"))
        if len(subsets) > 1:
            subsets = dict.fromkeys(name or _UNNAMED for name in subsets)
        return tuple(Split(name, (path,)) for name in subsets) or (Split("", (path,)),)

    def read(self, root: Path, split: Split, options: ReadOptions) -> Contents:
        """See Format."""
        (path,) = split.sources
        document = read_xml(path)
        if document.find("track") is not None:
            raise DatasetError(
                f"{path}: expected images, found tracks of a video; export 'CVAT for images 1.1'."
            )
        entries, faults, left_out = [], [], 0
        for image in document.iterfind("image"):
            subset = image.get("subset") or ""
            if split.name not in (subset, subset or _UNNAMED):
                continue
            entry, wrong, dropped = _entry(path, image)
            entries.append(entry)
            faults += wrong
            left_out += dropped
        named = (label.findtext("name") for label in document.iterfind("meta//label"))
        listed = {name.strip() for name in named if name and name.strip()}
        used = {name for entry in entries for name in entry.names}
        note = f"{left_out} polylines, points, cuboids or tags are no objects and are left out"
        return Contents(
            tuple(entries),
            tuple(sorted(listed | used)),
            None,
            tuple(faults),
            (note,) * bool(left_out),
        )


def _entry(path: Path, image: ElementTree.Element) -> tuple[Entry, list[str], int]:
    """One image, what is wrong with its shapes, and how many are no objects."""
    name = image.get("name") or ""
    width, height = image.get("width") or "", image.get("height") or ""
    sides = as_side(height), as_side(width)
    size_hw = None if sides[0] is None or sides[1] is None else (sides[0], sides[1])
    shapes: list[_Shape] = []
    faults, left_out = [], 0
    for number, item in enumerate(image):
        if item.tag in _NO_OBJECTS:
            left_out += 1
            continue
        try:
            box, outline = _read_shape(item, size_hw)
        except (ShapeError, ValueError) as error:
            faults.append(f"{path.name}: image {name!r}, {item.tag} {number}: {error}")
            continue
        label, group = (item.get("label") or "").strip(), item.get("group_id") or _NO_GROUP
        shapes.append(_Shape(label, box, outline, group))
    shapes = _joined(shapes)
    entry = Entry(
        image_path=_image_path(path.parent, name, image.get("subset") or ""),
        names=tuple(shape.label for shape in shapes),
        boxes_xyxy=np.array([shape.box for shape in shapes], np.float64).reshape(-1, 4),
        segmentations=tuple(shape.outline for shape in shapes),
        size_hw=size_hw,
    )
    return entry, faults, left_out


def _joined(shapes: list[_Shape]) -> list[_Shape]:
    """Each plain box takes the outline of its group, if that is the only one of its label."""
    members: dict[tuple[str, str], list[_Shape]] = {}
    for shape in shapes:
        if shape.group != _NO_GROUP:
            members.setdefault((shape.label, shape.group), []).append(shape)
    joined = {id(shape): shape for shape in shapes}
    for group in members.values():
        plain = [shape for shape in group if shape.outline is None]
        outlined = [shape for shape in group if shape.outline is not None]
        if len(plain) == len(outlined) == 1:
            joined[id(plain[0])] = replace(plain[0], outline=outlined[0].outline)
            del joined[id(outlined[0])]
    return list(joined.values())


def _image_path(folder: Path, name: str, subset: str) -> Path:
    places = (folder / "images" / subset, folder / "images", folder / subset, folder)
    likely = endings(name)
    found = filter(None, (stored_file(place / item) for item in likely for place in places))
    return next(found, folder / "images" / likely[-1])


def _read_shape(item: ElementTree.Element, size_hw: tuple[int, int] | None) -> Shape:
    if item.tag not in _KINDS:
        raise ShapeError(f"expected a shape of {', '.join(_KINDS)}")
    if not (item.get("label") or "").strip():
        raise ShapeError("expected a label, found none")
    return _KINDS[item.tag](item, size_hw)


def _number(item: ElementTree.Element, key: str) -> float:
    text = item.get(key, "")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ShapeError(f"expected a number {key!r}, got {text[:60]!r}")
    return number


def _box(item: ElementTree.Element, size_hw: tuple[int, int] | None) -> Shape:
    box = corners(*(_number(item, key) for key in ("xtl", "ytl", "xbr", "ybr")))
    degrees = _number(item, "rotation") if item.get("rotation") else 0.0
    if not degrees:
        return box_around(box), None
    turned = rotated(box, degrees)
    return box_inside(turned, size_hw), [polygon(turned)]


def _polygon(item: ElementTree.Element, size_hw: tuple[int, int] | None) -> Shape:
    text = item.get("points") or ""
    try:
        pairs = [[float(x) for x in pair.split(",")] for pair in text.split(";") if pair.strip()]
    except ValueError as error:
        raise ShapeError(f"expected points 'x,y;x,y', got {text[:60]!r}") from error
    points = as_points(pairs, 3)
    return box_around(points), [polygon(points)]


def _ellipse(item: ElementTree.Element, size_hw: tuple[int, int] | None) -> Shape:
    centre = (_number(item, "cx"), _number(item, "cy"))
    points = circle(centre, (_number(item, "rx"), _number(item, "ry")))
    if item.get("rotation"):
        points = rotated(points, _number(item, "rotation"))
    return box_inside(points, size_hw), [polygon(points)]


def _mask(item: ElementTree.Element, size_hw: tuple[int, int] | None) -> Shape:
    """Run lengths row by row inside a box, the first of them of pixels outside the object."""
    if size_hw is None:
        raise ShapeError("expected width and height of the image beside a mask")
    left, top, width, height = (
        int(_number(item, key)) for key in ("left", "top", "width", "height")
    )
    check_area(height, width)
    text = item.get("rle") or ""
    try:
        counts = [int(count) for count in text.replace(",", " ").split()]
    except ValueError as error:
        raise ShapeError(f"expected run lengths 'n, n, n', got {text[:60]!r}") from error
    if min(counts, default=-1) < 0 or min(width, height) < 1 or sum(counts) != width * height:
        raise ShapeError(f"expected run lengths of {width}x{height} pixels, got {sum(counts)}")
    values = np.arange(len(counts)) % 2 == 1
    mask = np.repeat(values, counts).reshape(height, width)
    return box_of_mask(mask, (left, top)), runs_of(mask, (left, top), size_hw)


_KINDS: dict[str, Callable[[ElementTree.Element, tuple[int, int] | None], Shape]] = {
    "box": _box,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "mask": _mask,
}
