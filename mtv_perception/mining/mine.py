"""From inputs to a folder of the frames most worth labelling, with the model's labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.data.sample import Sample, sample_image
from mtv_perception.errors import DatasetError
from mtv_perception.mining.choose import Known, MinedFrames, choose
from mtv_perception.mining.page import Shown, write_mine_page
from mtv_perception.mining.prelabels.folder import PreLabelFolder
from mtv_perception.mining.signals import KINDS, Signal, worth
from mtv_perception.mining.survey import Follow, FrameSurvey, InputSurvey, Surveyor, unshown
from mtv_perception.replay.inputs import Input, InputFrame, open_input
from mtv_perception.replay.predictions import Names, detection_rows, name_of
from mtv_perception.resources import write_whole
from mtv_perception.runtime.artefact import Artefact
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.types import Result
from mtv_perception.visual.anonymise import anonymised

REPORT_FILE, PAGE_FILE = "mine.json", "mine.html"
UNLIKE_TEXT = "unlike every frame chosen before it"


@dataclass(frozen=True)
class MineOptions:
    """What to mine.

    Attributes:
        sources: bags, videos, folders of images, images.
        out: a folder that does not exist yet, or is empty.
        count: frames to choose at most.
        topics: image topics of bags; empty takes every camera.
        max_pixels: larger images are refused; None takes the limits of bags and files.
        known: labelled data that the frames should be unlike, as named by the caller.
    """

    sources: tuple[Path, ...]
    out: Path
    count: int
    topics: tuple[str, ...] = ()
    max_pixels: int | None = None
    known: tuple[str, ...] = ()

    def open(self, path: Path) -> AbstractContextManager[Input]:
        """One of the sources, opened."""
        return open_input(path, self.topics, max_pixels=self.max_pixels)

    def to_json(self) -> dict[str, Any]:
        """As `mine.json` has it."""
        return {
            "count": self.count,
            "topics": list(self.topics),
            "known": list(self.known),
            "max_pixels": self.max_pixels,
        }


@dataclass(frozen=True)
class Pick:
    """A chosen frame.

    Attributes:
        seen: the frame.
        signals: why, one of each kind at most, the strongest first.
        worth: 0..1.
    """

    seen: FrameSurvey
    signals: tuple[Signal, ...]
    worth: float

    @property
    def reasons(self) -> list[str]:
        """The signals for a person; how unlike it is, where there is none."""
        return [signal.text for signal in self.signals] or [UNLIKE_TEXT]

    def to_json(self) -> dict[str, Any]:
        """As `mine.json` has it, without what the model found."""
        best = {kind: 0.0 for kind in KINDS}
        best |= {signal.kind: round(signal.value, 4) for signal in self.signals}
        return {"worth": round(self.worth, 4), "signals": best, "reasons": self.reasons}


@dataclass(frozen=True)
class Mined:
    """What came out.

    Attributes:
        readings: of each input.
        picks: chosen frames, the most wanted first.
        near_duplicates: frames left out because they look like a chosen or labelled one.
        known: labelled images that were compared with.
    """

    readings: tuple[InputSurvey, ...]
    picks: tuple[Pick, ...]
    near_duplicates: int
    known: int

    @property
    def frames(self) -> int:
        """Frames that were seen."""
        return sum(reading.frames for reading in self.readings)

    @property
    def went_wrong(self) -> bool:
        """Whether some of the inputs could not be read."""
        return any(reading.went_wrong for reading in self.readings)


def mine(
    options: MineOptions,
    artefact: Artefact,
    config: PerceiverConfig,
    known: Sequence[Sample] = (),
    follow: Follow = unshown,
) -> Mined:
    """See all frames, choose, and write the folder; without any frame nothing is written.

    Args:
        options: what to mine.
        artefact: of the model.
        config: engine, threads, thresholds of the labels; with `anonymise`, people are pixelated
            in every image before anything of it is written.
        known: labelled images that the frames should be unlike.
        follow: shows progress.

    Raises:
        DatasetError: the folder holds something, or a labelled image can't be read.
        ArtefactError, ConfigError: of the model.
    """
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise DatasetError(
            f"{options.out}: expected a folder that does not exist yet, found one with files."
        )
    surveyor = Surveyor(artefact, config, options.open)
    labelled = _known(surveyor, known)
    surveyed = [surveyor.survey(n, path, follow) for n, path in enumerate(options.sources)]
    seen = [item for items, _ in surveyed for item in items]
    picks, choice = _choose(seen, labelled, options.count)
    readings = tuple(reading for _, reading in surveyed)
    mined = Mined(readings, picks, choice.near_duplicates, len(labelled))
    if mined.frames:
        _write(options, artefact, config, mined)
    return mined


def _known(surveyor: Surveyor, samples: Sequence[Sample]) -> Known:
    looks = [surveyor.look(sample_image(sample)) for sample in samples]
    return Known(np.array([feature for feature, _ in looks]), [hashed for _, hashed in looks])


def _choose(
    seen: Sequence[FrameSurvey], known: Known, count: int
) -> tuple[tuple[Pick, ...], MinedFrames]:
    if not seen:
        return (), MinedFrames((), 0)
    features = np.stack([item.feature for item in seen])
    signals = [
        _strongest((*item.signals, *far))
        for item, far in zip(seen, known.far(features), strict=True)
    ]
    worths = [worth(found) for found in signals]
    hashes = [item.hash for item in seen]
    choice = choose(np.array(worths), features, hashes, count, known.hashes)
    picks = (Pick(seen[i], tuple(signals[i]), worths[i]) for i in choice.chosen)
    return tuple(picks), choice


def _strongest(signals: Sequence[Signal]) -> list[Signal]:
    """The strongest signal of each kind, in falling order."""
    best: dict[str, Signal] = {}
    for signal in signals:
        if signal.kind not in best or signal.value > best[signal.kind].value:
            best[signal.kind] = signal
    return sorted(best.values(), key=lambda signal: -signal.value)


def _write(options: MineOptions, artefact: Artefact, config: PerceiverConfig, mined: Mined) -> None:
    """The images with their labels, the page, and the report."""
    perceiver, names = Perceiver(artefact, config), Names()
    rows: dict[int, dict[str, Any]] = {}
    shown: dict[int, Shown] = {}
    hide = _pixelated if config.anonymise else None
    with PreLabelFolder(options.out, artefact.spec, hide) as folder:
        for rank, source, item in _chosen_frames(options, mined.picks):
            frame, pick = item.decode(), mined.picks[rank]
            result = perceiver(frame.image_rgb)
            name = names.unique(name_of(source, item, frame))
            label, image = folder.add(name, frame.image_rgb, result)
            rows[rank] = {
                "file": label.file,
                "source": str(source),
                "frame": frame.name,
                "camera": item.camera,
                "stamp_ns": frame.stamp_ns,
                **pick.to_json(),
                "detections": detection_rows(label.detections, artefact.labels),
            }
            shown[rank] = Shown.of(label.file, image, result, artefact.labels, pick.reasons)
    ranks = sorted(rows)
    settings = {**options.to_json(), "anonymise": config.anonymise}
    _write_report(options.out, settings, artefact, mined, [rows[rank] for rank in ranks])
    write_mine_page(options.out / PAGE_FILE, [shown[rank] for rank in ranks], mined.readings)


def _chosen_frames(
    options: MineOptions, picks: Sequence[Pick]
) -> Iterator[tuple[int, Path, InputFrame]]:
    """Rank, input and frame of what was chosen, in the order of the inputs."""
    for number, path in enumerate(options.sources):
        ranks = {p.seen.place: rank for rank, p in enumerate(picks) if p.seen.source == number}
        if not ranks:
            continue
        with options.open(path) as opened:
            for place, item in enumerate(opened.frames()):
                if place in ranks:
                    yield ranks[place], path, item


def _pixelated(image_rgb: np.ndarray, result: Result) -> np.ndarray:
    return anonymised(image_rgb, result.people)


def _write_report(
    out: Path,
    settings: dict[str, Any],
    artefact: Artefact,
    mined: Mined,
    rows: Sequence[dict[str, Any]],
) -> None:
    content = {
        "model": artefact.model_id,
        "options": settings,
        "inputs": [reading.to_json() for reading in mined.readings],
        "frames": mined.frames,
        "chosen": len(rows),
        "left_out": {
            "near_duplicates": mined.near_duplicates,
            "others": mined.frames - len(rows) - mined.near_duplicates,
        },
        "known_images": mined.known,
        "images": list(rows),
    }
    text = json.dumps(content, indent=2, allow_nan=False)
    write_whole(out / REPORT_FILE, text + "\n")
