"""Data sets in Pascal VOC's layout: `Annotations/NAME.xml` and `JPEGImages/`.

VOC counts pixels from 1 and includes the last: `xmin 1, xmax 10` covers 0..10 in our continuous
coordinates. A `difficult` object, which VOC neither rewards nor punishes, is a crowd here.
`masks/NAME.png` of our class ids may stand beside them.

Source: Everingham et al. 2010, "The Pascal Visual Object Classes (VOC) Challenge", and its
development kit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mtv_perception.data.formats.assemble import ClassOptions, Entry, assemble, list_images, mask_in
from mtv_perception.data.formats.faults import shown
from mtv_perception.data.sample import Dataset
from mtv_perception.labels import LabelSet

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
# From the first and last pixel, counted from 1, to the edges.
_TO_EDGES = np.array([-1.0, -1.0, 0.0, 0.0])


def read_voc(
    root: Path,
    labels: LabelSet,
    *,
    rename: Mapping[str, str] | None = None,
    box_classes: tuple[str, ...] | None = None,
    mask_classes: tuple[str, ...] | None = None,
) -> Dataset:
    """Read a Pascal VOC folder: every image that has an annotation.

    Args:
        root: folder with `Annotations/` and `JPEGImages/`.
        labels: our classes; objects of other names are faults.
        rename: object name to our class name; a name renamed to the background is left out.
        box_classes: classes that have every object boxed; by default those with at least one
            object.
        mask_classes: classes the masks tell apart; by default those with at least one pixel.

    Raises:
        DatasetError: unreadable or empty, or every fault (missing image, box outside, broken XML)
            at once.
    """
    images, faults = list_images(root / "JPEGImages", root)
    entries = []
    for path in sorted((root / "Annotations").glob("*.xml")):
        where = shown(path, root)
        try:
            annotation = ElementTree.parse(path).getroot()
        except (OSError, ElementTree.ParseError) as error:
            faults.append(f"{where}: expected an XML annotation, could not read it: {error}")
            continue
        entry, found = _entry(root, path, annotation, images, where)
        entries.append(entry)
        faults += found
    return assemble(
        root, labels, entries, ClassOptions(rename, box_classes, mask_classes), faults=faults
    )


def _entry(
    root: Path, path: Path, annotation: ElementTree.Element, images: Mapping[str, Path], where: str
) -> tuple[Entry, list[str]]:
    names, boxes, crowd, faults = [], [], [], []
    for number, item in enumerate(annotation.iterfind("object")):
        name, box = (item.findtext("name") or "").strip(), _box(item)
        if not name or box is None:
            faults.append(
                f"{where}: object {number}: expected a name and a bndbox with {', '.join(_CORNERS)}"
            )
            continue
        names.append(name)
        boxes.append(box)
        crowd.append((item.findtext("difficult") or "0").strip() == "1")
    stated = root / "JPEGImages" / (annotation.findtext("filename") or "").strip()
    image_path = stated if stated.is_file() else images.get(path.stem, stated)
    entry = Entry(
        image_path=image_path,
        names=tuple(names),
        boxes_xyxy=np.array(boxes, np.float64).reshape(-1, 4) + _TO_EDGES,
        crowd=tuple(crowd),
        mask_path=mask_in(root / "masks", image_path.name),
        size_hw=_size_hw(annotation),
        label_path=path,
    )
    return entry, faults


def _box(item: ElementTree.Element) -> list[float] | None:
    try:
        return [float(item.findtext(f"bndbox/{corner}") or "") for corner in _CORNERS]
    except ValueError:
        return None


def _size_hw(annotation: ElementTree.Element) -> tuple[int, int] | None:
    """The stated size; many tools write zeros or nothing."""
    height, width = (
        (annotation.findtext(f"size/{side}") or "").strip() for side in ("height", "width")
    )
    if not (height.isdecimal() and width.isdecimal()) or "0" in (height, width):
        return None
    return int(height), int(width)
