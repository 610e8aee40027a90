"""The problems of a data set as one HTML page, each with the piece of the picture it is about."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.data.check import Check, Problem
from mtv_perception.data.sample import read_image
from mtv_perception.errors import DatasetError
from mtv_perception.visual.html import figure, picture, table, write_page

# More pictures than this make a page that browsers open slowly; the texts are all there.
MOST_PICTURES = 300
_CROP_SIDE_PX, _JPEG_QUALITY = 320, 80
_MARGIN = 0.6  # of the box's sides, around it
_ERROR_RGB, _LOOK_RGB = (213, 94, 0), (240, 228, 66)
_STYLE = "figure { display: inline-block; margin: .5em; vertical-align: top; max-width: 340px }"


def write_check(path: Path, source: Path, check: Check) -> None:
    """Write the page, creating its folder.

    Args:
        path: the HTML file.
        source: the data set.
        check: what was found in it.
    """
    sections = [_summary(check), _list("How it is read", check.notes)]
    for title, is_error in (("Errors", True), ("Worth a look", False)):
        problems = [problem for problem in check.problems if problem.is_error == is_error]
        sections.append(_section(title, problems))
    write_page(path, f"Labels of {source.name}", sections, _STYLE)


def _summary(check: Check) -> str:
    rows: list[tuple[str, Any]] = [
        ("layout", check.format),
        ("splits", ", ".join(check.splits) or "one part"),
    ]
    rows += [("errors", check.errors), ("worth a look", len(check.problems) - check.errors)]
    parts = [table(("", ""), rows)]
    if check.dataset is not None:
        names = check.dataset.labels.names
        counts = Counter(names[i] for s in check.dataset.samples for i in s.class_ids)
        objects = [(name, counts[name]) for name in names[1:]]
        parts.append(table(("class", "objects"), [*objects, ("images", len(check.dataset))]))
    return "".join(parts)


def _list(title: str, lines: tuple[str, ...]) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<h2>{html.escape(title)}</h2><ul>{items}</ul>" if lines else ""


def _section(title: str, problems: list[Problem]) -> str:
    if not problems:
        return ""
    shown = [p for p in problems if p.image_path is not None][:MOST_PICTURES]
    figures = "".join(_figure(problem) for problem in shown)
    pictured = set(map(id, shown))
    rest = tuple(problem.text for problem in problems if id(problem) not in pictured)
    count = f"<h2>{html.escape(title)} ({len(problems)})</h2>"
    return count + figures + _list("Without a picture", rest)


def _figure(problem: Problem) -> str:
    assert problem.image_path is not None
    try:
        image = read_image(problem.image_path)
    except DatasetError:
        return figure([], problem.text)
    crop = _crop(image, problem)
    coded = cv2.imencode(
        ".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )[1].tobytes()
    return figure([picture(coded, "jpeg", problem.text)], problem.text)


def _crop(image: np.ndarray, problem: Problem) -> np.ndarray:
    """The picture around the box with the box drawn, or all of it.

    At most 320 pixels wide and high.
    """
    height, width = image.shape[:2]
    area = np.array([0, 0, width, height], np.float64)
    image = image.copy()
    if problem.box_xyxy is not None and np.isfinite(problem.box_xyxy).all():
        box = np.array(problem.box_xyxy)
        corners = np.clip(box, -1e6, 1e6).round().astype(int).tolist()
        thickness = max(1, round(min(height, width) / 300))
        colour = _ERROR_RGB if problem.is_error else _LOOK_RGB
        cv2.rectangle(image, corners[:2], corners[2:], colour, thickness)
        margin = np.maximum((box[2:] - box[:2]) * _MARGIN, 16)
        around = np.concatenate([box[:2] - margin, box[2:] + margin])
        around = np.clip(around, 0, [width, height, width, height])
        # A box that lies outside altogether is shown by the whole picture.
        area = around if (around[2:] - around[:2]).min() >= 1 else area
    x0, y0, x1, y1 = area.round().astype(int)
    crop = image[y0:y1, x0:x1]
    scale = _CROP_SIDE_PX / max(crop.shape[:2])
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    return np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA if scale < 1 else 0))
