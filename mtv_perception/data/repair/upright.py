"""Tightens the boxes of images that were rotated by a few degrees before they were published.

Such augmentation turns the picture, fills the corners with one dark colour and takes as box the
upright hull of the turned box. That is larger than the object: at 3 degrees a person twice as tall
as wide gets a box 10% too wide, and a network learns to draw it so. The angle is read from the
filled wedges; where there are none, or they don't agree, the boxes stay.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.formats.files import MASK_NAMES
from mtv_perception.data.sample import raise_faults
from mtv_perception.errors import DatasetError, ImageError
from mtv_perception.media.decode import read_image
from mtv_perception.resources import write_whole

Angle = tuple[float, int]
"""Degrees, clockwise, and how many sides of the picture say so; `(0, 0)` where not known."""

_CORNER_PX = 2
# Brightness that was changed after the turn makes the fill grey, but equally in all corners, but
# for JPEG's rings.
_MAX_FILL, _MAX_FILL_SPREAD = 80, 20
_TOLERANCES = (6, 12, 24)  # JPEG rings along a bright picture; a dark picture is close to the fill
_MAX_DEGREES, _STEP_DEGREES = 8.0, 0.1
_MIN_DEGREES = 0.6
_MIN_DEPTH_PX, _SLACK_PX = 2, 2.0
_MIN_SHARE = 0.15  # of a side's columns, on one line
_MAX_STRAY = 0.1  # of a side's columns, with picture where there should be fill
_AGREE_DEGREES, _MIN_SIDES = 0.5, 2
_MIN_SHRINK = 0.75
_BORDER_PX = 1.0


def fill_depths(image: np.ndarray, tolerance: float) -> list[np.ndarray] | None:
    """How deep the fill reaches into the picture, pixels, from top, right, bottom and left.

    Each side is walked clockwise. None where the four corners aren't of one dark colour.
    """
    ends = slice(0, _CORNER_PX), slice(-_CORNER_PX, None)
    corners = np.array([np.median(image[y, x], axis=(0, 1)) for y in ends for x in ends])
    if corners.max() > _MAX_FILL or np.ptp(corners, axis=0).max() > _MAX_FILL_SPREAD:
        return None
    picture = np.abs(image.astype(np.float32) - np.median(corners, axis=0)).max(-1) > tolerance
    sides = [np.rot90(picture, quarter) for quarter in range(4)]
    return [(~np.maximum.accumulate(side, axis=0)).sum(0) for side in sides]


def line_of(depths: np.ndarray) -> tuple[float, int]:
    """The angle, in degrees, of the line that most depths of a side lie on, and how many do."""
    x = np.arange(len(depths)) + 0.5 - len(depths) / 2
    limit = 1.5 * len(depths) / 2 * np.tan(np.radians(_MAX_DEGREES))
    usable = (depths >= _MIN_DEPTH_PX) & (depths < limit)
    x, y = x[usable], depths[usable]
    if len(x) < 2:
        return 0.0, 0
    best = np.zeros(len(x), bool)
    for degrees in np.arange(-_MAX_DEGREES, _MAX_DEGREES + _STEP_DEGREES, _STEP_DEGREES):
        rest = y - x * np.tan(np.radians(degrees))
        counts = np.bincount((rest - rest.min()).astype(int), minlength=2)
        start = rest.min() + np.argmax(counts[:-1] + counts[1:])
        on_line = (rest >= start) & (rest < start + 2)
        best = on_line if on_line.sum() > best.sum() else best
    for _ in range(2):
        slope, offset = np.polyfit(x[best], y[best], 1)
        best = np.abs(y - offset - slope * x) < 1
        if best.sum() < 2:
            return 0.0, 0
    return float(np.degrees(np.arctan(slope))), int(best.sum())


def is_filled(depths: np.ndarray, degrees: float) -> bool:
    """Whether a side has the wedge that a turn leaves, or at least nothing against it."""
    x = np.arange(len(depths)) + 0.5 - len(depths) / 2
    wedge = x * np.tan(np.radians(degrees))
    return bool((depths < wedge - _SLACK_PX).mean() <= _MAX_STRAY)


def angle_of(image: np.ndarray) -> Angle:
    """By how many degrees a picture was turned.

    A side says nothing where the picture is as dark as the fill; two that agree are enough, if none
    contradicts.
    """
    found, votes = (0.0, 0), 0
    for tolerance in _TOLERANCES:
        depths = fill_depths(image, tolerance)
        if depths is None:
            break
        lines = [line for d in depths if (line := line_of(d))[1] >= _MIN_SHARE * len(d)]
        groups = [[o for o in lines if abs(o[0] - line[0]) < _AGREE_DEGREES] for line in lines]
        group = max(groups, key=lambda g: sum(count for _, count in g), default=[])
        if len(group) < _MIN_SIDES:
            continue
        weights = [count for _, count in group]
        degrees = float(np.average([angle for angle, _ in group], weights=weights))
        better = (len(group), sum(weights)) > (found[1], votes)
        if better and all(is_filled(d, degrees) for d in depths):
            found, votes = (degrees, len(group)), sum(weights)
    return found


def tight_sides(sides_wh: np.ndarray, degrees: float) -> np.ndarray:
    """Width and height of a turned object, `(2,)`, from those of the hull of its turned box.

    The hull is solved for the box before the turn; the object in it is taken for an ellipse, which
    turned with the picture. Bounded to three quarters of the hull, and to the hull.
    """
    c, s = np.cos(np.radians(abs(degrees))), np.sin(np.radians(abs(degrees)))
    turn = np.array([[c, s], [s, c]])
    before = np.linalg.solve(turn, sides_wh).clip(min=0)
    return np.sqrt(turn**2 @ before**2).clip(_MIN_SHRINK * sides_wh, sides_wh)


def tighten(bbox: list[float], size_wh: tuple[int, int], degrees: float) -> list[float]:
    """A smaller `[x, y, width, height]` about the same centre.

    A side on the image's border was cut there: it stays, and the opposite one moves as it would if
    nothing had been cut, by half of what the visible part shrinks. The object may be larger than
    its visible part, so that is the least.
    """
    low, sides = np.array(bbox[:2], float), np.array(bbox[2:], float)
    high = low + sides
    step = (sides - tight_sides(sides, degrees)) / 2
    x0, y0 = low + step * (low > _BORDER_PX)
    x1, y1 = high - step * (high < np.array(size_wh) - _BORDER_PX)
    return [round(float(value), 2) for value in (x0, y0, x1 - x0, y1 - y0)]


def copy_folder(source: Path, out: Path, index: dict[str, Any]) -> None:
    """Write a COCO folder beside the source, with another index."""
    (out / "images").mkdir(parents=True)
    write_whole(out / "annotations.json", json.dumps(index))
    for image in index["images"]:
        link = out / "images" / image["file_name"]
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink((source / "images" / image["file_name"]).resolve(), link)
    if (source / "masks").is_dir():
        shutil.copytree(source / "masks", out / "masks")
    if (source / MASK_NAMES).is_file():
        shutil.copyfile(source / MASK_NAMES, out / MASK_NAMES)


def shapes(index: dict[str, Any]) -> dict[str, float]:
    """The median of width over height of each class."""
    names = {category["id"]: category["name"] for category in index["categories"]}
    found: dict[str, list[float]] = {}
    for annotation in index["annotations"]:
        _, _, width, height = annotation["bbox"]
        if height > 0:
            found.setdefault(names[annotation["category_id"]], []).append(width / height)
    return {name: round(float(np.median(values)), 3) for name, values in found.items()}


@dataclass(frozen=True)
class Uprighted:
    """What became of a data set.

    Attributes:
        angles: of each image, by its file name.
        kept_wh: share of width and height that each changed box keeps, `(N, 2)`.
        before: median of width over height of each class.
        after: the same, of the new boxes.
    """

    angles: dict[str, Angle]
    kept_wh: np.ndarray
    before: dict[str, float]
    after: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values: images by angle, boxes changed, shapes before and after."""
        counts = Counter(
            round(degrees) if sides else None for degrees, sides in self.angles.values()
        )
        known = sorted((degrees, count) for degrees, count in counts.items() if degrees is not None)
        kept = np.median(self.kept_wh, axis=0) if len(self.kept_wh) else np.ones(2)
        return {
            "images": {**{f"{d:+d}": count for d, count in known}, "unknown": counts[None]},
            "sides_that_agree": dict(
                sorted(Counter(sides for _, sides in self.angles.values()).items())
            ),
            "boxes": len(self.kept_wh),
            "median_width_height_kept": kept.round(3).tolist(),
            "width_over_height_before": self.before,
            "width_over_height_after": self.after,
        }


def upright_dataset(source: Path, out: Path, progress: Any = iter) -> Uprighted:
    """Write a COCO folder with tighter boxes.

    New `annotations.json`, links to the images, the masks.

    Args:
        source: a COCO folder: annotations.json, images/, and masks/ if there.
        out: a folder that does not exist yet.
        progress: wraps the list of images, as tqdm does.

    Raises:
        DatasetError: `out` exists, or the source can't be read.
    """
    if out.exists():
        raise DatasetError(f"{out}: expected a folder that does not exist yet.")
    index = _read_index(source)
    before = shapes(index)
    angles = _angles(source, progress(index["images"]))
    kept = _tighten_all(index, angles)
    copy_folder(source, out, index)
    return Uprighted(angles, kept, before, shapes(index))


def _read_index(source: Path) -> dict[str, Any]:
    try:
        index: dict[str, Any] = json.loads(
            (source / "annotations.json").read_text(encoding="utf-8")
        )
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{source}: expected annotations.json, could not read it: {error}"
        ) from error
    raise_faults(source, list(_faults(source, index)))
    return index


def _faults(source: Path, index: Any) -> Iterator[str]:
    """What keeps an index from being copied with other boxes; `mtv data import` writes one that can be."""
    if not isinstance(index, dict) or not all(
        isinstance(index.get(name), list) for name in ("images", "annotations", "categories")
    ):
        yield "annotations.json: expected images, annotations and categories"
        return
    images = {image.get("id") for image in index["images"]}
    categories = {category.get("id") for category in index["categories"]}
    for image in index["images"]:
        name = str(image.get("file_name"))
        if Path(name).is_absolute() or ".." in Path(name).parts:
            yield f"{name}: expected an image below images/"
        elif not (source / "images" / name).is_file():
            yield f"images/{name}: no such image file"
        if not (image.get("width") and image.get("height")):
            yield f"{name}: expected width and height in annotations.json"
    for annotation in index["annotations"]:
        where, bbox = f"annotation {annotation.get('id')}", annotation.get("bbox")
        if not isinstance(bbox, list) or len(bbox) != 4:
            yield f"{where}: expected a bbox of 4 numbers, got {bbox!r}"
        for what, known in (("image_id", images), ("category_id", categories)):
            if annotation.get(what) not in known:
                yield f"{where}: expected a {what} of this file, got {annotation.get(what)!r}"


def _angles(source: Path, images: Iterable[Mapping[str, Any]]) -> dict[str, Angle]:
    found = {}
    for image in images:
        try:
            pixels = read_image(source / "images" / image["file_name"])
        except ImageError as error:
            raise DatasetError(str(error)) from error
        found[image["file_name"]] = angle_of(pixels)
    return found


def _tighten_all(index: dict[str, Any], angles: Mapping[str, Angle]) -> np.ndarray:
    """Change the index's boxes in place; what share of width and height each keeps."""
    images = {image["id"]: image for image in index["images"]}
    kept = []
    for annotation in index["annotations"]:
        image = images[annotation["image_id"]]
        degrees, _ = angles[image["file_name"]]
        if abs(degrees) < _MIN_DEGREES or min(annotation["bbox"][2:]) <= 0:
            continue
        bbox = tighten(annotation["bbox"], (image["width"], image["height"]), degrees)
        kept.append(np.divide(bbox[2:], annotation["bbox"][2:]))
        annotation["bbox"] = bbox
        if not annotation.get("segmentation"):
            annotation["area"] = round(bbox[2] * bbox[3], 2)
    return np.array(kept).reshape(-1, 2)
