"""Ids for detections, frame by frame.

Source: Zhang et al., "ByteTrack" (2022), algorithm 1, on the motion model and matching of Bewley et
al., "Simple online and realtime tracking" (2016). Other than there, a new object has its id at
once: nothing waits for confirmation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtv_perception.config import setting
from mtv_perception.geometry.boxes import pairwise_iou
from mtv_perception.tracking import kalman
from mtv_perception.tracking.assignment import assign
from mtv_perception.types import Detections

NO_ID = -1
# A camera is not slower; longer gaps between frames are interruptions.
_SLOWEST_NS = 5 * 10**9
# The cost of a pair without overlap: more would make many poor pairs better than one good pair.
_APART = 1.0


@dataclass(frozen=True)
class TrackerConfig:
    """What the user may choose about tracking.

    Flat, so that every field can be one ROS parameter.
    """

    track_high_score: float = setting(
        0.5, "Detections from this score on are matched first, and begin tracks.", low=0.0, high=1.0
    )
    track_iou: float = setting(
        0.2,
        "Least overlap (IoU) of a detection with where its track should be.",
        low=0.01,
        high=1.0,
    )
    track_low_iou: float = setting(
        0.5, "The same for detections of a low score.", low=0.01, high=1.0
    )
    track_memory: float = setting(
        1.0, "How long (s) an object that is not seen keeps its id.", low=0.0, high=60.0
    )
    track_limit: int = setting(
        300, "Most objects in memory; the longest unseen go first.", low=1, high=10_000
    )


class Tracker:
    """Gives detections ids. Ids are never given twice.

    Args:
        config: thresholds.
    """

    def __init__(self, config: TrackerConfig = TrackerConfig()) -> None:
        self.config = config
        self._next_id = 1
        self._stamp_ns: int | None = None
        self.clear()

    def clear(self) -> None:
        """Forget all objects, as on a new timeline."""
        self._motion = kalman.begin(np.empty((0, 4)))
        self._ids = np.empty(0, np.int64)
        self._class_ids = np.empty(0, np.int32)
        self._seen_ns = np.empty(0, np.int64)
        self._shortest_ns: int | None = None  # Between two frames of this timeline.

    def __len__(self) -> int:
        return len(self._ids)

    def update(self, detections: Detections, stamp_ns: int) -> np.ndarray:
        """The ids of one frame's detections.

        Args:
            detections: of the frame.
            stamp_ns: of the image; a stamp that is not later than the one before begins a new
                timeline.

        Returns:
            `(N,)` int64, from 1; -1 for detections of a low score that belong to no known object.
        """
        self._advance(stamp_ns)
        boxes = detections.boxes_xyxy.astype(np.float64)
        ids = np.full(len(detections), NO_ID, np.int64)
        high = detections.scores >= self.config.track_high_score
        known = np.ones(len(self), bool)
        last = self._seen_ns.max(initial=-1)
        rounds = (
            (np.flatnonzero(high), known, self.config.track_iou),
            (np.flatnonzero(~high), self._seen_ns == last, self.config.track_low_iou),
        )
        for candidates, eligible, least in rounds:
            tracks = np.flatnonzero(known & eligible)
            rows, columns = self._match(
                tracks, boxes[candidates], detections.class_ids[candidates], least
            )
            tracks, found = tracks[rows], candidates[columns]
            known[tracks] = False
            ids[found] = self._ids[tracks]
            self._correct(tracks, boxes[found], stamp_ns)
        fresh = np.flatnonzero(high & (ids == NO_ID))
        ids[fresh] = self._begin(boxes[fresh], detections.class_ids[fresh], stamp_ns)
        self._keep_within_limit()
        return ids

    def _advance(self, stamp_ns: int) -> None:
        if self._stamp_ns is not None and stamp_ns <= self._stamp_ns:
            self.clear()
        elif self._stamp_ns is not None:
            gap = stamp_ns - self._stamp_ns
            is_known = stamp_ns - self._seen_ns <= round(self.config.track_memory * 1e9)
            # A camera may be slower than the memory: what its last frame showed is not unseen yet.
            if gap <= 2 * min(self._shortest_ns or 0, _SLOWEST_NS):
                is_known |= self._seen_ns == self._stamp_ns
            self._select(np.flatnonzero(is_known))
            self._motion = kalman.predict(self._motion, gap / 1e9)
            self._shortest_ns = min(self._shortest_ns or gap, gap)
        self._stamp_ns = stamp_ns

    def _match(
        self, tracks: np.ndarray, boxes: np.ndarray, class_ids: np.ndarray, least: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of position in `tracks` and in `boxes` that overlap by `least` and are of one class."""
        overlap = pairwise_iou(self._motion.boxes_xyxy[tracks], boxes)
        fits = (overlap >= least) & (self._class_ids[tracks, None] == class_ids[None])
        rows, columns = assign(np.where(fits, 1 - overlap, _APART))
        good = fits[rows, columns]
        return rows[good], columns[good]

    def _correct(self, tracks: np.ndarray, boxes: np.ndarray, stamp_ns: int) -> None:
        seen = kalman.correct(self._motion.select(tracks), boxes)
        self._motion.values[tracks] = seen.values
        self._motion.speeds[tracks] = seen.speeds
        self._motion.spread[tracks] = seen.spread
        self._seen_ns[tracks] = stamp_ns

    def _begin(self, boxes: np.ndarray, class_ids: np.ndarray, stamp_ns: int) -> np.ndarray:
        ids = np.arange(self._next_id, self._next_id + len(boxes), dtype=np.int64)
        self._next_id += len(boxes)
        self._motion = kalman.join(self._motion, kalman.begin(boxes))
        self._ids = np.concatenate([self._ids, ids])
        self._class_ids = np.concatenate([self._class_ids, class_ids])
        self._seen_ns = np.concatenate([self._seen_ns, np.full(len(boxes), stamp_ns, np.int64)])
        return ids

    def _keep_within_limit(self) -> None:
        if len(self) > self.config.track_limit:
            newest = np.argsort(-self._seen_ns, kind="stable")[: self.config.track_limit]
            self._select(np.sort(newest))

    def _select(self, index: np.ndarray) -> None:
        self._motion = self._motion.select(index)
        self._ids, self._class_ids = self._ids[index], self._class_ids[index]
        self._seen_ns = self._seen_ns[index]
