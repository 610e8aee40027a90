"""Parting images into train, check and judge so that images that look alike stay together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtv_perception.data.sample import Sample, sample_image
from mtv_perception.errors import DatasetError
from mtv_perception.evaluation.records import can_judge
from mtv_perception.media.likeness import difference_hash, near_duplicates
from mtv_perception.resources import write_whole

PARTS = ("train", "check", "judge")
SHARES = {"check": 0.15, "judge": 0.15}
"""`check` chooses the checkpoint and the thresholds, `judge` gives the figures of the report."""

LEAST_IMAGES = 6
_LEAST_FOLDERS = 4
_LARGEST_GROUP = 0.5  # of all images; a larger group leaves too little beside it


@dataclass(frozen=True)
class Parting:
    """Which images train, choose and judge.

    Attributes:
        parts: positions of the images of each of PARTS.
        how: what held images together, for the report.
        near_pairs: pairs of near-duplicates on different sides.
    """

    parts: dict[str, tuple[int, ...]]
    how: str
    near_pairs: int


def part_samples(samples: Sequence[Sample]) -> Parting:
    """Part images by folder, by likeness, or, where all look alike, by the order of their names.

    Args:
        samples: of one data set without splits of its own.

    Raises:
        DatasetError: fewer than LEAST_IMAGES images.
    """
    if len(samples) < LEAST_IMAGES:
        raise DatasetError(
            f"expected at least {LEAST_IMAGES} images to train on and to judge by, got {len(samples)}."
        )
    alike = pairs_alike(samples)
    folders = [str(sample.image_path.parent) for sample in samples]
    if len(set(folders)) >= _LEAST_FOLDERS:
        groups, how = connected(alike, folders), "folders, and images that look alike"
    else:
        each = [str(position) for position in range(len(samples))]
        groups, how = connected(alike, each), "images that look alike"
    if np.bincount(groups).max() > _LARGEST_GROUP * len(samples):
        parts, how = _by_order(samples), "blocks in the order of the file names"
    else:
        parts = _by_group(groups, samples)
    return Parting(parts, how, leaks(alike, parts))


def pairs_alike(samples: Sequence[Sample]) -> np.ndarray:
    """`(P, 2)` pairs of positions of images that are near-duplicates."""
    return near_duplicates([difference_hash(sample_image(sample)) for sample in samples])


def connected(pairs: np.ndarray, together: Sequence[str]) -> np.ndarray:
    """`(N,)` group of each position: connected by pairs, or by an equal text in `together`."""
    parent = list(range(len(together)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for first, second in pairs.tolist():
        parent[root(second)] = root(first)
    seen: dict[str, int] = {}
    for i, text in enumerate(together):
        parent[root(i)] = root(seen.setdefault(text, i))
    return np.unique([root(i) for i in range(len(together))], return_inverse=True)[1]


def _by_group(groups: np.ndarray, samples: Sequence[Sample]) -> dict[str, tuple[int, ...]]:
    """Whole groups, in an order that depends on the names alone, fill `judge`, `check`.

    Then `train`. Where objects are rare, `check` and `judge` get the first group with some all the same.
    """
    names = [sample.image_path.name for sample in samples]
    members: dict[int, list[int]] = {}
    for position, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(position)

    def order(group: int) -> str:
        first = min(names[i] for i in members[group])
        return hashlib.sha256(os.fsencode(first)).hexdigest()

    parts: dict[str, list[int]] = {name: [] for name in PARTS}
    for group in sorted(members, key=order):
        wanting = [n for n, share in SHARES.items() if len(parts[n]) < share * len(names)]
        # A group that would overfill a part trains instead.
        fits = [n for n in wanting if len(members[group]) <= 2 * SHARES[n] * len(names)]
        parts[fits[-1] if fits else "train"] += members[group]
    for part in SHARES:
        if not any(can_judge(samples[i]) for i in parts[part]):
            found = _group_to_judge_by(members, order, parts["train"], samples)
            parts[part] += found
            parts["train"] = [i for i in parts["train"] if i not in found]
    return {name: tuple(sorted(positions)) for name, positions in parts.items()}


def _group_to_judge_by(
    members: Mapping[int, list[int]],
    order: Callable[[int], str],
    trains: Sequence[int],
    samples: Sequence[Sample],
) -> list[int]:
    """The first of several groups with objects among those that train; nothing where there is one."""
    groups = [
        group
        for group in sorted(members, key=order)
        if members[group][0] in trains and any(can_judge(samples[i]) for i in members[group])
    ]
    return members[groups[0]] if len(groups) > 1 else []


def _by_order(samples: Sequence[Sample]) -> dict[str, tuple[int, ...]]:
    """Three blocks in the order of the paths; frames at the seams may look alike."""
    order = sorted(range(len(samples)), key=lambda i: str(samples[i].image_path))
    check, judge = (max(1, round(share * len(order))) for share in SHARES.values())
    train = len(order) - check - judge
    blocks = order[:train], order[train : train + check], order[train + check :]
    return {name: tuple(sorted(block)) for name, block in zip(PARTS, blocks, strict=True)}


def leaks(pairs: np.ndarray, parts: dict[str, tuple[int, ...]]) -> int:
    """How many near-duplicate pairs lie on different sides."""
    side = {position: name for name, positions in parts.items() for position in positions}
    return sum(side.get(first) != side.get(second) for first, second in pairs.tolist())


def write_list(path: Path, samples: Sequence[Sample], root: Path) -> None:
    """Write the paths of images below a data set's folder, one a line, as `take: list:FILE` reads them."""
    lines = [_below(sample.image_path, root) for sample in samples]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, os.fsencode("\n".join(lines) + "\n"))


def _below(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_posix()
