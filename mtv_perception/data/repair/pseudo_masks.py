"""Masks for images that have boxes alone.

What teachers are sure of in each box is labelled, the rest ignored.

People come from networks that segment the person in a crop. Forklifts come from a model of ours,
where GrabCut agrees (Rother et al. 2004, "GrabCut", section 3). Outside its boxes a class is
absent, if every object has a box.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.data.coco_writer import write_index
from mtv_perception.data.sample import Sample
from mtv_perception.data.scene import scale_shift
from mtv_perception.errors import DatasetError
from mtv_perception.geometry.boxes import clip_boxes
from mtv_perception.labels import (
    BACKGROUND_ID,
    UNLABELED_ID,
    LabelSet,
    labels_with_background,
)
from mtv_perception.media.write import write_image
from mtv_perception.types import Segmentation

Teacher = Callable[[np.ndarray], np.ndarray]
"""A crop `(256, 256, 3)` float32 RGB in 0..1 to the share of a person at each pixel, `(256, 256)` float32 in 0..1."""

CROP_SIDE = 256
MARGINS = (0.125, 0.25)
"""Room around the box in its crop, of the longer side: each teacher looks twice."""

# Chosen on images with true masks, for about 95% of right labels; `mtv data pseudo-masks
# --measure` repeats it.
_SURE, _DENIED = 0.9, 0.05
_MIN_TIGHTNESS, _MIN_SHARE = 0.7, 0.1
_RIM = 0.02
_SLACK_PX, _SLACK = 2.0, 0.03
_MIN_SIDE_PX = 12
_SURE_CONFIDENCE = 180
_CUT_SIDE, _CUT_MARGIN, _CUT_STEPS = 160, 0.15, 3
_MIN_SEEDS = 20


@dataclass(frozen=True)
class Opinion:
    """What the teachers say of one class.

    Attributes:
        boxed: `(H, W)` bool; inside a box of the class, with some slack.
        likely: `(H, W)` bool; the best guess.
        sure: `(H, W)` bool; to be labelled as the class.
        denied: `(H, W)` bool; in a box, but surely not of the class.
    """

    boxed: np.ndarray
    likely: np.ndarray
    sure: np.ndarray
    denied: np.ndarray


def people(image_rgb: np.ndarray, boxes_xyxy: np.ndarray, teachers: Sequence[Teacher]) -> Opinion:
    """The people in their boxes.

    A box whose person does not reach its sides, or fills next to nothing of it, was not understood
    and stays unknown.

    Args:
        image_rgb: `(H, W, 3)` uint8.
        boxes_xyxy: `(N, 4)`, pixels.
        teachers: at least one.
    """
    boxed, likely, sure, unsettled = (np.zeros(image_rgb.shape[:2], bool) for _ in range(4))
    for box in boxes_xyxy:
        inside, loose = _inside(box, boxed.shape), _inside(_with_slack(box), boxed.shape)
        boxed[loose] = True
        if min(box[2:] - box[:2]) < _MIN_SIDE_PX:
            unsettled[loose] = True
            continue
        views = [
            look(image_rgb, box, teacher, margin) for teacher in teachers for margin in MARGINS
        ]
        mean, highest = np.mean(views, 0), np.max(views, 0)
        likely[inside] |= highest[inside] > 0.5
        certain = mean[inside] > _SURE
        if certain.mean() < _MIN_SHARE or _tightness(highest[inside] > 0.5) < _MIN_TIGHTNESS:
            unsettled[loose] = True
            continue
        sure[inside] |= certain
        rim = 2 * round(_RIM * max(box[2:] - box[:2])) + 1
        denied = cv2.erode((highest < _DENIED).astype(np.uint8), np.ones((rim, rim), np.uint8)) > 0
        unsettled[loose] |= ~denied[loose]
    return Opinion(boxed, likely, sure, boxed & ~unsettled & ~sure)


def look(
    image_rgb: np.ndarray, box_xyxy: np.ndarray, teacher: Teacher, margin: float
) -> np.ndarray:
    """A teacher's share of a person, `(H, W)` float32, from a square crop around a box.

    0 outside the crop.
    """
    height, width = image_rgb.shape[:2]
    centre, side = (
        (box_xyxy[:2] + box_xyxy[2:]) / 2,
        (1 + 2 * margin) * max(box_xyxy[2:] - box_xyxy[:2]),
    )
    scale = CROP_SIDE / side
    shift = CROP_SIDE / 2 - centre * scale
    # OpenCV puts integer coordinates at pixel centres; ours lie at pixel corners.
    matrix = scale_shift(scale, scale, *(shift + scale * 0.5 - 0.5))
    source = cv2.blur(image_rgb, (round(0.7 / scale) | 1,) * 2) if scale < 0.6 else image_rgb
    crop = cv2.warpAffine(source, matrix, (CROP_SIDE, CROP_SIDE), borderMode=cv2.BORDER_REPLICATE)
    share = teacher(crop.astype(np.float32) / 255)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(share, matrix, (width, height), flags=flags))


def forklifts(
    image_rgb: np.ndarray,
    boxes_xyxy: np.ndarray,
    seen: Segmentation,
    class_id: int,
    person: np.ndarray,
) -> Opinion:
    """The forklifts in their boxes.

    Where a model is confident and GrabCut, begun from its mask, agrees.

    Nothing is denied: what both leave out is often a part of the truck in a colour of its own.

    Args:
        image_rgb: `(H, W, 3)` uint8.
        boxes_xyxy: `(N, 4)`, pixels.
        seen: the model's mask of the image.
        class_id: of forklifts in that mask.
        person: `(H, W)` bool; pixels that may be a person's.
    """
    boxed, likely = (np.zeros(image_rgb.shape[:2], bool) for _ in range(2))
    found = seen.class_ids == class_id
    for box in boxes_xyxy:
        boxed[_inside(_with_slack(box), boxed.shape)] = True
        likely |= cut_out(image_rgb, box, found & ~person)
    likely &= found
    return Opinion(
        boxed, likely, likely & (seen.confidence > _SURE_CONFIDENCE), np.zeros_like(boxed)
    )


def unknown(image_rgb: np.ndarray, boxes_xyxy: np.ndarray) -> Opinion:
    """The opinion on objects that no teacher knows: every pixel of their boxes stays unknown.

    Args:
        image_rgb: `(H, W, 3)` uint8.
        boxes_xyxy: `(N, 4)`, pixels.
    """
    boxed, nothing = (np.zeros(image_rgb.shape[:2], bool) for _ in range(2))
    for box in boxes_xyxy:
        boxed[_inside(_with_slack(box), boxed.shape)] = True
    return Opinion(boxed, nothing, nothing, nothing)


def cut_out(image_rgb: np.ndarray, box_xyxy: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """GrabCut's object in a box, `(H, W)` bool.

    Empty where the seed has next to no pixels in the box.

    Args:
        image_rgb: `(H, W, 3)` uint8.
        box_xyxy: pixels; all outside is background.
        seed: `(H, W)` bool, the object as far as known.
    """
    size_hw = seed.shape
    result = np.zeros(size_hw, bool)
    sides = box_xyxy[2:] - box_xyxy[:2]
    around = _inside(box_xyxy + np.array([-1, -1, 1, 1]) * _CUT_MARGIN * max(sides), size_hw)
    plan = np.full(size_hw, cv2.GC_BGD, np.uint8)
    inside = _inside(box_xyxy, size_hw)
    plan[inside] = np.where(seed[inside], cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    height, width = plan[around].shape
    scale = min(1.0, _CUT_SIDE / max(height, width))
    small_wh = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(plan[around], small_wh, interpolation=cv2.INTER_NEAREST)
    objects = np.isin(small, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if objects.sum() < _MIN_SEEDS or (~objects).sum() < _MIN_SEEDS:
        return result
    crop = cv2.resize(image_rgb[around], small_wh, interpolation=cv2.INTER_AREA)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(crop, small, None, *models, _CUT_STEPS, cv2.GC_INIT_WITH_MASK)
    objects = np.isin(small, (cv2.GC_FGD, cv2.GC_PR_FGD))
    result[around] = (
        cv2.resize(objects.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    )
    return result


def compose(opinions: dict[str, Opinion], labels: LabelSet, classes: Collection[str]) -> np.ndarray:
    """One mask of what is sure.

    Args:
        opinions: of each class, the nearer ones last: a person sits in a forklift.
        labels: our classes.
        classes: those the mask is to tell apart. Background means none of these; where one of them
            is possible but not sure, the pixel is ignored. Other classes are labelled where they
            are sure.

    Returns:
        `(H, W)` uint8 class ids, 255 = ignored.
    """
    size_hw = next(iter(opinions.values())).boxed.shape
    mask = np.full(size_hw, BACKGROUND_ID, np.uint8)
    for name, opinion in opinions.items():
        possible = opinion.boxed & ~opinion.denied
        if name in classes:
            mask[possible] = UNLABELED_ID
        else:
            # Others may be labelled here by mistake: the object in front is not known.
            mask[possible & (mask != BACKGROUND_ID)] = UNLABELED_ID
        mask[opinion.sure] = labels.id_of(name)
    return mask


def check_target(source: Path, out: Path, samples: Sequence[Sample]) -> None:
    """Raise DatasetError where `write_dataset` could not write: before hours of work."""
    names = {sample.image_path.stem for sample in samples}
    if len(names) < len(samples):
        raise DatasetError(f"{source}: expected image names that differ without their suffix.")
    if out.exists():
        raise DatasetError(f"{out}: expected a folder that does not exist yet.")


def write_dataset(
    source: Path,
    out: Path,
    labels: LabelSet,
    samples: Sequence[Sample],
    masks: Sequence[np.ndarray],
) -> None:
    """Write a COCO folder of some images: their boxes, links to them, and the masks.

    `classes.txt` names the classes that occur, and mask values count these. So the folder means the
    same to readers with other classes.

    Args:
        source: where the images are from, for errors.
        out: to write.
        labels: what class ids and mask values mean.
        samples: of the source.
        masks: of each sample, `(H, W)` uint8 class ids, 255 = ignored.

    Raises:
        DatasetError: `out` exists already, or two images share a name.
    """
    check_target(source, out, samples)
    for folder in (out / "images", out / "masks"):
        folder.mkdir(parents=True)
    told = {int(value) for mask in masks for value in np.unique(mask)}
    told |= {int(class_id) for sample in samples for class_id in sample.class_ids}
    used = sorted(told - {BACKGROUND_ID, UNLABELED_ID})
    values = np.full(256, UNLABELED_ID, np.uint8)
    values[[BACKGROUND_ID, *used]] = range(len(used) + 1)
    written = []
    for sample, mask in zip(samples, masks, strict=True):
        os.symlink(sample.image_path.resolve(), out / "images" / sample.image_path.name)
        mask_path = out / "masks" / f"{sample.image_path.stem}.png"
        write_image(mask_path, values[mask])
        class_ids = values[sample.class_ids].astype(np.int32)
        written.append(replace(sample, class_ids=class_ids, mask_path=mask_path))
    kept = labels_with_background([labels.names[class_id] for class_id in used])
    write_index(out, kept, [sample.image_path.name for sample in samples], written)


def _inside(box_xyxy: np.ndarray, size_hw: tuple[int, ...]) -> tuple[slice, slice]:
    """The pixels a box touches."""
    x0, y0, x1, y1 = clip_boxes(box_xyxy[None], (size_hw[0], size_hw[1]))[0]
    return slice(int(y0), int(np.ceil(y1))), slice(int(x0), int(np.ceil(x1)))


def _with_slack(box_xyxy: np.ndarray) -> np.ndarray:
    slack = _SLACK_PX + _SLACK * (box_xyxy[2:] - box_xyxy[:2])
    return np.concatenate([box_xyxy[:2] - slack, box_xyxy[2:] + slack])


def _tightness(found: np.ndarray) -> float:
    """The share of the box that the bounding box of what was found in it covers."""
    rows, columns = (np.flatnonzero(found.any(axis)) for axis in (1, 0))
    if not len(rows):
        return 0.0
    return float((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1) / found.size)
