"""Pictures for a model card: what a model sees, where it errs, and its curves.

Each small enough for a repository.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.evaluation.evaluate import Evaluation
from mtv_perception.evaluation.records import Perceive
from mtv_perception.evaluation.worst import best_thresholds, class_curves, draw_pair, worst_images
from mtv_perception.labels import LabelSet
from mtv_perception.plots.scores import plot_precision_recall, to_png
from mtv_perception.resources import write_whole
from mtv_perception.visual.overlay import draw_overlay

MAX_BYTES = 150_000
_QUALITIES = range(90, 20, -5)
_WHITE = 255


def contact_sheet(
    images: Iterable[np.ndarray],
    perceive: Perceive,
    labels: LabelSet,
    *,
    columns: int = 3,
    tile_wh: tuple[int, int] = (360, 270),
) -> np.ndarray:
    """What a model sees in some images, `(H, W, 3)` uint8 RGB.

    Args:
        images: at least one, `(H, W, 3)` uint8 RGB, any size.
        perceive: the model, at the thresholds to be shown.
        labels: its classes.
        columns: tiles in a row.
        tile_wh: of one image with its margins, pixels.
    """
    return tile(
        [draw_overlay(image, perceive(image), labels) for image in images], columns, tile_wh
    )


def worst_sheet(
    evaluation: Evaluation,
    perceive: Perceive,
    *,
    count: int = 6,
    columns: int = 2,
    tile_wh: tuple[int, int] = (540, 204),
) -> np.ndarray:
    """The images with the most errors, truth on the left and prediction on the right.

    White when there are none.

    Args:
        evaluation: scores of the model.
        perceive: run again on these images; only detections of the best F1's score and above are
            drawn.
        count: at most so many images.
        columns: pairs in a row.
        tile_wh: of one pair with its margins, pixels.
    """
    thresholds = best_thresholds(evaluation)
    chosen = [evaluation.records[image.index].sample for image in worst_images(evaluation, count)]
    pairs = [draw_pair(sample, perceive, thresholds, evaluation.labels) for sample in chosen]
    return tile(pairs, columns, tile_wh)


def tile(pictures: Sequence[np.ndarray], columns: int, tile_wh: tuple[int, int]) -> np.ndarray:
    """Pictures in rows on white, each shrunk or grown into its tile, `(H, W, 3)` uint8."""
    width, height = tile_wh
    rows = max(1, -(-len(pictures) // columns))
    sheet = np.full((rows * height, columns * width, 3), _WHITE, np.uint8)
    for index, picture in enumerate(pictures):
        scale = min(width / picture.shape[1], height / picture.shape[0])
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        small = cv2.resize(
            picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        y, x = index // columns * height, index % columns * width
        sheet[y : y + size[1], x : x + size[0]] = small
    return sheet


def write_jpeg(path: Path, image_rgb: np.ndarray, max_bytes: int = MAX_BYTES) -> None:
    """Write an image at the best quality that stays within so many bytes, creating its folder.

    Raises:
        ValueError: even the lowest quality takes more.
    """
    for quality in _QUALITIES:
        content = cv2.imencode(
            ".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )[1].tobytes()
        if len(content) <= max_bytes:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
            return
    raise ValueError(
        f"Expected a picture of at most {max_bytes} bytes, got {len(content)} at quality {quality}."
    )


def write_curves(path: Path, evaluation: Evaluation) -> None:
    """Write precision over recall of each class as a PNG, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, to_png(plot_precision_recall(class_curves(evaluation), evaluation.labels)))
