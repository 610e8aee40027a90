"""A result drawn over its image."""

from __future__ import annotations

import cv2
import numpy as np

from mtv_perception.labels import BACKGROUND_ID, UNLABELED_ID, LabelSet
from mtv_perception.types import Result

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TINT = 0.45


def colour_mask(class_ids: np.ndarray, labels: LabelSet) -> np.ndarray:
    """Class ids `(H, W)` uint8 as colours `(H, W, 3)` uint8 RGB."""
    return labels.colour_table()[class_ids]


def _ink(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever reads better on the colour (ITU-R BT.601 luma)."""
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return (0, 0, 0) if luma > 140 else (255, 255, 255)


def _label(
    image: np.ndarray, text: str, corner_xy: tuple[int, int], colour: tuple[int, int, int], scale: float
) -> None:
    """Text on a filled plate whose lower left corner is at `corner_xy`, moved inside the image."""
    (width, height), base = cv2.getTextSize(text, _FONT, scale, 1)
    x = max(0, min(corner_xy[0], image.shape[1] - width - 4))
    y = max(height + base + 2, min(corner_xy[1], image.shape[0] - 1))
    cv2.rectangle(image, (x, y - height - base - 2), (x + width + 4, y), colour, -1)
    cv2.putText(image, text, (x + 2, y - base), _FONT, scale, _ink(colour), 1, cv2.LINE_AA)


def _tinted(image_rgb: np.ndarray, class_ids: np.ndarray, labels: LabelSet) -> np.ndarray:
    if class_ids.shape != image_rgb.shape[:2]:
        class_ids = cv2.resize(class_ids, image_rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    tinted = cv2.addWeighted(image_rgb, 1 - _TINT, colour_mask(class_ids, labels), _TINT, 0)
    plain = (class_ids == BACKGROUND_ID) | (class_ids == UNLABELED_ID)
    tinted[plain] = image_rgb[plain]
    return tinted


def draw_overlay(image_rgb: np.ndarray, result: Result, labels: LabelSet, footer: str = "") -> np.ndarray:
    """Mask tint, boxes with class and score, a legend and a footer line over an image.

    Args:
        image_rgb: `(H, W, 3)` uint8; not changed.
        result: of this image.
        labels: names and colours.
        footer: e.g. the latency; nothing when empty.

    Returns:
        `(H, W, 3)` uint8 RGB.
    """
    canvas = _tinted(image_rgb, result.segmentation.class_ids, labels)
    scale = max(0.35, min(image_rgb.shape[:2]) / 1000)
    found = result.detections
    for box, score, class_id in zip(found.boxes_xyxy, found.scores, found.class_ids, strict=True):
        colour = labels.colour(int(class_id))
        x0, y0, x1, y1 = np.round(box).astype(int).tolist()
        cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), colour, max(1, round(scale * 3)))
        _label(canvas, f"{labels.names[class_id]} {score:.2f}", (x0, y0), colour, scale)
    line = round(42 * scale)
    for row, name in enumerate(labels.foreground, start=1):
        _label(canvas, name, (2, row * line), labels.colour(labels.id_of(name)), scale)
    if footer:
        _label(canvas, footer, (2, canvas.shape[0] - 1), (32, 32, 32), scale)
    return canvas
