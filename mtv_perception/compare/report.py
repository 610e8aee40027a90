"""A comparison as one HTML file: the figures, and the frames that changed most, side by side."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.bags.reader import BagSource, decode_frame
from mtv_perception.bags.topics import camera_of as _camera_of
from mtv_perception.bags.topics import pictures_of, result_topics
from mtv_perception.compare.compare import Comparison, FrameChange, Tolerances, describe
from mtv_perception.compare.runs import FrameKey, FrameKeys, Run
from mtv_perception.errors import ImageError, MtvError
from mtv_perception.replay.inputs import open_input
from mtv_perception.types import Detections, Result, Segmentation
from mtv_perception.visual.html import figure, picture, table, write_page
from mtv_perception.visual.overlay import draw_overlay

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 80]
_WIDTH = 520
_GREY = 96

_STYLE = "figure { margin: 1.5em 0 } figure img { width: 49% }"


def write_comparison(
    path: Path,
    comparison: Comparison,
    tolerances: Tolerances,
    source: Path | None = None,
    worst: int = 8,
) -> None:
    """Write the report, creating its folder.

    Args:
        path: the HTML file.
        comparison: of two runs.
        tolerances: what it is judged by.
        source: the images both runs saw; by default the input or overlay inside one of the bags,
            else grey.
        worst: show at most so many frames.
    """
    broken = comparison.verdict(tolerances)
    verdict = "".join(f"<li>{html.escape(line)}</li>" for line in broken)
    body = [
        f'<p class="bad">Out of tolerance:</p><ul class="bad">{verdict}</ul>'
        if broken
        else '<p class="good">Within tolerance.</p>',
        _runs_table(comparison),
        _figures_table(comparison),
        _class_table(comparison),
        "<h2>Frames that changed most</h2><p>A on the left, B on the right.</p>",
        *_pictures(comparison, comparison.worst(worst), source),
    ]
    title = f"{describe(comparison.run_a.path)} and {describe(comparison.run_b.path)}"
    write_page(path, title, body, _STYLE)


def _runs_table(comparison: Comparison) -> str:
    rows = [
        [name, str(run.path), run.model_id or "-", str(len(run.frames)), str(only)]
        for name, run, only in (
            ("A", comparison.run_a, comparison.only_a),
            ("B", comparison.run_b, comparison.only_b),
        )
    ]
    return table(["run", "path", "model", "frames", "only here"], rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _figures_table(comparison: Comparison) -> str:
    return table(
        ["figure", "value"], [[name, _number(value)] for name, value in comparison.figures.items()]
    )


def _class_table(comparison: Comparison) -> str:
    columns = ["matched", "vanished", "appeared", "mask_iou", "pixel_share"]
    rows = [
        [name, *(_number(row[key]) for key in columns)] for name, row in comparison.by_class.items()
    ]
    return table(["class", *columns], rows)


def _pictures(
    comparison: Comparison, frames: list[FrameChange], source: Path | None
) -> Iterator[str]:
    wanted = {frame.key for frame in frames}
    images = _images(comparison, wanted, source)
    masks = [
        {key: mask for key, mask in run.masks() if key in wanted}
        for run in (comparison.run_a, comparison.run_b)
    ]
    for frame in frames:
        sides = [
            _drawn(run, frame.key, chosen, mask, images.get(frame.key))
            for run, chosen, mask in (
                (comparison.run_a, frame.vanished, masks[0].get(frame.key)),
                (comparison.run_b, frame.appeared, masks[1].get(frame.key)),
            )
        ]
        camera, stamp_ns, _ = frame.key
        caption = (
            f"{camera + ' ' if camera else ''}{stamp_ns / 1e9:.3f} s: {len(frame.vanished)} vanished, "
            f"{len(frame.appeared)} appeared, {len(frame.pairs)} matched"
        )
        yield figure(sides, caption)


def _drawn(
    run: Run,
    key: FrameKey,
    alone: tuple[int, ...],
    mask: np.ndarray | None,
    image: np.ndarray | None,
) -> str:
    """One side as an HTML image; objects without a partner have a white frame around their box."""
    found = run.frames[key].detections
    if image is None:
        height, width = _size(found, mask)
        image = np.full((height, width, 3), _GREY, np.uint8)
    size_hw = image.shape[:2]
    pixels = np.zeros(size_hw, np.uint8) if mask is None else mask
    result = Result(found, Segmentation(pixels, pixels), (size_hw[0], size_hw[1]))
    canvas = draw_overlay(image, result, run.labels)
    for x0, y0, x1, y1 in np.round(found.boxes_xyxy[list(alone)]).astype(int).tolist():
        cv2.rectangle(canvas, (x0 - 3, y0 - 3), (x1 + 2, y1 + 2), (255, 255, 255), 2)
    small = cv2.resize(
        canvas, (_WIDTH, round(_WIDTH * size_hw[0] / size_hw[1])), interpolation=cv2.INTER_AREA
    )
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), _JPEG)
    return picture(coded.tobytes(), "jpeg")


def _size(found: Detections, mask: np.ndarray | None) -> tuple[int, int]:
    """Of an image that is not there: the mask's, times eight for a small one."""
    if mask is not None:
        scale = 8 if mask.shape[0] < 200 else 1
        return mask.shape[0] * scale, mask.shape[1] * scale
    reach = found.boxes_xyxy.max(0) if len(found) else np.array([0, 0, 640, 480])
    return max(480, int(reach[3])), max(640, int(reach[2]))


def _images(
    comparison: Comparison, wanted: set[FrameKey], source: Path | None
) -> dict[FrameKey, np.ndarray]:
    """The images of some frames, from the first place that has them; none is no reason to fail."""
    found: dict[FrameKey, np.ndarray] = {}
    if source is not None:
        keys = FrameKeys()
        with open_input(source) as opened:
            for item in opened.frames():
                try:
                    frame = item.decode()
                except ImageError:
                    continue
                key = keys(item.camera, frame.stamp_ns)
                if key in wanted:
                    found[key] = frame.image_rgb
        return found
    for run in (comparison.run_b, comparison.run_a):
        if not found and (run.path.is_dir() or run.path.suffix in (".mcap", ".db3")):
            found = _bag_images(run, wanted)
    return found


def _bag_images(run: Run, wanted: set[FrameKey]) -> dict[FrameKey, np.ndarray]:
    """Input images that a run's bag holds."""
    found = {}
    ours = {topic for camera in run.cameras for topic in result_topics(camera).values()}
    with BagSource(run.path) as bag:
        topics = pictures_of(bag, ours)
        keys = FrameKeys()
        for message in bag.messages(topics):
            try:
                frame = decode_frame(bag, message, message.topic)
            except MtvError:
                continue
            repeat = keys(message.topic, frame.stamp_ns).repeat
            key = FrameKey(_camera_of(message.topic, run.cameras), frame.stamp_ns, repeat)
            if key in wanted:
                found[key] = frame.image_rgb
    return found
