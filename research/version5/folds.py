#!/usr/bin/env python3
"""Split the real data sets of model version 5 into train, check and judge folders.

`check` (a tenth) chooses checkpoints and thresholds. `judge` (another tenth) is the last judgement.
Images whose perceptual hashes differ in at most 7 of 64 bits form one group. A group lies in one
fold, also across data sets. Images of indoor_nir form groups by blocks of ten minutes, as their
names tell. Its corridors all look alike, so single links of 7 bits would join everything: there 2
bits count as alike. A group that looks like an image of forklift_person/val is left out.

    research/version5/folds.py $MTV_DATA --out DIR [--ignore FILE.json]

FILE.json maps `set/file_name` to boxes (x, y, width, height) of people that have no label; they
become crowd boxes, which training and evaluation ignore.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path

import cv2
import numpy as np

SETS = (
    "people_coco416", "coco_mini", "indoor_nir", "construction_clean", "people_street416",
    "people_openimages416", "people_posed416", "ccp_people", "things_empty",
)  # fmt: skip
FOLDS = ("check", "judge", "train")
SHARES = {"check": 0.1, "judge": 0.1}
NEAR_BITS = 7
INDOOR_NEAR_BITS = 2
PERSON = 2
UNLABELED = 255


def difference_hash(path: Path) -> np.uint64:
    """64 bits: whether each of 8x8 cells is darker than its right neighbour."""
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(small[:, 1:] > small[:, :-1]).view(np.uint64)[0]


def bits_apart(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`(N, M)` number of bits that differ."""
    return np.bitwise_count(hashes[:, None] ^ others[None])


def groups_of(keys: list[str], alike: np.ndarray, scenes: dict[str, str]) -> list[int]:
    """A group number for each key: connected by likeness, or by the same scene name."""
    parent = list(range(len(keys)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in zip(*np.nonzero(np.triu(alike, 1)), strict=True):
        parent[root(int(j))] = root(int(i))
    first: dict[str, int] = {}
    for i, key in enumerate(keys):
        if key in scenes:
            j = first.setdefault(scenes[key], i)
            parent[root(i)] = root(j)
    return [root(i) for i in range(len(keys))]


def scene_of(name: str) -> str | None:
    """The block of ten minutes that an indoor_nir image was taken in."""
    found = re.fullmatch(r"person(\d{11})\d+\.jpg", Path(name).name)
    return found[1] if found else None


def assign(keys: list[str], groups: list[int], left_out: set[int]) -> dict[str, str]:
    """The fold of each key. In every set the groups, in the order of their hashes, fill check.

    Judge, train.
    """
    members: dict[int, list[str]] = {}
    for key, group in zip(keys, groups, strict=True):
        members.setdefault(group, []).append(key)
    sizes = {s: sum(k.split("/")[0] == s for k in keys) for s in SETS}
    filled = {(s, f): 0 for s in SETS for f in SHARES}
    folds = {}
    order = sorted(members, key=lambda g: hashlib.sha256(min(members[g]).encode()).hexdigest())
    for group in order:
        if group in left_out:
            continue
        names = members[group]
        home = min(names).split("/")[0]
        small = len(names) <= max(4, 0.1 * sizes[home])
        open_folds = [f for f, share in SHARES.items() if filled[home, f] < share * sizes[home]]
        fold = open_folds[0] if small and open_folds else "train"
        for name in names:
            folds[name] = fold
            if fold in SHARES:
                filled[name.split("/")[0], fold] += 1
    return folds


def write_fold(source: Path, out: Path, names: set[str], ignored: dict[str, list]) -> int:
    """One COCO folder with links to the source's images and masks; returns its number of images."""
    record = json.loads((source / "annotations.json").read_text())
    images = [image for image in record["images"] if image["file_name"] in names]
    ids = {image["id"]: image["file_name"] for image in images}
    annotations = [a for a in record["annotations"] if a["image_id"] in ids]
    number = max((a["id"] for a in record["annotations"]), default=0)
    for image in images:
        for box in ignored.get(f"{source.name}/{image['file_name']}", []):
            number += 1
            annotations.append({
                "id": number, "image_id": image["id"], "category_id": PERSON, "iscrowd": 1,
                "bbox": box, "area": box[2] * box[3],
            })  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    record |= {"images": images, "annotations": annotations}
    (out / "annotations.json").write_text(json.dumps(record))
    (out / "images").unlink(missing_ok=True)
    (out / "images").symlink_to((source / "images").resolve())
    if (source / "masks").is_dir():
        for image in images:
            name = f"{Path(image['file_name']).stem}.png"
            boxes = ignored.get(f"{source.name}/{image['file_name']}", [])
            write_mask(source / "masks" / name, out / "masks" / name, boxes)
    return len(images)


def write_mask(source: Path, out: Path, ignored: list) -> None:
    """A mask with 255 instead of the background inside the boxes of people without a label."""
    out.parent.mkdir(exist_ok=True)
    mask = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
    for x, y, width, height in ignored:
        window = np.s_[int(y) : int(np.ceil(y + height)), int(x) : int(np.ceil(x + width))]
        mask[window][mask[window] == 0] = UNLABELED
    cv2.imwrite(str(out), mask)


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ignore", type=Path, help="boxes of unlabelled people")
    args = parser.parse_args()
    keys = [
        f"{name}/{image['file_name']}"
        for name in SETS
        for image in json.loads((args.data / name / "annotations.json").read_text())["images"]
    ]
    hashes = np.array([difference_hash(args.data / k.replace("/", "/images/", 1)) for k in keys])
    forbidden_paths = sorted((args.data / "forklift_person/val/images").iterdir())
    forbidden = np.array([difference_hash(path) for path in forbidden_paths])
    scenes = {key: scene for key in keys if (scene := scene_of(key)) is not None}
    indoor = np.array([key in scenes for key in keys])
    limits = np.where(indoor[:, None] & indoor, INDOOR_NEAR_BITS, NEAR_BITS)
    groups = groups_of(keys, bits_apart(hashes, hashes) <= limits, scenes)
    hits = (bits_apart(hashes, forbidden) <= NEAR_BITS).any(1)
    left_out = {group for group, hit in zip(groups, hits, strict=True) if hit}
    folds = assign(keys, groups, left_out)
    ignored = json.loads(args.ignore.read_text()) if args.ignore else {}
    for name in SETS:
        counts = {}
        for fold in FOLDS:
            names = {
                k.split("/", 1)[1]
                for k, f in folds.items()
                if f == fold and k.startswith(name + "/")
            }
            counts[fold] = write_fold(args.data / name, args.out / name / fold, names, ignored)
        print(
            f"{name}: {counts}, left out {sum(k.startswith(name + '/') for k in keys) - sum(counts.values())}"
        )
    held_out = {fold: sorted(k for k, f in folds.items() if f == fold) for fold in SHARES}
    (args.out / "folds.json").write_text(json.dumps(held_out, indent=0) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
