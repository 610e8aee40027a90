#!/usr/bin/env python3
"""Write frames of rendered drives as a data set, to train on what a moving robot's camera sees.

    research/version5/drive_images.py --seeds 201 202 203 --out DIR [--rate 1]

Take no seed that is used to judge: 7, the demo's, and 102 to 105 of tools/measuring/measure_drives.py.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2

from mtv_perception.labels import WAREHOUSE
from mtv_perception.synthetic.drive.studio import DriveFrame, DriveOptions, DriveStudio

JUDGED_SEEDS = {7, *range(102, 106)}
RAIL = WAREHOUSE.names.index("rail")


def boxes(frame: DriveFrame) -> list[tuple[int, Any]]:
    """Class id and `x0, y0, x1, y1` in pixels of all that the frame shows."""
    objects = [(o.class_id, o.box_xyxy) for o in frame.objects if o.box_xyxy is not None]
    return [(RAIL, box) for box in frame.rails.values()] + objects


def write_frame(frame: DriveFrame, out: Path, stem: str, image_id: int) -> dict[str, Any]:
    """Write image and mask of a frame; returns its COCO image entry."""
    bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(out / "images" / f"{stem}.jpg"), bgr)
    cv2.imwrite(str(out / "masks" / f"{stem}.png"), frame.mask)
    height, width = frame.mask.shape
    return {"id": image_id, "file_name": f"{stem}.jpg", "height": height, "width": width}


def annotation(class_id: int, box_xyxy: Any, image_id: int, number: int) -> dict[str, Any]:
    """The COCO entry of a box in pixels."""
    x0, y0, x1, y1 = map(float, box_xyxy)
    entry = {"id": number, "image_id": image_id, "category_id": class_id, "iscrowd": 0}
    return entry | {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}


def main() -> None:
    """Render, write, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=1.0, help="images a second (default 1)")
    parser.add_argument("--seconds", type=float, default=30.0)
    args = parser.parse_args()
    if judged := JUDGED_SEEDS & set(args.seeds):
        parser.error(f"expected seeds that judge nothing, got {sorted(judged)}")
    for folder in ("images", "masks"):
        (args.out / folder).mkdir(parents=True, exist_ok=True)

    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for seed in args.seeds:
        with DriveStudio(DriveOptions(args.seconds, args.rate, seed)) as studio:
            for k in range(len(studio.times)):
                frame = studio.shoot(k)
                images.append(write_frame(frame, args.out, f"{seed:04d}_{k:04d}", len(images) + 1))
                for class_id, box in boxes(frame):
                    entry = annotation(class_id, box, len(images), len(annotations) + 1)
                    annotations.append(entry)
    categories = [{"id": k, "name": n} for k, n in enumerate(WAREHOUSE.names) if k]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (args.out / "annotations.json").write_text(json.dumps(content))
    print(f"{len(images)} images, {len(annotations)} boxes")


if __name__ == "__main__":
    main()
