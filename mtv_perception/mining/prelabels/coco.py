"""COCO with an outline for each object, as CVAT and other tools import it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mtv_perception.data.formats.shapes import box_of_mask, runs_of
from mtv_perception.mining.prelabels.base import Labelled, PreLabel, objects_of
from mtv_perception.resources import write_whole
from mtv_perception.runtime.artefact import ModelSpec

FILE = "coco_outlines.json"


class CocoOutlines:
    """`coco_outlines.json`: boxes, and run lengths of the pixels in them.

    Args:
        folder: to write into.
        spec: of the model.
    """

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self._path, self._spec = folder / FILE, spec
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, item: PreLabel) -> None:
        """See Form."""
        height, width = item.size_hw
        number = len(self._images) + 1
        self._images.append(
            {"id": number, "file_name": item.file, "width": width, "height": height}
        )
        for found in objects_of(item, self._spec):
            annotation = {
                "id": len(self._annotations) + 1,
                "image_id": number,
                "category_id": found.class_id,
                "iscrowd": 0,
                **_shape(found, item.size_hw),
            }
            self._annotations.append(annotation)

    def close(self) -> None:
        """See Form."""
        names = self._spec.labels.names
        categories = [{"id": i, "name": name} for i, name in enumerate(names) if i]
        content = {"images": self._images, "annotations": self._annotations}
        write_whole(self._path, json.dumps({**content, "categories": categories}))


def _shape(found: Labelled, size_hw: tuple[int, int]) -> dict[str, Any]:
    box = found.box_xyxy
    if box is None:
        assert found.pixels is not None
        box = box_of_mask(found.pixels, found.origin_xy)
    x0, y0, x1, y1 = (round(float(value), 3) for value in box)
    shape: dict[str, Any] = {
        "bbox": [x0, y0, round(x1 - x0, 3), round(y1 - y0, 3)],
        "area": round((x1 - x0) * (y1 - y0), 3),
        "segmentation": [],
    }
    if found.pixels is not None:
        shape["area"] = int(found.pixels.sum())
        shape["segmentation"] = runs_of(found.pixels, found.origin_xy, size_hw)
    return shape
