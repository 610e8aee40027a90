"""CVAT's own XML for images: a box and a mask of one object are a group.

Source: https://docs.cvat.ai/docs/manual/advanced/xml_format/.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mtv_perception.mining.prelabels.base import Labelled, PreLabel, objects_of
from mtv_perception.resources import write_whole
from mtv_perception.runtime.artefact import ModelSpec

FILE = "cvat.xml"


class CvatXml:
    """`cvat.xml`, to be uploaded as annotations of a task that has the images.

    Args:
        folder: to write into.
        spec: of the model.
    """

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self._path, self._spec, self._count = folder / FILE, spec, 0
        self._root = ElementTree.Element("annotations")
        ElementTree.SubElement(self._root, "version").text = "1.1"
        task = ElementTree.SubElement(ElementTree.SubElement(self._root, "meta"), "task")
        labels = ElementTree.SubElement(task, "labels")
        for name in spec.labels.foreground:
            label = ElementTree.SubElement(labels, "label")
            ElementTree.SubElement(label, "name").text = name
            ElementTree.SubElement(label, "attributes")

    def add(self, item: PreLabel) -> None:
        """See Form."""
        height, width = item.size_hw
        values = {"id": self._count, "name": item.file, "width": width, "height": height}
        image = ElementTree.SubElement(self._root, "image", _texts(values))
        self._count += 1
        for number, found in enumerate(objects_of(item, self._spec), 1):
            self._shapes(image, found, number)

    def close(self) -> None:
        """See Form."""
        ElementTree.indent(self._root)
        content = ElementTree.tostring(self._root, encoding="utf-8", xml_declaration=True)
        write_whole(self._path, content + b"\n")

    def _shapes(self, image: ElementTree.Element, found: Labelled, number: int) -> None:
        label = self._spec.labels.names[found.class_id]
        shared = {"label": label, "source": "auto", "occluded": 0, "z_order": 0}
        if found.box_xyxy is not None and found.pixels is not None:
            shared["group_id"] = number
        if found.box_xyxy is not None:
            corners = (f"{value:.3f}" for value in found.box_xyxy)
            box = dict(zip(("xtl", "ytl", "xbr", "ybr"), corners, strict=True))
            ElementTree.SubElement(image, "box", _texts({**shared, **box}))
        if found.pixels is not None:
            height, width = found.pixels.shape
            left, top = found.origin_xy
            place = {"left": left, "top": top, "width": width, "height": height}
            runs = {"rle": ", ".join(map(str, row_runs(found.pixels)))}
            ElementTree.SubElement(image, "mask", _texts({**shared, **runs, **place}))


def _texts(values: dict[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}


def row_runs(pixels: np.ndarray) -> list[int]:
    """Run lengths row by row of `(h, w)` bool, the first of them of False pixels."""
    flat = pixels.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff([0, *changes.tolist(), flat.size]).tolist()
    return [0, *counts] if flat[0] else counts
