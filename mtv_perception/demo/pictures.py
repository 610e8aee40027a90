"""The demo's pictures: the camera's view beside a view from above, zone states, and a timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from mtv_perception.demo.figures import FREE, OCCUPIED, UNKNOWN, HallRun, inside
from mtv_perception.demo.hall import ZONES, HallClip, HallObject
from mtv_perception.geometry.camera import FloorCamera
from mtv_perception.labels import WAREHOUSE

STATE_RGB = {OCCUPIED: (213, 94, 0), FREE: (0, 158, 115), UNKNOWN: (240, 228, 66)}
"""Okabe & Ito's vermilion, green and yellow: told apart with every common colour blindness."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PAPER, _INK, _GREY = (250, 250, 248), (30, 30, 30), (150, 150, 150)
_CLASS_RGB = {name: WAREHOUSE.colour(WAREHOUSE.id_of(name)) for name in ("person", "forklift")}
_REACH_M, _HALF_M = 9.0, 4.0
_SHADE = 0.35


def draw_zones(image_rgb: np.ndarray, camera: FloorCamera, states: Mapping[str, str]) -> np.ndarray:
    """The image with the zones' outlines on the floor, in the colours of their states."""
    canvas = image_rgb.copy()
    for name, corners in reversed(ZONES.items()):
        dense = _dense(np.array(corners))
        pixels = camera.floor_to_pixels(dense)
        outline = np.rint(pixels[np.isfinite(pixels).all(1)]).astype(np.int32)
        cv2.polylines(canvas, [outline], True, _INK, 4, cv2.LINE_AA)
        colour = STATE_RGB[states.get(name, UNKNOWN)]
        cv2.polylines(canvas, [outline], True, colour, 2, cv2.LINE_AA)
    return canvas


def _dense(corners: np.ndarray) -> np.ndarray:
    """Points along a polygon, close enough for a bent lens."""
    steps = np.linspace(0, 1, 20, endpoint=False)[:, None]
    return np.concatenate(
        [a + (b - a) * steps for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    )


class TopView:
    """Draws what is known of the floor, seen from above; the robot is below, x points up.

    Args:
        height: of the picture, pixels.
    """

    def __init__(self, height: int) -> None:
        self._scale = height / (_REACH_M + 0.8)
        self._size = (height, round(2 * _HALF_M * self._scale))

    def draw(
        self,
        states: Mapping[str, str],
        measured: Sequence[dict[str, Any]],
        truth: Sequence[HallObject],
    ) -> np.ndarray:
        """One moment, `(H, W, 3)` uint8 RGB.

        Zones, measured objects (filled) and true ones (outlines).
        """
        canvas = np.full((*self._size, 3), _PAPER, np.uint8)
        self._grid(canvas)
        for name, corners in reversed(ZONES.items()):
            colour = STATE_RGB[states.get(name, UNKNOWN)]
            shape = self._pixels(np.array(corners))
            shade = canvas.copy()
            cv2.fillPoly(shade, [shape], colour)
            canvas[:] = cv2.addWeighted(canvas, 1 - _SHADE, shade, _SHADE, 0)
            cv2.polylines(canvas, [shape], True, colour, 2, cv2.LINE_AA)
        for item in truth:
            if item.counts:
                cv2.polylines(canvas, [self._pixels(item.corners)], True, _GREY, 1, cv2.LINE_AA)
        for found in measured:
            self._object(canvas, found)
        robot = np.array([[0.3, 0.25], [0.3, -0.25], [-0.3, -0.25], [-0.3, 0.25]])
        cv2.fillPoly(canvas, [self._pixels(robot)], _INK)
        cv2.putText(
            canvas,
            "robot",
            tuple(self._pixels(np.array([[-0.45, -0.4]]))[0]),
            _FONT,
            0.4,
            _INK,
            1,
            cv2.LINE_AA,
        )
        return canvas

    def _grid(self, canvas: np.ndarray) -> None:
        for metres in range(2, int(_REACH_M) + 1, 2):
            (left, right) = self._pixels(np.array([[metres, _HALF_M], [metres, -_HALF_M]]))
            cv2.line(canvas, tuple(left), tuple(right), (225, 225, 225), 1)
            cv2.putText(
                canvas, f"{metres} m", (4, int(left[1]) - 4), _FONT, 0.38, _GREY, 1, cv2.LINE_AA
            )

    def _object(self, canvas: np.ndarray, found: Mapping[str, Any]) -> None:
        colour = _CLASS_RGB.get(found["class"], _INK)
        at = np.array(found["xyz"][:2])
        values, vectors = np.linalg.eigh(np.array(found["covariance"]).reshape(2, 2))
        angles = np.linspace(0, 2 * np.pi, 40)
        ring = np.stack([np.cos(angles), np.sin(angles)], -1) * 2 * np.sqrt(np.maximum(values, 0))
        cv2.polylines(canvas, [self._pixels(at + ring @ vectors.T)], True, colour, 1, cv2.LINE_AA)
        x, y = self._pixels(at[None])[0].tolist()
        cv2.circle(canvas, (x, y), 5, colour, -1, cv2.LINE_AA)
        text = f"{found['class']} {found['id']} {np.hypot(*at):.1f} m"
        cv2.putText(canvas, text, (x + 8, y + 4), _FONT, 0.4, _INK, 1, cv2.LINE_AA)

    def _pixels(self, xy: np.ndarray) -> np.ndarray:
        x = self._size[1] / 2 - xy[:, 1] * self._scale
        y = self._size[0] - (xy[:, 0] + 0.7) * self._scale
        return np.rint(np.column_stack([x, y])).astype(np.int32)


def banner(width: int, states: Mapping[str, str], note: str) -> np.ndarray:
    """A line with the zones' states and a note, `(36, width, 3)` uint8 RGB."""
    canvas = np.full((36, width, 3), _INK, np.uint8)
    x = 8
    for name in ZONES:
        state = states.get(name, UNKNOWN)
        text = f"{name}: {state}"
        (w, _), _ = cv2.getTextSize(text, _FONT, 0.55, 1)
        cv2.rectangle(canvas, (x, 6), (x + w + 16, 30), STATE_RGB[state], -1)
        light = state == OCCUPIED
        ink = (255, 255, 255) if light else _INK
        cv2.putText(canvas, text, (x + 8, 24), _FONT, 0.55, ink, 1, cv2.LINE_AA)
        x += w + 28
    cv2.putText(canvas, note, (x + 8, 24), _FONT, 0.5, (235, 235, 235), 1, cv2.LINE_AA)
    return canvas


def timeline(run: HallRun, clip: HallClip, width: int = 1100) -> np.ndarray:
    """States of each zone over time, above them when somebody truly was inside; `(H, W, 3)` uint8 RGB."""
    begin, end = run.stamps[0], max([*run.stamps, *run.again, *(c.at_ns for c in run.changes)])
    left, row, gap = 70, 22, 40
    canvas = np.full((60 + gap * 2 * len(ZONES), width, 3), _PAPER, np.uint8)

    def column(at_ns: int) -> int:
        return left + round((width - left - 10) * (at_ns - begin) / max(end - begin, 1))

    for index, zone in enumerate(ZONES):
        top = 20 + index * 2 * gap
        cv2.putText(canvas, zone, (8, top + 34), _FONT, 0.55, _INK, 1, cv2.LINE_AA)
        bounds = [*run.stamps, run.stamps[-1]]
        for k, objects in enumerate(clip.frames[: len(run.stamps)]):
            if inside(zone, objects):
                cv2.rectangle(
                    canvas, (column(bounds[k]), top), (column(bounds[k + 1]), top + 8), _INK, -1
                )
        for change, following in zip(run.changes, [*run.changes[1:], None], strict=False):
            until = following.at_ns if following else end
            if until >= begin:
                colour = STATE_RGB[change.states.get(zone, UNKNOWN)]
                start = column(max(change.at_ns, begin))
                cv2.rectangle(
                    canvas, (start, top + 14), (column(until), top + 14 + row), colour, -1
                )
    _axis(canvas, column, begin, end)
    cut = column(run.stamps[-1])
    cv2.line(canvas, (cut, 8), (cut, canvas.shape[0] - 34), (200, 0, 0), 1)
    cv2.putText(canvas, "camera cut off", (cut + 5, 14), _FONT, 0.42, (200, 0, 0), 1, cv2.LINE_AA)
    return canvas


def _axis(canvas: np.ndarray, column: Any, begin: int, end: int) -> None:
    bottom = canvas.shape[0] - 12
    total = (end - begin) / 1e9
    step = max(1, round(total / 12))
    for second in range(0, int(total) + 1, step):
        x = column(begin + second * 10**9)
        cv2.line(canvas, (x, bottom - 18), (x, bottom - 12), _GREY, 1)
        cv2.putText(canvas, f"{second} s", (x - 8, bottom), _FONT, 0.4, _INK, 1, cv2.LINE_AA)


def with_caption(image_rgb: np.ndarray, text: str) -> np.ndarray:
    """A picture over a white line of text, `(H + 28, W, 3)` uint8 RGB.

    Text that is wider than the picture is drawn smaller.
    """
    strip = np.full((28, image_rgb.shape[1], 3), 255, np.uint8)
    (wide, _), _ = cv2.getTextSize(text, _FONT, 0.5, 1)
    scale = 0.5 * min(1.0, (image_rgb.shape[1] - 16) / max(wide, 1))
    cv2.putText(strip, text, (8, 19), _FONT, scale, (40, 40, 40), 1, cv2.LINE_AA)
    return np.vstack([image_rgb, strip])
