"""Readers of labelled images: one module a format, all with the signature of `base.Format`."""

from __future__ import annotations

from pathlib import Path

from mtv_perception.data.formats.base import Format, Split
from mtv_perception.data.formats.coco import CocoFormat
from mtv_perception.data.formats.cvat import CvatFormat
from mtv_perception.data.formats.labelme import LabelmeFormat
from mtv_perception.data.formats.reference import ReferenceFormat
from mtv_perception.data.formats.semantic import SemanticFormat
from mtv_perception.data.formats.supervisely import SuperviselyFormat
from mtv_perception.data.formats.voc import VocFormat
from mtv_perception.data.formats.yolo import YoloFormat

# In the order of detection: the layouts with the clearest signs first.
FORMATS: dict[str, Format] = {
    "coco": CocoFormat(),
    "cvat": CvatFormat(),
    "supervisely": SuperviselyFormat(),
    "voc": VocFormat(),
    "reference": ReferenceFormat(),
    "yolo": YoloFormat(),
    "semantic": SemanticFormat(),
    "labelme": LabelmeFormat(),
}


def detect(path: Path) -> dict[str, tuple[Split, ...]]:
    """The formats that fit a path, in the order of detection, each with the splits it finds."""
    found = ((name, item.find(path)) for name, item in FORMATS.items())
    return {name: splits for name, splits in found if splits}


__all__ = ["FORMATS", "Format", "Split", "detect"]
