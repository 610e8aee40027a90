#!/usr/bin/env python3
"""Take more photographs of people from an export that gathers public sets, checked by PicoDet-S.

    research/people/open_images_photographs.py SPLIT --like $MTV_DATA --names REGEX
    --detector picodet_s_416_coco.onnx --out DIR

SPLIT holds `images/` and `labels/` (YOLO boxes of one class, person). `--names` matches the part of
a file's name before `_jpg.rf.`: sixteen hexadecimal digits are Open Images, forty the posed set.
Left out is what looks like an image below `--like` or like one already taken. Labels of such sets
are incomplete, and hold drawings, statues and groups:

- A box counts where PicoDet-S sees a person with a score of SEEN or more. Others become crowd boxes,
  which training ignores.
- An image needs half of its boxes seen, and one with a score of SURE.
- A person that PicoDet-S sees with a score of UNLABELLED where no box lies becomes a crowd box.
- An image without boxes counts where PicoDet-S sees nobody.

Both the picture and its mirror image are looked at. Needs onnxruntime.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.evaluation.peers.picodet import PicoDet
from mtv_perception.geometry.boxes import box_areas, pairwise_intersections, pairwise_iou
from mtv_perception.geometry.nms import nms

sys.path.insert(0, str(Path(__file__).parent.parent / "version5"))
from folds import NEAR_BITS, PERSON, bits_apart, difference_hash

CATEGORIES = [{"id": PERSON, "name": "person"}]
SEEN, SURE, UNLABELLED = 0.15, 0.4, 0.35
SAME_BITS = 4  # Pictures of one scene differ by more.
MATCH_IOU, APART_IOU, INSIDE = 0.45, 0.35, 0.6
LEAST_SIDE_PX = 3


def labels_of(path: Path, size_wh: np.ndarray) -> np.ndarray:
    """The boxes of a YOLO file, `(N, 4)` xyxy in pixels; its few outlines are left out."""
    found = [row.split() for row in path.read_text().splitlines()]
    rows = np.array([row for row in found if len(row) == 5], float).reshape(-1, 5)
    low, high = rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2
    boxes = np.concatenate([low * size_wh, high * size_wh], 1).clip(0, [*size_wh, *size_wh])
    return boxes[(boxes[:, 2:] - boxes[:, :2] > LEAST_SIDE_PX).all(1)]


def look(detector: PicoDet, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores of the picture and of its mirror image together."""
    straight = detector(rgb).detections
    mirrored = detector(np.ascontiguousarray(rgb[:, ::-1])).detections
    boxes = mirrored.boxes_xyxy.copy()
    boxes[:, [0, 2]] = rgb.shape[1] - boxes[:, [2, 0]]
    return (
        np.concatenate([straight.boxes_xyxy, boxes]),
        np.concatenate([straight.scores, mirrored.scores]),
    )


def judge(labels: np.ndarray, seen: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
    """Which labels count, `(N,)` bool; None leaves the image out."""
    if not len(labels):
        return None if scores.max(initial=0) > SEEN else np.zeros(0, bool)
    overlaps = pairwise_iou(labels, seen) >= MATCH_IOU
    best = np.where(overlaps, scores, 0).max(1, initial=0)
    return best >= SEEN if (best >= SURE).any() and (best >= SEEN).mean() >= 0.5 else None


def unlabelled(labels: np.ndarray, seen: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """People without a label, `(M, 4)`."""
    boxes, scores = seen[scores >= UNLABELLED], scores[scores >= UNLABELLED]
    inside = pairwise_intersections(boxes, labels) / box_areas(boxes)[:, None]
    new = (pairwise_iou(boxes, labels).max(1, initial=0) < APART_IOU) & (
        inside.max(1, initial=0) < INSIDE
    )
    return boxes[new][nms(boxes[new], scores[new], 0.5)]


def annotation(number: int, image: int, box: np.ndarray, crowd: bool) -> dict[str, object]:
    """In COCO's form."""
    width, height = box[2:] - box[:2]
    return {
        "id": number, "image_id": image, "category_id": PERSON, "iscrowd": int(crowd),
        "bbox": [round(float(value), 1) for value in (*box[:2], width, height)],
        "area": float(width * height),
    }  # fmt: skip


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("split", type=Path)
    parser.add_argument("--like", type=Path, required=True)
    parser.add_argument("--names", type=re.compile, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    detector = PicoDet(args.detector, 0.1, 0.6)
    known = np.array([difference_hash(path) for path in sorted(args.like.glob("**/images/*"))])
    taken: list[np.uint64] = []
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    (args.out / "images").mkdir(parents=True)
    for path in sorted((args.split / "images").iterdir()):
        stem, own = path.name.split("_jpg.rf.")[0], difference_hash(path)
        if not args.names.fullmatch(stem) or (
            bits_apart(np.array([own]), known).min() <= NEAR_BITS
            or (taken and bits_apart(np.array([own]), np.array(taken)).min() <= SAME_BITS)
        ):
            continue
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        height, width = rgb.shape[:2]
        labels = labels_of(
            args.split / "labels" / f"{path.stem}.txt", np.array([width, height], float)
        )
        seen, scores = look(detector, rgb)
        counts = judge(labels, seen, scores)
        if counts is None:
            continue
        taken.append(own)
        name, number = f"{stem}.jpg", len(taken)
        shutil.copy(path, args.out / "images" / name)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        extra = unlabelled(labels, seen, scores)
        for box, crowd in zip(
            [*labels, *extra], [*~counts, *np.ones(len(extra), bool)], strict=True
        ):
            annotations.append(annotation(len(annotations) + 1, number, box, bool(crowd)))
    (args.out / "annotations.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES})
    )
    crowds = sum(int(item["iscrowd"] == 1) for item in annotations)
    print(f"{len(images)} images, {len(annotations) - crowds} people, {crowds} regions ignored")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
