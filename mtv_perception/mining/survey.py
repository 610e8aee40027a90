"""Every frame of the inputs seen once: what is worth knowing about each to choose among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.media.likeness import difference_hash
from mtv_perception.mining.features import PooledFeatures
from mtv_perception.mining.flicker import flickers
from mtv_perception.mining.signals import Judge, Signal
from mtv_perception.replay.inputs import FILE_TOPIC, Input, InputFrame, open_input
from mtv_perception.runtime.artefact import Artefact
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.types import Detections

_SHOWN_FAULTS = 5

Open = Callable[[Path], AbstractContextManager[Input]]
Follow = Callable[[Iterable[InputFrame], "int | None", str], Iterable[InputFrame]]
"""Passes frames on and shows progress; given the number expected and the input's name."""


def unshown(frames: Iterable[InputFrame], total: int | None, name: str) -> Iterable[InputFrame]:
    """Frames without any progress."""
    return frames


@dataclass(frozen=True)
class FrameSurvey:
    """One frame.

    Attributes:
        source: position of its input.
        place: of the frame in its input; broken ones count.
        camera: its name; "" for the only one.
        name: for people.
        stamp_ns: of the image.
        detections: those that reach the model's thresholds.
        feature: `(C,)` unit vector.
        hash: 64 bits of the picture.
        signals: why to label it.
    """

    source: int
    place: int
    camera: str
    name: str
    stamp_ns: int
    detections: Detections
    feature: np.ndarray
    hash: np.uint64
    signals: tuple[Signal, ...]


@dataclass
class InputSurvey:
    """What was read of an input.

    Attributes:
        source: as given.
        topics: frames by topic.
        failed: images that can't be decoded.
        faults: what is wrong with the first of them.
        left_out: what was not read, a sentence each.
        damage: what cut it short.
        error: why nothing of it was read.
    """

    source: Path
    topics: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    faults: list[str] = field(default_factory=list)
    left_out: tuple[str, ...] = ()
    damage: str = ""
    error: str = ""

    @property
    def frames(self) -> int:
        """Images that were seen."""
        return sum(self.topics.values())

    @property
    def went_wrong(self) -> bool:
        """Whether anything of it could not be read."""
        return bool(self.error or self.damage or self.failed or not self.frames)

    def to_json(self) -> dict[str, Any]:
        """As `mine.json` has it."""
        return {
            "source": str(self.source),
            "frames": self.frames,
            "topics": {topic: count for topic, count in self.topics.items() if topic != FILE_TOPIC},
            "failed": self.failed,
            "faults": self.faults,
            "left_out": list(self.left_out),
            "damage": self.damage,
            "error": self.error,
        }


class Surveyor:
    """Sees frames as the robot does, and a little below its thresholds.

    Args:
        artefact: of the model.
        config: engine and threads.
        open_one: opens an input.
    """

    def __init__(
        self, artefact: Artefact, config: PerceiverConfig, open_one: Open = open_input
    ) -> None:
        self._open, self._labels = open_one, artefact.labels
        limits = config.thresholds(artefact.spec)
        lower = tuple(
            f"{name}={limit / 2}"
            for name, limit in zip(self._labels.foreground, limits, strict=True)
        )
        self._judge = Judge(artefact.spec, limits)
        # It writes nothing, so that it need not look for people to hide.
        shown = replace(config, anonymise=False)
        self._perceiver = Perceiver(
            artefact, replace(shown, class_score_thresholds=lower, mask_size="network")
        )
        self._features = PooledFeatures(artefact, config.num_threads)

    def look(self, image_rgb: np.ndarray) -> tuple[np.ndarray, np.uint64]:
        """Features and hash of a picture `(H, W, 3)` uint8."""
        return self._features(image_rgb), difference_hash(image_rgb)

    def survey(
        self, source: int, path: Path, follow: Follow = unshown
    ) -> tuple[list[FrameSurvey], InputSurvey]:
        """All frames of one input, and what was read of it."""
        reading = InputSurvey(path)
        try:
            with self._open(path) as opened:
                seen = self._frames(source, opened, reading, follow)
        except ReplayError as error:
            reading.error = str(error)
            return [], reading
        reading.left_out, reading.damage = opened.left_out, opened.damage
        return self._with_flicker(seen) if _is_sequence(opened) else seen, reading

    def _frames(
        self, source: int, opened: Input, reading: InputSurvey, follow: Follow
    ) -> list[FrameSurvey]:
        seen = []
        for place, item in enumerate(follow(opened.frames(), opened.total, reading.source.name)):
            try:
                frame = item.decode()
            except ImageError as error:
                reading.failed += 1
                reading.faults += [str(error)] * (reading.failed <= _SHOWN_FAULTS)
                continue
            result = self._perceiver(frame.image_rgb)
            feature, hashed = self.look(frame.image_rgb)
            found = self._judge.kept(result.detections)
            signals = tuple(self._judge.signals(result))
            reading.topics[item.topic] += 1
            seen.append(
                FrameSurvey(
                    *(source, place, item.camera, frame.name, frame.stamp_ns),
                    *(found, feature, hashed, signals),
                )
            )
        return seen

    def _with_flicker(self, seen: Sequence[FrameSurvey]) -> list[FrameSurvey]:
        """The frames with the signals of their camera's sequence."""
        extra: dict[int, list[Signal]] = {}
        for camera in dict.fromkeys(item.camera for item in seen):
            places = [index for index, item in enumerate(seen) if item.camera == camera]
            own = [(seen[index].stamp_ns, seen[index].detections) for index in places]
            for place, signals in flickers(own, self._labels).items():
                extra[places[place]] = signals
        return [
            replace(item, signals=(*item.signals, *extra.get(index, ())))
            for index, item in enumerate(seen)
        ]


def _is_sequence(opened: Input) -> bool:
    """Whether frames follow each other in time: those of bags and videos.

    Images of a folder may have nothing to do with each other.
    """
    return bool(opened.video_rate) or list(opened.cameras) != [FILE_TOPIC]
