"""What changed between two runs over the same images: objects, scores, pixels, time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.compare.golden import shrink_mask
from mtv_perception.compare.runs import FrameKey, Run, with_labels
from mtv_perception.config import setting
from mtv_perception.errors import ReplayError
from mtv_perception.geometry.boxes import pairwise_iou
from mtv_perception.labels import labels_of
from mtv_perception.types import Detections

_WAITING_MASKS = 256


@dataclass(frozen=True)
class Tolerances:
    """How much may change.

    A person that vanished is what this product must not do, so strict classes have limits of their
    own.
    """

    match_iou: float = setting(
        0.5, "Overlap from which two boxes are the same object.", low=0.0, high=1.0
    )
    missing_frames: float = setting(
        0.0, "Share of frames that only one run has.", low=0.0, high=1.0
    )
    missing_masks: float = setting(
        0.0, "Share of the masks of both runs' frames that only one run has.", low=0.0, high=1.0
    )
    unmatched: float = setting(
        0.1, "Share of all objects that appeared or vanished, in any class.", low=0.0, high=1.0
    )
    vanished: float = setting(
        0.1, "Share of A's objects that B lacks, for each class.", low=0.0, high=1.0
    )
    appeared: float = setting(
        0.1, "Share of B's objects that A lacks, for each class.", low=0.0, high=1.0
    )
    strict_classes: tuple[str, ...] = setting(
        ("person",), "Classes for which strict_vanished and strict_appeared hold."
    )
    strict_vanished: float = setting(
        0.01, "Share of A's objects that B lacks, for each strict class.", low=0.0, high=1.0
    )
    strict_appeared: float = setting(
        0.05, "Share of B's objects that A lacks, for each strict class.", low=0.0, high=1.0
    )
    box_iou: float = setting(0.85, "Least mean overlap of matched boxes.", low=0.0, high=1.0)
    score_drift: float = setting(
        0.05, "Most mean change of matched scores, up or down.", low=0.0, high=1.0
    )
    mask_iou: float = setting(
        0.85, "Least IoU of each class's pixels over the whole run.", low=0.0, high=1.0
    )
    least_pixels: float = setting(
        0.001,
        "Classes with a smaller share of the pixels have no say in mask_iou.",
        low=0.0,
        high=1.0,
    )
    latency_ratio: float | None = setting(
        None, "Most B's median work may take of A's; by default time has no say.", low=0.0
    )


@dataclass(frozen=True)
class FrameChange:
    """What changed in one frame.

    Attributes:
        key: camera and stamp.
        pairs: indices in A and B of the same objects.
        vanished: indices in A without a partner.
        appeared: indices in B without a partner.
        pair_iou: overlap of each pair.
        mask_agreement: share of pixels of equal class; NaN without masks.
    """

    key: FrameKey
    pairs: tuple[tuple[int, int], ...]
    vanished: tuple[int, ...]
    appeared: tuple[int, ...]
    pair_iou: tuple[float, ...]
    mask_agreement: float = float("nan")

    @property
    def amount(self) -> float:
        """For ranking frames: lost and new objects, loosened boxes, changed pixels."""
        loose = sum(1 - iou for iou in self.pair_iou)
        pixels = 0.0 if np.isnan(self.mask_agreement) else 10 * (1 - self.mask_agreement)
        return len(self.vanished) + len(self.appeared) + loose + pixels


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        run_a: the one to compare with.
        run_b: the new one.
        frames: changes in the frames of both.
        only_a: frames B lacks.
        only_b: frames A lacks.
        figures: everything `verdict` looks at, by name; None where the runs can't tell.
        by_class: objects matched, vanished, appeared and mask IoU, by class name.
        classes: the classes of A, and those of B, in the order of their ids.
    """

    run_a: Run
    run_b: Run
    frames: tuple[FrameChange, ...]
    only_a: int
    only_b: int
    figures: dict[str, float | None]
    by_class: dict[str, dict[str, float | None]]
    classes: tuple[tuple[str, ...], tuple[str, ...]]

    def verdict(self, tolerances: Tolerances) -> list[str]:
        """What is out of tolerance, a sentence each; nothing when all is well."""
        limits = {
            "missing_frames": (tolerances.missing_frames, False),
            "missing_masks": (tolerances.missing_masks, False),
            "unmatched": (tolerances.unmatched, False),
            "box_iou": (tolerances.box_iou, True),
            "score_drift": (tolerances.score_drift, False),
            "latency_ratio": (tolerances.latency_ratio, False),
        }
        broken = [
            f"{name}: expected at {'least' if at_least else 'most'} {limit:g}, got {value:.4g}"
            for name, (limit, at_least) in limits.items()
            if limit is not None
            and (value := self.figures[name]) is not None
            and (value < limit if at_least else value > limit)
        ]
        if tolerances.latency_ratio is not None and self.figures["latency_ratio"] is None:
            broken.append(
                "latency_ratio: expected durations in both runs to judge it by, one has none; a golden file "
                "holds none"
            )
        known = {*self.classes[0], *self.classes[1]}
        unknown = [name for name in tolerances.strict_classes if name not in known]
        if unknown and tolerances.strict_classes != Tolerances().strict_classes:
            broken.append(f"strict_classes: expected classes of the runs, got {', '.join(unknown)}")
        if self.classes[0] != self.classes[1]:
            of_a, of_b = (", ".join(names) for names in self.classes)
            broken.append(f"classes: expected {of_a} as in A, got {of_b}; compared by name")
        for name in self.by_class:
            broken += self._lost(name, tolerances)
        for name, row in self.by_class.items():
            iou, share = row["mask_iou"], row["pixel_share"] or 0.0
            if iou is not None and share >= tolerances.least_pixels and iou < tolerances.mask_iou:
                broken.append(
                    f"mask_iou of {name}: expected at least {tolerances.mask_iou:g}, got {iou:.4g}"
                )
        return broken

    def _lost(self, name: str, tolerances: Tolerances) -> list[str]:
        """Whether more objects of a class vanished or appeared than may."""
        row, strict = self.by_class[name], name in tolerances.strict_classes
        limits = {
            "vanished": tolerances.strict_vanished if strict else tolerances.vanished,
            "appeared": tolerances.strict_appeared if strict else tolerances.appeared,
        }
        broken = []
        for what, limit in limits.items():
            count = int(row[what] or 0)
            total = int(row["matched"] or 0) + count
            if total and count / total > limit:
                broken.append(
                    f"{what} of {name}: expected at most {limit:g} of {total}, got {count} "
                    f"({count / total:.4g})"
                )
        return broken

    def worst(self, count: int) -> list[FrameChange]:
        """The frames that changed most."""
        changed = [frame for frame in self.frames if frame.amount > 0]
        return sorted(changed, key=lambda frame: -frame.amount)[:count]

    def to_json(self, tolerances: Tolerances) -> dict[str, Any]:
        """Everything for machines."""
        return {
            "a": {
                "path": str(self.run_a.path),
                "model": self.run_a.model_id,
                "frames": len(self.run_a.frames),
            },
            "b": {
                "path": str(self.run_b.path),
                "model": self.run_b.model_id,
                "frames": len(self.run_b.frames),
            },
            "only_a": self.only_a,
            "only_b": self.only_b,
            "figures": self.figures,
            "by_class": self.by_class,
            "classes": {"a": list(self.classes[0]), "b": list(self.classes[1])},
            "out_of_tolerance": self.verdict(tolerances),
            "worst_frames": [
                {
                    "camera": frame.key[0],
                    "stamp_ns": frame.key[1],
                    "vanished": len(frame.vanished),
                    "appeared": len(frame.appeared),
                    "amount": round(frame.amount, 4),
                }
                for frame in self.worst(20)
            ],
        }


def match(a: Detections, b: Detections, least_iou: float) -> list[tuple[int, int, float]]:
    """Pairs of the same class, best overlap first, each detection at most once.

    Index in A, in B, IoU.
    """
    iou = pairwise_iou(a.boxes_xyxy, b.boxes_xyxy) * (a.class_ids[:, None] == b.class_ids[None, :])
    rows, columns = np.nonzero(iou >= max(least_iou, 1e-9))
    order = np.argsort(-iou[rows, columns], kind="stable")
    pairs: list[tuple[int, int, float]] = []
    used_a, used_b = set(), set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_a and column not in used_b:
            used_a.add(row)
            used_b.add(column)
            pairs.append((row, column, float(iou[row, column])))
    return pairs


def compare_runs(run_a: Run, run_b: Run, match_iou: float = Tolerances().match_iou) -> Comparison:
    """Compare two runs over the same images; frames belong together by camera and stamp.

    Classes belong together by name. One that only one of the runs has is found by the other nowhere.

    Args:
        run_a: the one to compare with.
        run_b: the new one.
        match_iou: overlap from which two boxes are the same object.

    Raises:
        ReplayError: no frame in common, or more classes in both than there are ids.
    """
    classes = run_a.labels.foreground, run_b.labels.foreground
    run_a, run_b = _of_one_numbering(run_a, run_b)
    common = [key for key in run_a.frames if key in run_b.frames]
    if not common:
        raise ReplayError(
            f"{run_b.path}: expected frames of the same stamps as {run_a.path}, got none; "
            "image_replay_node keeps the stamps of its source with clock:=true."
        )
    count = len(run_a.labels)
    confusion = np.zeros((count + 1, count + 1), np.int64)
    agreement: dict[FrameKey, float] = {}
    alone: set[FrameKey] = set()
    for key, mask_a, mask_b in paired_masks(run_a, run_b, alone):
        table = _confusion(mask_a, mask_b, count)
        confusion += table
        agreement[key] = float(np.trace(table) / table.sum())
    frames = tuple(_change(key, run_a, run_b, match_iou, agreement) for key in common)
    by_class = {
        name: _class_row(index, run_a, run_b, frames, confusion)
        for index, name in enumerate(run_a.labels.names)
    }
    only_a, only_b = len(run_a.frames) - len(common), len(run_b.frames) - len(common)
    figures = _figures(run_a, run_b, frames) | {
        "missing_frames": (only_a + only_b) / max(1, len(run_a.frames) + len(run_b.frames)),
        "missing_masks": len(alone) / max(1, len(alone) + len(agreement)),
        "mask_agreement": float(np.mean(list(agreement.values()))) if agreement else None,
    }
    return Comparison(run_a, run_b, frames, only_a, only_b, figures, by_class, classes)


def _of_one_numbering(run_a: Run, run_b: Run) -> tuple[Run, Run]:
    """Both runs with the class ids of A, and new ones for further classes of B."""
    more = [name for name in run_b.labels.foreground if name not in run_a.labels.foreground]
    try:
        labels = labels_of((*run_a.labels.names, *more))
    except ValueError as error:
        raise ReplayError(f"{run_a.path} and {run_b.path}: {error}") from error
    return with_labels(run_a, labels), with_labels(run_b, labels)


def _change(
    key: FrameKey, run_a: Run, run_b: Run, match_iou: float, agreement: Mapping[FrameKey, float]
) -> FrameChange:
    a, b = run_a.frames[key].detections, run_b.frames[key].detections
    pairs = match(a, b, match_iou)
    return FrameChange(
        key,
        tuple((row, column) for row, column, _ in pairs),
        tuple(sorted(set(range(len(a))) - {row for row, _, _ in pairs})),
        tuple(sorted(set(range(len(b))) - {column for _, column, _ in pairs})),
        tuple(iou for _, _, iou in pairs),
        agreement.get(key, float("nan")),
    )


def paired_masks(
    run_a: Run, run_b: Run, alone: set[FrameKey] | None = None
) -> Iterator[tuple[FrameKey, np.ndarray, np.ndarray]]:
    """The masks both runs have, of one size; read side by side, so that few are in memory.

    A frame or mask that one of the runs lacks costs no other, where both are in one order.

    Args:
        run_a: one.
        run_b: the other.
        alone: in the end holds the frames of both of which only one has a mask.
    """
    alone = set() if alone is None else alone
    common = (key for key in run_a.frames if key in run_b.frames)
    order = {key: place for place, key in enumerate(common)}
    stream = ((key, mask) for key, mask in run_b.masks() if key in order)
    waiting = dict[FrameKey, np.ndarray]()
    for key, mask_a in run_a.masks():
        if key not in order:
            continue
        alone.symmetric_difference_update([key])
        while key not in waiting:
            if len(waiting) >= _WAITING_MASKS:
                passed = [other for other in waiting if order[other] < order[key]]
                if not passed:
                    break
                for other in passed:
                    del waiting[other]
            item = next(stream, None)
            if item is None:
                break
            waiting[item[0]] = item[1]
            alone.symmetric_difference_update([item[0]])
        mask_b = waiting.pop(key, None)
        if mask_b is not None:
            yield key, *_same_size(mask_a, mask_b)
    for key, _ in stream:
        alone.symmetric_difference_update([key])


def _same_size(mask_a: np.ndarray, mask_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if mask_a.shape == mask_b.shape:
        return mask_a, mask_b
    small = [
        shrink_mask(mask) if mask.size == max(mask_a.size, mask_b.size) else mask
        for mask in (mask_a, mask_b)
    ]
    if small[0].shape != small[1].shape:
        raise ReplayError(f"Expected masks of one size, got {mask_a.shape} and {mask_b.shape}.")
    return small[0], small[1]


def _confusion(mask_a: np.ndarray, mask_b: np.ndarray, count: int) -> np.ndarray:
    """Pixels by class in A and B; the last row and column are unlabelled pixels."""
    a, b = np.minimum(mask_a, count).astype(np.int64), np.minimum(mask_b, count)
    return np.bincount((a * (count + 1) + b).reshape(-1), minlength=(count + 1) ** 2).reshape(
        count + 1, -1
    )


def _class_row(
    index: int, run_a: Run, run_b: Run, frames: tuple[FrameChange, ...], confusion: np.ndarray
) -> dict[str, float | None]:
    def members(run: Run, frame: FrameChange, which: tuple[int, ...]) -> int:
        return int((run.frames[frame.key].detections.class_ids[list(which)] == index).sum())

    union = confusion[index].sum() + confusion[:, index].sum() - confusion[index, index]
    total = confusion.sum()
    return {
        "matched": sum(
            members(run_a, frame, tuple(row for row, _ in frame.pairs)) for frame in frames
        ),
        "vanished": sum(members(run_a, frame, frame.vanished) for frame in frames),
        "appeared": sum(members(run_b, frame, frame.appeared) for frame in frames),
        "mask_iou": float(confusion[index, index] / union) if union else None,
        "pixel_share": float(union / total) if total else None,
    }


def _figures(run_a: Run, run_b: Run, frames: tuple[FrameChange, ...]) -> dict[str, float | None]:
    matched = sum(len(frame.pairs) for frame in frames)
    lost = sum(len(frame.vanished) + len(frame.appeared) for frame in frames)
    overlaps = [iou for frame in frames for iou in frame.pair_iou]
    drift = [
        float(run_b.frames[frame.key].detections.scores[column])
        - float(run_a.frames[frame.key].detections.scores[row])
        for frame in frames
        for row, column in frame.pairs
    ]
    vanished = sum(len(frame.vanished) for frame in frames)
    return {
        "frames": float(len(frames)),
        "matched": float(matched),
        "vanished": float(vanished),
        "appeared": float(lost - vanished),
        "unmatched": lost / (2 * matched + lost) if matched + lost else 0.0,
        "box_iou": float(np.mean(overlaps)) if overlaps else None,
        "score_drift": float(np.mean(np.abs(drift))) if drift else None,
        "score_shift": float(np.mean(drift)) if drift else None,
        "latency_ratio": _latency_ratio(run_a, run_b, frames),
    }


def _latency_ratio(run_a: Run, run_b: Run, frames: tuple[FrameChange, ...]) -> float | None:
    medians = []
    for run in (run_a, run_b):
        times = np.array([run.frames[frame.key].work_ms for frame in frames])
        medians.append(
            float(np.median(times[~np.isnan(times)])) if (~np.isnan(times)).any() else 0.0
        )
    return medians[1] / medians[0] if all(medians) else None


def describe(path: Path) -> str:
    """A run's name for people."""
    return path.name or str(path)
