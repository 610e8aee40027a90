#!/usr/bin/env python3
"""Give pictures of which no pixel is a person or a forklift masks that say so.

    research/people/empty_masks.py $MTV_V5/folds/things_empty/train --out $MTV_V5/masks/things_empty

Read them with `mask_classes: [person, forklift]`: whether a pixel is a rail stays unknown.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import cv2
import numpy as np


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="COCO folder without boxes")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    record = json.loads((args.data / "annotations.json").read_text())
    if record["annotations"]:
        parser.error(f"{args.data}: expected no boxes, found {len(record['annotations'])}")
    (args.out / "masks").mkdir(parents=True)
    (args.out / "images").symlink_to((args.data / "images").resolve())
    shutil.copy(args.data / "annotations.json", args.out)
    for image in record["images"]:
        mask = np.zeros((image["height"], image["width"]), np.uint8)
        cv2.imwrite(str(args.out / "masks" / f"{Path(image['file_name']).stem}.png"), mask)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
