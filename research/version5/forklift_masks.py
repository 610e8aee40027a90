#!/usr/bin/env python3
"""Make a data set from the soft forklift masks (IS-Net on crops of forklift_person/train).

    research/version5/forklift_masks.py $MTV_DATA --boxes FOLDER --out $MTV_PSEUDO/forklift_real

CHOSEN are those of the 48 that were accurate when looked at. Sure pixels become forklift. Every
other pixel in a forklift's box and every pixel in a person's box is ignored: nothing there is
called background. Images of fold 0/10, which validate, are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

CHOSEN = (0, 2, 8, 10, 11, 15, 19, 22, 24, 26, 27, 32, 37, 41, 44)
FORKLIFT, PERSON, UNLABELED = 3, 2, 255
SURE = 200  # of 255
SLACK_PX = 4
VALIDATION_FOLDS = 10


def window(box: list[float], slack: int) -> tuple[slice, slice]:
    """The pixels of a box (x, y, width, height) and `slack` around it."""
    x, y, width, height = box
    rows = slice(max(0, int(y) - slack), int(y + height) + slack + 1)
    return rows, slice(max(0, int(x) - slack), int(x + width) + slack + 1)


def draw(mask: np.ndarray, soft: np.ndarray, crop: list[int]) -> None:
    """Write the sure pixels of one forklift into the mask, inside its boxes."""
    x0, y0, x1, y1 = crop
    soft = cv2.resize(soft, (x1 - x0, y1 - y0))
    sure = cv2.erode((soft > SURE).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    part = mask[y0:y1, x0:x1]
    part[sure & (part == UNLABELED)] = FORKLIFT


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--boxes", type=Path, required=True, help="COCO folder whose boxes are kept"
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    source = args.data / "forklift_person" / "train"
    record = json.loads((source / "annotations.json").read_text())
    upright = json.loads((args.boxes / "annotations.json").read_text())
    names = sorted(image["file_name"] for image in record["images"])
    ids = {image["file_name"]: image["id"] for image in record["images"]}
    index = json.loads((args.data / "forklift_masks" / "index.json").read_text())
    chosen = [index[i] for i in CHOSEN]
    chosen = [entry for entry in chosen if names.index(entry["image"]) % VALIDATION_FOLDS]
    for folder in ("images", "masks"):
        (args.out / folder).mkdir(parents=True)
    for name in sorted({entry["image"] for entry in chosen}):
        image = source / "images" / name
        mask = np.zeros(cv2.imread(str(image)).shape[:2], np.uint8)
        objects = [a for a in record["annotations"] if a["image_id"] == ids[name]]
        for item in objects:
            mask[window(item["bbox"], SLACK_PX)] = UNLABELED
        for entry in chosen:
            if entry["image"] == name:
                file = args.data / "forklift_masks" / entry["file"]
                draw(mask, cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), entry["crop"])
        for item in objects:
            if item["category_id"] == PERSON:
                mask[window(item["bbox"], 0)] = UNLABELED
        cv2.imwrite(str(args.out / "masks" / f"{Path(name).stem}.png"), mask)
        (args.out / "images" / name).symlink_to(image.resolve())
    kept = [i for i in upright["images"] if (args.out / "images" / i["file_name"]).exists()]
    kept_ids = {image["id"] for image in kept}
    annotations = [a for a in upright["annotations"] if a["image_id"] in kept_ids]
    upright |= {"images": kept, "annotations": annotations}
    (args.out / "annotations.json").write_text(json.dumps(upright))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
