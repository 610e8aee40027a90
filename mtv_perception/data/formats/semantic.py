"""Labelled pixels alone: `images/NAME.*` and `masks/NAME.png`, perhaps in a folder a split.

No boxes.

Mask values are our class ids, or, where `classes.txt` lists a class name a line, positions in that
list, the background being first. 255 means ignore, unless `mask_255` names a class. A mask may have
1, 2, 4 or 8 bits a pixel, with or without a palette.
"""

from __future__ import annotations

from pathlib import Path

from mtv_perception.data.formats.base import Contents, Entry, ReadOptions, Split, are_splits
from mtv_perception.data.formats.files import (
    by_stem,
    files,
    folders,
    images_in,
    is_folder,
    mask_names,
    shown,
)


class SemanticFormat:
    """Images and masks; see the module."""

    layout = "images/ and masks/, or SPLIT/images and SPLIT/masks, or images/SPLIT and masks/SPLIT"

    def find(self, root: Path) -> tuple[Split, ...]:
        """See Format."""
        images, masks = root / "images", root / "masks"
        if is_folder(images) and is_folder(masks):
            inner = [f for f in folders(images) if is_folder(masks / f.name)]
            if inner and not images_in(images):
                return tuple(Split(f.name, (f, masks / f.name)) for f in inner)
            return (Split("", (images, masks)),)
        found = [f for f in folders(root) if is_folder(f / "images") and is_folder(f / "masks")]
        if not are_splits(folder.name for folder in found):
            return ()
        return tuple(Split(f.name, (f / "images", f / "masks")) for f in found)

    def read(self, root: Path, split: Split, options: ReadOptions) -> Contents:
        """See Format."""
        image_folder, mask_folder = split.sources
        images, faults = by_stem(images_in(image_folder), root)
        masks, doubled = by_stem(files(mask_folder, ".png"), root)
        faults += doubled
        faults += [
            f"{shown(path, root)}: has no image in {shown(image_folder, root)}/; the mask of a.jpg is a.png"
            for stem, path in masks.items()
            if stem not in images
        ]
        labels = image_folder.parent / "labels"
        if count := len(files(labels, ".txt")):
            faults.append(
                f"{shown(labels, root)}/: {count} label files of boxes, and no class names for them: add "
                f"data.yaml, or classes.txt with a name a line"
            )
        entries = tuple(
            Entry(image_path=path, mask_path=masks.get(stem, mask_folder / f"{stem}.png"))
            for stem, path in images.items()
        )
        listed = mask_names(mask_folder, mask_folder.parent, root, *_above_split(root))
        return Contents(entries, (), listed, tuple(faults))


def _above_split(root: Path) -> tuple[Path, ...]:
    """The folder above, where this one is a split of the data set in it."""
    return (root.parent,) if are_splits([root.resolve().name]) else ()
