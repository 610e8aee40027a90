"""How well trackers keep ids: HOTA, MOTA and IDF1 by TrackEval.

HOTA, DetA, AssA: Luiten et al., IJCV 2021, the mean over the IoU thresholds 0.05 to 0.95.
MOTA, id switches: Bernardin and Stiefelhagen, 2008; IDF1: Ristani et al., 2016; both at IoU 0.5.

TrackEval asks for the OpenCV that needs libGL, so it stands in requirements/no-deps.txt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mtv_perception.geometry.boxes import pairwise_iou
from mtv_perception.tracking.assignment import assign
from mtv_perception.tracking.tracker import Tracker
from mtv_perception.types import Detections

# Least overlap with the earlier box, as in SORT (Bewley et al., 2016).
_IOU = 0.3
_DIGITS = 4
_QUIET = {"PRINT_CONFIG": False}


@dataclass(frozen=True)
class TrackedImage:
    """What is true and what was found in one image.

    Attributes:
        stamp_ns: of the image.
        true_ids: `(T,)`, of objects over time.
        true_names: `(T,)`, their classes.
        true_boxes_xyxy: `(T, 4)`, source pixels.
        found: detections.
        found_names: classes of the detections.
    """

    stamp_ns: int
    true_ids: Sequence[int]
    true_names: Sequence[str]
    true_boxes_xyxy: np.ndarray
    found: Detections
    found_names: Sequence[str]


class GivesIds(Protocol):
    """What is measured."""

    def update(self, detections: Detections, stamp_ns: int) -> np.ndarray:
        """The ids of one image's detections, `(N,)`; negative for none."""
        ...


class IouTracker:
    """The plain comparison: an id is handed on to the box that overlaps most, or it ends."""

    def __init__(self) -> None:
        self._boxes, self._ids, self._next = np.empty((0, 4), np.float32), np.empty(0, int), 1

    def update(self, detections: Detections, stamp_ns: int) -> np.ndarray:
        ids = np.full(len(detections), -1)
        iou = pairwise_iou(self._boxes, detections.boxes_xyxy)
        for old, new in zip(*assign(1 - iou), strict=True):
            if iou[old, new] >= _IOU:
                ids[new] = self._ids[old]
        for index in np.flatnonzero(ids < 0):
            ids[index], self._next = self._next, self._next + 1
        self._boxes, self._ids = detections.boxes_xyxy, ids
        return ids


TRACKERS = {"ours": Tracker, "iou": IouTracker}


def compare_trackers(
    images: Sequence[TrackedImage], names: Iterable[str]
) -> dict[str, dict[str, float]]:
    """The figures of each tracker on the same detections.

    Args:
        images: of one sequence, in order.
        names: classes that count; other detections are left out.
    """
    counted = frozenset(names)
    return {key: figures(sequence_of(new(), images, counted)) for key, new in TRACKERS.items()}


def sequence_of(
    tracker: GivesIds, images: Iterable[TrackedImage], names: frozenset[str]
) -> dict[str, Any]:
    """A sequence as TrackEval's metrics take it.

    Boxes of different classes have no overlap. So all classes are judged together.
    """
    true, given, overlaps = [], [], []
    for image in images:
        ids = tracker.update(image.found, image.stamp_ns)
        kept = [k for k, name in enumerate(image.found_names) if name in names and ids[k] >= 0]
        true.append(np.asarray(image.true_ids, int))
        given.append(np.asarray(ids, int)[kept])
        overlaps.append(_overlaps(image, kept))
    (true, true_count), (given, given_count) = _numbered(true), _numbered(given)
    return {
        "gt_ids": true,
        "tracker_ids": given,
        "similarity_scores": overlaps,
        "num_timesteps": len(true),
        "num_gt_ids": true_count,
        "num_tracker_ids": given_count,
        "num_gt_dets": sum(map(len, true)),
        "num_tracker_dets": sum(map(len, given)),
    }


def _overlaps(image: TrackedImage, kept: list[int]) -> np.ndarray:
    """IoU of true boxes with kept ones of the same class, `(T, K)` float64."""
    true = np.asarray(image.true_boxes_xyxy, float).reshape(-1, 4)
    iou = pairwise_iou(true, image.found.boxes_xyxy[kept].astype(float))
    found = np.array([image.found_names[k] for k in kept], dtype=object)
    same = np.array(image.true_names, dtype=object)[:, None] == found[None, :]
    return np.where(same, iou, 0.0)


def _numbered(ids: list[np.ndarray]) -> tuple[list[np.ndarray], int]:
    """Ids from 0 without gaps, and how many there are."""
    known = np.unique(np.concatenate([*ids, np.empty(0, int)]))
    return [np.searchsorted(known, one) for one in ids], len(known)


def figures(sequence: dict[str, Any]) -> dict[str, float]:
    """HOTA, DetA, AssA, MOTA, IDF1, switches, fragments and true boxes of a sequence."""
    from trackeval.metrics import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
        CLEAR,
        HOTA,
        Identity,
    )

    hota = HOTA().eval_sequence(sequence)
    clear = CLEAR(_QUIET).eval_sequence(sequence)
    identity = Identity(_QUIET).eval_sequence(sequence)
    found = {
        "hota": np.mean(hota["HOTA"]),
        "deta": np.mean(hota["DetA"]),
        "assa": np.mean(hota["AssA"]),
        "mota": clear["MOTA"],
        "idf1": identity["IDF1"],
        "num_switches": clear["IDSW"],
        "num_fragmentations": clear["Frag"],
        "num_objects": sequence["num_gt_dets"],
    }
    return {name: round(float(value), _DIGITS) for name, value in found.items()}
