"""Photographs that the model was not trained on, as it sees them, where they lie on this machine.

They are not part of the repository: `forklift_person/val` of the folder that MTV_DATA names.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.media.decode import read_image
from mtv_perception.media.files import image_files
from mtv_perception.media.write import write_image
from mtv_perception.runtime import Perceiver, load_artefact
from mtv_perception.visual.overlay import draw_overlay

CREDIT = (
    "Photographs: “forklift-dsitv”, Roboflow Universe, project object-detection/forklift-dsitv, CC BY 4.0; "
    "boxes and colours were drawn in."
)
FILE = "photographs.jpg"
_COUNT, _COLUMNS, _SIDE = 6, 3, 480


def folder_here() -> Path | None:
    """The folder of the photographs; None where MTV_DATA does not lead to one."""
    data = os.environ.get("MTV_DATA", "")
    folder = Path(data) / "forklift_person" / "val" / "images"
    return folder if data and folder.is_dir() else None


def draw_photographs(folder: Path, model: str, out: Path) -> int:
    """Write a grid of photographs, evenly taken from the folder, with what the model sees.

    Args:
        folder: of images.
        model: folder or name.
        out: for `photographs.jpg`.

    Returns:
        How many were drawn.
    """
    paths = image_files(folder)
    chosen = paths[:: max(1, len(paths) // _COUNT)][:_COUNT]
    artefact = load_artefact(model)
    perceiver, tiles = Perceiver(artefact), []
    for image_rgb in map(read_image, chosen):
        tiles.append(_tile(draw_overlay(image_rgb, perceiver(image_rgb), artefact.labels)))
    if tiles:
        tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % _COLUMNS)
        rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
        write_image(out / FILE, np.vstack(rows))
    return len(chosen)


def _tile(image_rgb: np.ndarray) -> np.ndarray:
    """The image in the middle of a white square."""
    scale = _SIDE / max(image_rgb.shape[:2])
    small = cv2.resize(image_rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    square = np.full((_SIDE, _SIDE, 3), 255, np.uint8)
    square[top : top + height, left : left + width] = small
    return square
