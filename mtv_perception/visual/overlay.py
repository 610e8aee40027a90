"""A result drawn over its image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mtv_perception.labels import BACKGROUND_ID, UNLABELED_ID, LabelSet
from mtv_perception.types import Detections, Result

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TINT = 0.45
_PAD = 3
_DARK = (24, 24, 24)
_LIGHT = (255, 255, 255)

Rect = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels."""


def colour_mask(class_ids: np.ndarray, labels: LabelSet) -> np.ndarray:
    """Class ids `(H, W)` uint8 as colours `(H, W, 3)` uint8 RGB."""
    return labels.colour_table()[class_ids]


def draw_overlay(
    image_rgb: np.ndarray, result: Result, labels: LabelSet, footer: str = ""
) -> np.ndarray:
    """Mask tint, boxes with class and score, a legend and a footer line over an image.

    Labels keep out of each other's way; where there is no room left, the box stays without one.

    Args:
        image_rgb: `(H, W, 3)` uint8; not changed.
        result: of this image.
        labels: names and colours.
        footer: e.g. the latency; nothing when empty.

    Returns:
        `(H, W, 3)` uint8 RGB.
    """
    canvas = _tinted(image_rgb, result.segmentation.class_ids, labels)
    scale = float(np.clip(min(image_rgb.shape[:2]) / 1000, 0.35, 1.6))
    _draw_boxes(canvas, result.detections, labels, scale)
    taken = _legend(canvas, result.detections, labels, scale)
    if footer:
        taken.append(_plate(canvas, footer, (0, canvas.shape[0] - 1), _DARK, scale))
    _draw_labels(canvas, result.detections, labels, scale, taken)
    return canvas


def _tinted(image_rgb: np.ndarray, class_ids: np.ndarray, labels: LabelSet) -> np.ndarray:
    """The image with its classes' colours, and a line of full colour around each region."""
    if class_ids.shape != image_rgb.shape[:2]:
        class_ids = cv2.resize(class_ids, image_rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    plain = (class_ids == BACKGROUND_ID) | (class_ids == UNLABELED_ID)
    if plain.all():
        return image_rgb.copy()
    tinted = cv2.addWeighted(image_rgb, 1 - _TINT, colour_mask(class_ids, labels), _TINT, 0)
    grown = cv2.dilate(
        np.where(plain, np.uint8(BACKGROUND_ID), class_ids), np.ones((3, 3), np.uint8)
    )
    outline = plain & (grown != BACKGROUND_ID)
    tinted[plain] = image_rgb[plain]
    tinted[outline] = labels.colour_table()[grown[outline]]
    return np.asarray(tinted)


def _draw_boxes(canvas: np.ndarray, found: Detections, labels: LabelSet, scale: float) -> None:
    """Each box in its class's colour on a dark rim, so that it shows on any ground.

    The best on top.
    """
    width = max(1, round(scale * 3))
    for index in range(len(found) - 1, -1, -1):
        colour = labels.colour(int(found.class_ids[index]))
        x0, y0, x1, y1 = _pixels(found.boxes_xyxy[index])
        cv2.rectangle(canvas, (x0, y0), (x1, y1), _DARK, width + 2)
        cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, width)


def _pixels(box_xyxy: np.ndarray) -> Rect:
    """The outermost pixels of a box."""
    x0, y0, x1, y1 = np.round(box_xyxy).astype(int).tolist()
    return x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)


def _legend(canvas: np.ndarray, found: Detections, labels: LabelSet, scale: float) -> list[Rect]:
    """The classes with their number of objects, in the upper left corner."""
    taken: list[Rect] = []
    bottom = 0
    for class_id, name in enumerate(labels.names[1:], start=1):
        count = int((found.class_ids == class_id).sum())
        text = f"{name} {count}" if count else name
        bottom += _text_size(text, scale)[1]
        taken.append(_plate(canvas, text, (0, bottom), labels.colour(class_id), scale))
    return taken


def _draw_labels(
    canvas: np.ndarray, found: Detections, labels: LabelSet, scale: float, taken: list[Rect]
) -> None:
    """Labels of the best first: above the box, inside it, below it, beside it.

    The first place that is free.
    """
    height, width = canvas.shape[:2]
    for box, score, class_id in zip(found.boxes_xyxy, found.scores, found.class_ids, strict=True):
        text = f"{labels.names[class_id]} {score:.2f}"
        text_width, text_height = _text_size(text, scale)
        x0, y0, x1, y1 = _pixels(box)
        corners = (
            (x0, y0),
            (x0, y0 + text_height),
            (x1 - text_width, y0),
            (x0, y1 + text_height),
            (x1, y0 + text_height),
            (x0 - text_width, y0 + text_height),
        )
        for x, bottom in corners:
            left = max(0, min(x, width - text_width - 1))
            low = max(text_height, min(bottom, height - 1))
            place = (left, low - text_height, left + text_width, low)
            if not any(_overlap(place, other) for other in taken):
                taken.append(_plate(canvas, text, (left, low), labels.colour(int(class_id)), scale))
                break


def _overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _text_size(text: str, scale: float) -> tuple[int, int]:
    """Width and height of a plate."""
    (width, height), base = cv2.getTextSize(text, _FONT, scale, 1)
    return width + 2 * _PAD, height + base + 2 * _PAD - 1


def _ink(colour: Sequence[int]) -> tuple[int, int, int]:
    """Black or white, whichever reads better on the colour (ITU-R BT.601 luma)."""
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return (0, 0, 0) if luma > 140 else _LIGHT


def _plate(
    canvas: np.ndarray,
    text: str,
    corner_xy: tuple[int, int],
    colour: tuple[int, int, int],
    scale: float,
) -> Rect:
    """Text on a filled plate whose lower left corner is at `corner_xy`; returns the plate."""
    width, height = _text_size(text, scale)
    x, y = corner_xy
    base = cv2.getTextSize(text, _FONT, scale, 1)[1]
    cv2.rectangle(canvas, (x, y - height), (x + width, y), colour, -1)
    cv2.putText(
        canvas, text, (x + _PAD, y - base - _PAD + 2), _FONT, scale, _ink(colour), 1, cv2.LINE_AA
    )
    return x, y - height, x + width, y
