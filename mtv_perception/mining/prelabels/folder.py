"""A folder of images with labels in every form at once: the images are there once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mtv_perception.media.write import write_image
from mtv_perception.mining.prelabels.base import Form, PreLabel, pre_label
from mtv_perception.mining.prelabels.coco import CocoOutlines
from mtv_perception.mining.prelabels.cvat import CvatXml
from mtv_perception.mining.prelabels.label_studio import LabelStudioTasks
from mtv_perception.mining.prelabels.own import OwnLayout
from mtv_perception.mining.prelabels.yolo import YoloFolder
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.types import Result

FORMS: dict[str, Callable[[Path, ModelSpec], Form]] = {
    "own": OwnLayout,
    "yolo": YoloFolder,
    "cvat": CvatXml,
    "coco": CocoOutlines,
    "label studio": LabelStudioTasks,
}

Hide = Callable[[np.ndarray, Result], np.ndarray]
"""Gives an image `(H, W, 3)` uint8 RGB as it may be shown, from the image and what is in it."""


def _unhidden(image_rgb: np.ndarray, result: Result) -> np.ndarray:
    return image_rgb


class PreLabelFolder:
    """Writes images and their labels; use as a context manager.

    Args:
        folder: exists, empty.
        spec: of the model.
        hide: applied to every image before anything of it is written.
    """

    def __init__(self, folder: Path, spec: ModelSpec, hide: Hide | None = None) -> None:
        self._folder, self._spec, self._hide = folder, spec, hide or _unhidden
        (folder / "images").mkdir(parents=True)
        self._forms = [make(folder, spec) for make in FORMS.values()]

    def __enter__(self) -> PreLabelFolder:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            for form in self._forms:
                form.close()

    def add(self, name: str, image_rgb: np.ndarray, result: Result) -> tuple[PreLabel, np.ndarray]:
        """Write one image and its labels.

        Args:
            name: of the image, without suffix; no other image has it.
            image_rgb: `(H, W, 3)` uint8.
            result: of the image, with a mask of its size.

        Returns:
            What was written, and the image as it was written.
        """
        shown = self._hide(image_rgb, result)
        item = pre_label(f"{name}.jpg", result, self._spec)
        write_image(self._folder / "images" / item.file, shown)
        for form in self._forms:
            form.add(item)
        return item, shown
