"""Data sets in the package's own layout: `annotations.json`, `images/` and, where needed, `masks/`."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtv_perception.data.formats.base import IGNORE
from mtv_perception.data.formats.coco import OWN_INDEX, STATED_255
from mtv_perception.data.formats.files import MASK_NAMES
from mtv_perception.data.sample import Dataset, Sample, sample_image, sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import UNLABELED_ID, LabelSet
from mtv_perception.media.decode import image_header
from mtv_perception.media.write import utf8, write_image
from mtv_perception.resources import write_whole


def write_coco(dataset: Dataset, out: Path) -> None:
    """Write a data set; reading it gives the same boxes, pixels and classes.

    Images are copied. One that EXIF data turns is written as its labels see it, without that data.

    Args:
        dataset: of any format.
        out: a folder that does not exist yet, or is empty.

    Raises:
        DatasetError: the folder holds something already, or an image can't be read.
    """
    if out.exists() and any(out.iterdir()):
        raise DatasetError(
            f"{out}: expected a folder that does not exist yet, found one with files."
        )
    (out / "images").mkdir(parents=True, exist_ok=True)
    with_masks = _has_masks(dataset.samples)
    used: set[str] = set()
    files = []
    for sample in dataset.samples:
        name = _write_image(sample, out / "images", _unique(sample, used))
        files.append(name)
        mask = sample_mask(sample) if with_masks else None
        if mask is not None:
            (out / "masks").mkdir(exist_ok=True)
            write_image(out / "masks" / f"{Path(name).stem}.png", mask)
    write_index(out, dataset.labels, files, dataset.samples)


def write_index(
    out: Path, labels: LabelSet, files: Sequence[str], samples: Sequence[Sample]
) -> None:
    """Write `annotations.json` and, where masks are, `classes.txt` for images and masks in place.

    Args:
        out: the folder that holds `images/` and perhaps `masks/`.
        labels: what the class ids mean.
        files: name of each image in `images/`.
        samples: what is known of each.
    """
    with_masks = _has_masks(samples)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, sample) in enumerate(zip(files, samples, strict=True), 1):
        height, width = sample.size_hw
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        annotations += _annotations(sample, number, len(annotations), not with_masks)
    if with_masks:
        write_whole(out / MASK_NAMES, "\n".join(labels.names) + "\n")
    categories = [{"id": i, "name": n} for i, n in enumerate(labels.names) if i]
    index: dict[str, Any] = {"images": images, "annotations": annotations, "categories": categories}
    if with_masks:
        # Else masks of nothing but 0 and 255 are refused: they could be one class as 255.
        index = {"info": {STATED_255: IGNORE}, **index}
    write_whole(out / OWN_INDEX, json.dumps(index))


def _has_masks(samples: Sequence[Sample]) -> bool:
    """Masks and outlines can't stand side by side in the layout: masks win.

    Of images without objects they also tell background from unlabelled pixels: a reader goes by
    the outlines of the others.
    """
    bare = any(sample.regions is None and not len(sample.boxes_xyxy) for sample in samples)
    outlined = any(sample.regions for sample in samples)
    return (bare and outlined) or any(
        sample.mask_path is not None or sample.regions == () for sample in samples
    )


def _unique(sample: Sample, used: set[str]) -> str:
    """A name that no other image has without its suffix, which is what masks are found by."""
    path = sample.image_path
    candidates = itertools.chain(
        (path.stem, f"{path.parent.name}-{path.stem}"),
        (f"{path.stem}-{number}" for number in itertools.count(2)),
    )
    stem = next(name for name in map(utf8, candidates) if name not in used)
    used.add(stem)
    return f"{stem}{utf8(path.suffix)}"


def _write_image(sample: Sample, folder: Path, name: str) -> str:
    if image_header(sample.image_path).orientation == 1:
        shutil.copyfile(sample.image_path, folder / name)
        return name
    write_image(folder / name, sample_image(sample))
    return name


def _annotations(
    sample: Sample, image_id: int, first: int, with_outlines: bool
) -> list[dict[str, Any]]:
    found = []
    for index, (box, class_id) in enumerate(zip(sample.boxes_xyxy, sample.class_ids, strict=True)):
        x0, y0, x1, y1 = (round(float(value), 3) for value in box)
        item = {
            "id": first + index + 1,
            "image_id": image_id,
            "category_id": int(class_id),
            "bbox": [x0, y0, round(x1 - x0, 3), round(y1 - y0, 3)],
            "area": round((x1 - x0) * (y1 - y0), 3),
            "iscrowd": int(sample.crowd[index]),
        }
        # A reader keeps one region for each box, in the same order.
        region = sample.regions[index] if with_outlines and sample.regions else None
        if region is not None and (region.class_id != UNLABELED_ID or sample.crowd[index]):
            counts = region.counts.decode("ascii")
            item["segmentation"] = {"size": list(sample.size_hw), "counts": counts}
        found.append(item)
    return found
