"""What a form of labels gets for each image, and its objects with their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.types import Detections, Result

# Smaller regions of a class without boxes are noise of the mask.
_LEAST_REGION = 0.0005  # of the image


@dataclass(frozen=True)
class Labelled:
    """One object.

    Attributes:
        class_id: its class.
        box_xyxy: `(4,)` pixels; None for a region of a class that the model does not box.
        pixels: `(h, w)` bool, True on the object; None where the mask shows none of it.
        origin_xy: where the first of `pixels` lies in the image.
    """

    class_id: int
    box_xyxy: np.ndarray | None
    pixels: np.ndarray | None = None
    origin_xy: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class PreLabel:
    """One image with what the model says of it.

    Attributes:
        file: name of the image, in `images/`.
        size_hw: of the image, pixels.
        detections: in image pixels.
        mask: `(H, W)` uint8 class ids, 255 unlabelled; None where the model masks nothing.
    """

    file: str
    size_hw: tuple[int, int]
    detections: Detections
    mask: np.ndarray | None


class Form(Protocol):
    """Writes labels of one form, an image at a time."""

    def add(self, item: PreLabel) -> None:
        """Take one image's labels."""

    def close(self) -> None:
        """Write what is written last."""


def pre_label(file: str, result: Result, spec: ModelSpec) -> PreLabel:
    """What a model says of an image, without the classes that it was not trained for.

    Args:
        file: name of the image.
        result: with a mask of the image's size.
        spec: of the model.
    """
    boxed = [spec.labels.id_of(name) for name in spec.box_classes]
    found = result.detections.select(np.isin(result.detections.class_ids, boxed))
    mask = result.segmentation.class_ids if spec.mask_classes else None
    return PreLabel(file, result.size_hw, found, mask)


def objects_of(item: PreLabel, spec: ModelSpec) -> list[Labelled]:
    """Each detection with the pixels of its class in its box, then regions of unboxed classes.

    Where boxes of one class overlap, the smaller has the pixels. Pixels of a boxed class outside
    of its boxes belong to no object.
    """
    found = item.detections
    objects = [
        Labelled(class_id, box)
        for class_id, box in zip(found.class_ids.tolist(), found.boxes_xyxy, strict=True)
    ]
    if item.mask is None:
        return objects
    taken = np.zeros(item.size_hw, bool)
    sides = found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]
    for index in np.argsort(sides.prod(1), kind="stable").tolist():
        objects[index] = _filled(objects[index], item.mask, taken)
    for name in spec.mask_classes:
        if name not in spec.box_classes:
            objects += _regions(item.mask, spec.labels.id_of(name))
    return objects


def _filled(item: Labelled, mask: np.ndarray, taken: np.ndarray) -> Labelled:
    """The object with its pixels, which are taken from now on."""
    assert item.box_xyxy is not None
    x0, y0 = np.floor(item.box_xyxy[:2]).astype(int).clip(0).tolist()
    x1, y1 = np.ceil(item.box_xyxy[2:]).astype(int).clip(0).tolist()
    window = slice(y0, y1), slice(x0, x1)
    pixels = (mask[window] == item.class_id) & ~taken[window]
    if not pixels.any():
        return item
    taken[window] |= pixels
    return _cropped(item.class_id, item.box_xyxy, pixels, (x0, y0))


def _cropped(
    class_id: int, box_xyxy: np.ndarray | None, pixels: np.ndarray, origin_xy: tuple[int, int]
) -> Labelled:
    """An object whose pixels reach all four sides of their array."""
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    top, left = int(rows[0]), int(columns[0])
    inside = pixels[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    return Labelled(class_id, box_xyxy, inside, (origin_xy[0] + left, origin_xy[1] + top))


def _regions(mask: np.ndarray, class_id: int) -> list[Labelled]:
    count, regions, stats, _ = cv2.connectedComponentsWithStats((mask == class_id).astype(np.uint8))
    large = stats[:, cv2.CC_STAT_AREA] >= _LEAST_REGION * mask.size
    return [
        _cropped(class_id, None, regions == index, (0, 0))
        for index in range(1, count)
        if large[index]
    ]
