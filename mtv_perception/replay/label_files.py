"""Results as label files for annotation tools: YOLO text files, or one COCO JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from mtv_perception.labels import LabelSet
from mtv_perception.resources import write_whole
from mtv_perception.types import Detections, Result


class LabelWriter(Protocol):
    """Writes one frame after the other."""

    def write(self, name: str, file: str, result: Result) -> None:
        """Write a frame: the name of its results, the name of its image, and what was found."""

    def close(self) -> None:
        """Finish."""


def yolo_lines(found: Detections, size_hw: tuple[int, int]) -> list[str]:
    """A line for each detection: class from 0, centre and size as fractions of the image's sides."""
    height, width = size_hw
    lines = []
    for (x0, y0, x1, y1), class_id in zip(
        found.boxes_xyxy.tolist(), found.class_ids.tolist(), strict=True
    ):
        box = (
            (x0 + x1) / 2 / width,
            (y0 + y1) / 2 / height,
            (x1 - x0) / width,
            (y1 - y0) / height,
        )
        lines.append(f"{class_id - 1} " + " ".join(f"{value:.6f}" for value in box) + "\n")
    return lines


class YoloLabels:
    """`labels/NAME.txt` with lines of class, centre and size, relative to the image; `classes.txt`.

    Class 0 is the first class after the background. An image without objects has an empty file.
    """

    def __init__(self, folder: Path, labels: LabelSet) -> None:
        self._folder = folder / "labels"
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "classes.txt", "\n".join(labels.names[1:]) + "\n")

    def write(self, name: str, file: str, result: Result) -> None:
        """Write a frame's file."""
        lines = yolo_lines(result.detections, result.size_hw)
        write_whole(self._folder / f"{name}.txt", "".join(lines))

    def close(self) -> None:
        """Nothing is left to do."""


class CocoLabels:
    """`annotations.json` with images, boxes (with their scores) and categories."""

    def __init__(self, folder: Path, labels: LabelSet) -> None:
        self._path = folder / "annotations.json"
        self._content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [
                {"id": index, "name": name} for index, name in enumerate(labels.names) if index
            ],
        }

    def write(self, name: str, file: str, result: Result) -> None:
        """Add a frame."""
        images, annotations = self._content["images"], self._content["annotations"]
        height, width = result.size_hw
        images.append({"id": len(images) + 1, "file_name": file, "height": height, "width": width})
        found = result.detections
        for (x0, y0, x1, y1), score, class_id in zip(
            found.boxes_xyxy.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": class_id,
                    "bbox": [round(value, 2) for value in (x0, y0, x1 - x0, y1 - y0)],
                    "area": round((x1 - x0) * (y1 - y0), 2),
                    "iscrowd": 0,
                    "score": round(score, 4),
                }
            )

    def close(self) -> None:
        """Write the file."""
        write_whole(self._path, json.dumps(self._content) + "\n")


LABEL_WRITERS: dict[str, Callable[[Path, LabelSet], LabelWriter]] = {
    "yolo": YoloLabels,
    "coco": CocoLabels,
}
"""What makes a writer of label files, by the name of the format."""
