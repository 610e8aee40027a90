"""The chosen frames as one HTML page: what the model sees there, and why to label it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.labels import LabelSet
from mtv_perception.mining.survey import InputSurvey
from mtv_perception.types import Result
from mtv_perception.visual.html import figure, picture, table, write_page
from mtv_perception.visual.overlay import draw_overlay

_WIDTH_PX, _JPEG_QUALITY = 520, 80
_STYLE = "figure { display: inline-block; margin: .5em; vertical-align: top; max-width: 530px }"


@dataclass(frozen=True)
class Shown:
    """One frame on the page.

    Attributes:
        file: name of its image.
        jpeg: the image with what the model sees, small.
        reasons: why it was chosen.
    """

    file: str
    jpeg: bytes
    reasons: tuple[str, ...]

    @classmethod
    def of(
        cls,
        file: str,
        image_rgb: np.ndarray,
        result: Result,
        labels: LabelSet,
        reasons: Sequence[str],
    ) -> Shown:
        """Draw what the model sees over an image `(H, W, 3)` uint8."""
        drawn = draw_overlay(image_rgb, result, labels)
        height, width = drawn.shape[:2]
        if width > _WIDTH_PX:
            size = _WIDTH_PX, max(1, round(height * _WIDTH_PX / width))
            drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        _, coded = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), quality)
        return cls(file, coded.tobytes(), tuple(reasons))


def write_mine_page(path: Path, frames: Sequence[Shown], readings: Sequence[InputSurvey]) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        frames: the most wanted first.
        readings: what was read.
    """
    rows = [
        (
            item.source.name,
            item.frames,
            item.failed,
            "; ".join(filter(None, (item.error, item.damage, *item.left_out))) or "nothing",
        )
        for item in readings
    ]
    header = ("input", "frames", "not decodable", "left out")
    sections = [f"<h2>Inputs</h2>{table(header, rows)}", "<h2>Frames, the most wanted first</h2>"]
    for item in frames:
        caption = f"{item.file}: {'; '.join(item.reasons)}"
        sections.append(figure([picture(item.jpeg, "jpeg", item.file)], caption))
    write_page(path, f"{len(frames)} frames to label", sections, _STYLE)
