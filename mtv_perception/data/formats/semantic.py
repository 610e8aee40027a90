"""Data sets of labelled pixels alone: `images/NAME.*` and `masks/NAME.png`, 255 = ignore; no boxes.

Mask values are our class ids, or, where `classes.txt` lists a class name a line, positions in that
list, the background being first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mtv_perception.data.formats.assemble import ClassOptions, Entry, assemble, list_images
from mtv_perception.data.formats.faults import shown
from mtv_perception.data.sample import Dataset
from mtv_perception.labels import LabelSet


def read_semantic(
    root: Path,
    labels: LabelSet,
    *,
    rename: Mapping[str, str] | None = None,
    box_classes: tuple[str, ...] | None = None,
    mask_classes: tuple[str, ...] | None = None,
) -> Dataset:
    """Read a folder of images and masks.

    Args:
        root: folder with `images/`, `masks/` and perhaps `classes.txt`.
        labels: our classes; pixels of other names in `classes.txt` are background.
        rename: name in `classes.txt` to our class name.
        box_classes: classes of which no image shows an object; by default none, as nothing is
            boxed.
        mask_classes: classes the masks tell apart; by default those with at least one pixel.

    Raises:
        DatasetError: empty, or every fault (missing file, mask of another size, unknown value) at
            once.
    """
    images, faults = list_images(root / "images", root)
    for path in sorted((root / "masks").glob("*.png")):
        if path.stem not in images:
            faults.append(f"{shown(path, root)}: has no image in images/")
    entries = [
        Entry(image_path=path, mask_path=root / "masks" / f"{stem}.png")
        for stem, path in images.items()
    ]
    options = ClassOptions(rename, box_classes, mask_classes)
    return assemble(
        root, labels, entries, options, mask_names=_read_names(root / "classes.txt"), faults=faults
    )


def _read_names(path: Path) -> list[str] | None:
    if not path.is_file():
        return None
    return [
        line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()
    ]
