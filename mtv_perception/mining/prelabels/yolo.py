"""YOLO label files beside the images."""

from __future__ import annotations

from pathlib import Path

from mtv_perception.mining.prelabels.base import PreLabel
from mtv_perception.replay.label_files import yolo_lines
from mtv_perception.resources import write_whole
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.yaml_text import format_yaml

FILE = "data.yaml"


class YoloFolder:
    """`labels/NAME.txt` for `images/NAME.jpg`, and `data.yaml` with the names.

    Args:
        folder: to write into.
        spec: of the model.
    """

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self._labels = folder / "labels"
        self._labels.mkdir()
        content = {"train": "images", "names": list(spec.labels.foreground)}
        write_whole(folder / FILE, format_yaml(content))

    def add(self, item: PreLabel) -> None:
        """See Form."""
        lines = yolo_lines(item.detections, item.size_hw)
        write_whole(self._labels / f"{Path(item.file).stem}.txt", "".join(lines))

    def close(self) -> None:
        """Nothing is left to do."""
