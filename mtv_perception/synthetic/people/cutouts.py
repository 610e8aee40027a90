"""People cut out of real photographs, pasted as upright billboards into the rendered scene."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtv_perception.errors import DatasetError
from mtv_perception.synthetic.render.mesh import CUTOUT, Material, Mesh, make_mesh
from mtv_perception.synthetic.render.renderer import CUTOUT_SIZE
from mtv_perception.synthetic.render.scene import PERSON

MIN_HEIGHT_PX = 70
MAX_CLIPPED = 0.25


@dataclass(frozen=True)
class Cutout:
    """One person.

    Attributes:
        rgba: (CUTOUT_SIZE, CUTOUT_SIZE, 4) uint8, colour premultiplied with alpha, stretched to the
            square.
        aspect: width / height of the person.
        whole: head to feet, else perhaps cut off below.
    """

    rgba: NDArray[np.uint8]
    aspect: float
    whole: bool


def load_cutouts(folder: Path, keep: list[str] | None = None) -> list[Cutout]:
    """Reads `annotations.json`, `images/` and `masks/`.

    Mask values are what `classes.txt` says, else category ids; 255 = unlabelled.

    Args:
        folder: a COCO-style data set.
        keep: file names to use; None for all.

    Raises:
        DatasetError: if the folder is not such a data set, lacks a name of `keep`, or has no usable
            person.
    """
    index = folder / "annotations.json"
    if not index.is_file():
        raise DatasetError(
            f"Expected a data set with annotations.json, images/ and masks/, got {str(folder)!r}."
        )
    data = json.loads(index.read_text())
    unknown = set(keep or ()) - {image["file_name"] for image in data["images"]}
    if unknown:
        raise DatasetError(
            f"{folder}: expected file names of its images in the list of cut-outs, "
            f"{len(unknown)} are not, such as {min(unknown)!r}."
        )
    category, value = _of_people(folder, data.get("categories", []))
    by_image: dict[int, list[list[float]]] = {}
    for item in data["annotations"]:
        if item["category_id"] == category and not item.get("iscrowd", 0):
            by_image.setdefault(item["image_id"], []).append(item["bbox"])
    found = []
    for image in sorted(data["images"], key=lambda entry: str(entry["file_name"])):
        mask_file = folder / "masks" / (Path(image["file_name"]).stem + ".png")
        if (
            image["id"] in by_image
            and mask_file.is_file()
            and (keep is None or image["file_name"] in keep)
        ):
            file = folder / "images" / image["file_name"]
            found += _cut(file, mask_file, by_image[image["id"]], value)
    if not found:
        raise DatasetError(
            f"Expected people of at least {MIN_HEIGHT_PX} px with masks in {str(folder)!r}, found none."
        )
    return found


def _of_people(folder: Path, categories: list[dict[str, Any]]) -> tuple[int, int]:
    """The category id of people, and their value in masks."""
    found = [int(item["id"]) for item in categories if item.get("name") == "person"]
    category = found[0] if found else PERSON
    listed = folder / "classes.txt"
    if not listed.is_file():
        return category, category
    names = [line.strip() for line in listed.read_text(encoding="utf-8").splitlines()]
    return category, names.index("person") if "person" in names else category


def _cut(
    image_file: Path, mask_file: Path, boxes_xywh: list[list[float]], value: int
) -> list[Cutout]:
    bgr, mask = cv2.imread(str(image_file)), cv2.imread(str(mask_file), cv2.IMREAD_GRAYSCALE)
    if bgr is None or mask is None or mask.shape != bgr.shape[:2]:
        raise DatasetError(
            f"Expected an image and a mask of the same size, got {str(image_file)!r} and {str(mask_file)!r}."
        )
    result = []
    for box in boxes_xywh:
        x, y, w, h = box
        x0, y0, x1, y1 = (
            max(int(x), 0),
            max(int(y), 0),
            min(int(x + w + 1), bgr.shape[1]),
            min(int(y + h + 1), bgr.shape[0]),
        )
        if (
            h < MIN_HEIGHT_PX
            or w < 25
            or any(_overlap(box, other) > 0.15 for other in boxes_xywh if other is not box)
        ):
            continue
        person = (mask[y0:y1, x0:x1] == value).astype(np.uint8)
        if (
            person.mean() < 0.25
            or (mask[y0:y1, x0:x1] == 255).mean() > 0.05
            or x0 <= 1
            or x1 >= bgr.shape[1] - 1
        ):
            continue
        whole = h / w > 2.0 and y1 < bgr.shape[0] - 3 and y0 > 1
        if _clipped(bgr[y0:y1, x0:x1][person > 0]) > MAX_CLIPPED:
            continue
        alpha = cv2.GaussianBlur(
            cv2.erode(person, np.ones((2, 2), np.uint8)).astype(np.float32), (0, 0), 0.7
        )
        rgb = cv2.cvtColor(bgr[y0:y1, x0:x1], cv2.COLOR_BGR2RGB).astype(np.float32)
        rgba = cv2.resize(
            np.dstack([rgb * alpha[..., None], alpha * 255]),
            (CUTOUT_SIZE, CUTOUT_SIZE),
            interpolation=cv2.INTER_AREA,
        )
        result.append(Cutout(np.asarray(np.clip(rgba, 0, 255), np.uint8), w / h, whole))
    return result


def _clipped(pixels: NDArray[np.uint8]) -> float:
    """Share of pixels (N, 3) that are all black or all white."""
    return float(np.mean((pixels.max(axis=1) < 12) | (pixels.min(axis=1) > 243)))


def _overlap(a: list[float], b: list[float]) -> float:
    """Share of box a (x, y, w, h) covered by box b."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0) / max(a[2] * a[3], 1e-9)


def billboard(
    cutout: Cutout,
    layer: int,
    foot: tuple[float, float, float],
    height: float,
    mirrored: bool,
    gain: float,
) -> Mesh:
    """An upright picture that faces the camera.

    Args:
        cutout: who.
        layer: place of the picture among the scene's cutouts.
        foot: x, y, z of the middle of the lower edge, metres.
        height: of the picture, metres.
        mirrored: left and right swapped.
        gain: brightness factor.
    """
    x, y, _ = foot
    side = np.array([-y, x, 0]) / max(float(np.hypot(x, y)), 1e-6)
    half, base, up = side * height * cutout.aspect / 2, np.array(foot), np.array([0, 0, height])
    corners = [base + half, base - half, base - half + up, base + half + up]
    u0, u1 = (1.0, 0.0) if mirrored else (0.0, 1.0)
    uvs = [[u0, 1], [u1, 1], [u1, 0], [u0, 0]]
    material = Material((gain, gain, gain), kind=CUTOUT, layer=layer)
    return make_mesh(corners, np.tile([-x, -y, 0], (4, 1)), uvs, [[0, 1, 2], [0, 2, 3]], material)
