#!/usr/bin/env python3
"""Find people that have no label, with PicoDet-S (PaddleDetection, Apache-2.0).

They become ignore regions.

    research/version5/unlabelled_people.py $MTV_DATA --detector picodet_s_416_coco.onnx --out
    ignore.json

Needs onnxruntime. A detection above SCORE counts as unlabelled when no box overlaps it by IOU and
it does not lie mostly inside one. The output maps `set/file_name` to boxes (x, y, width, height) in
pixels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.evaluation.peers.picodet import PicoDet

SETS = (
    "indoor_nir", "construction_clean", "people_street416", "people_coco416",
    "people_openimages416", "people_posed416", "ccp_people",
)  # fmt: skip
PERSON = 2
SCORE, IOU, INSIDE = 0.55, 0.35, 0.6
LOWEST_SCORE, NMS_IOU = 0.3, 0.5


def unlabelled(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The sure boxes that no label covers."""
    sure = boxes[scores > SCORE]
    low = np.maximum(sure[:, None, :2], labels[None, :, :2])
    high = np.minimum(sure[:, None, 2:], labels[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    own = (sure[:, 2:] - sure[:, :2]).prod(1)[:, None]
    theirs = (labels[:, 2:] - labels[:, :2]).prod(1)[None]
    iou = (shared / (own + theirs - shared)).max(1, initial=0)
    inside = (shared / own).max(1, initial=0)
    return sure[(iou < IOU) & (inside < INSIDE)]


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    detector, found = PicoDet(args.detector, LOWEST_SCORE, NMS_IOU), {}
    for name in SETS:
        record = json.loads((args.data / name / "annotations.json").read_text())
        labels: dict[int, list] = {}
        for item in record["annotations"]:
            if item["category_id"] == PERSON:
                x, y, width, height = item["bbox"]
                labels.setdefault(item["image_id"], []).append([x, y, x + width, y + height])
        for image in record["images"]:
            path = args.data / name / "images" / image["file_name"]
            rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            known = np.array(labels.get(image["id"], []), float).reshape(-1, 4)
            seen = detector(rgb).detections
            boxes = unlabelled(seen.boxes_xyxy, seen.scores, known)
            if len(boxes):
                rows = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
                found[f"{name}/{image['file_name']}"] = rows.round(1).tolist()
        print(name, sum(key.startswith(f"{name}/") for key in found), "of", len(record["images"]))
    args.out.write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
