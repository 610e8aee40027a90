"""Objects that a sequence shows with gaps, or for a moment only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mtv_perception.labels import LabelSet
from mtv_perception.mining.signals import FLICKER, Signal
from mtv_perception.tracking.tracker import Tracker
from mtv_perception.types import Detections

_MOMENT = 2  # frames; an object that was there would be seen in more


@dataclass
class _Track:
    """Where an object was seen.

    Attributes:
        class_id: of its class.
        seen: score by the frame's place in the sequence.
    """

    class_id: int
    seen: dict[int, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """Mean of the frames that show it."""
        return sum(self.seen.values()) / len(self.seen)


def flickers(
    sequence: Sequence[tuple[int, Detections]], labels: LabelSet
) -> dict[int, list[Signal]]:
    """The signals of each frame of one camera, by its place in the sequence.

    A gap is a frame without an object that was seen before and after, within the tracker's memory.
    A moment is one or two frames that alone show an object, none of them the first or last. Where
    objects move too far between two frames to be followed, the numbers of objects do not differ,
    and nothing is said.

    Args:
        sequence: stamp (ns) and detections of each frame in order, thresholds applied.
        labels: of the model.
    """
    counts = [Counter(detections.class_ids.tolist()) for _, detections in sequence]
    found: dict[int, list[Signal]] = defaultdict(list)
    for track in _tracks(sequence):
        name = labels.names[track.class_id]
        for place in _gaps(track, counts):
            text = f"{name} that is found before and after is missing in this frame"
            found[place].append(Signal(FLICKER, track.score, text))
        for place in _moment(track, counts):
            text = f"{name} with score {track.seen[place]:.2f} is found for a moment only"
            found[place].append(Signal(FLICKER, track.score, text))
    return dict(found)


def _gaps(track: _Track, counts: Sequence[Counter[int]]) -> Iterator[int]:
    """The frames between two sightings that show fewer objects of the class than either."""
    places = sorted(track.seen)
    for before, after in pairwise(places):
        least = min(counts[before][track.class_id], counts[after][track.class_id])
        for place in range(before + 1, after):
            if counts[place][track.class_id] < least:
                yield place


def _moment(track: _Track, counts: Sequence[Counter[int]]) -> list[int]:
    """The frames of a short track, where the frames around show fewer objects of the class."""
    first, last = min(track.seen), max(track.seen)
    if last - first >= _MOMENT or first == 0 or last == len(counts) - 1:
        return []
    around = max(counts[first - 1][track.class_id], counts[last + 1][track.class_id])
    return [place for place in track.seen if counts[place][track.class_id] > around]


def _tracks(sequence: Sequence[tuple[int, Detections]]) -> list[_Track]:
    tracker = Tracker()
    tracks: dict[int, _Track] = {}
    for place, (stamp_ns, detections) in enumerate(sequence):
        ids = tracker.update(detections, stamp_ns)
        rows = zip(ids.tolist(), detections.class_ids.tolist(), detections.scores, strict=True)
        for track_id, class_id, score in rows:
            if track_id > 0:
                tracks.setdefault(track_id, _Track(class_id)).seen[place] = float(score)
    return list(tracks.values())
