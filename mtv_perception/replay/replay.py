"""A bag, video or image folder through the perceiver: every frame, in order, none dropped."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mtv_perception.bags.storage import RawMessage
from mtv_perception.bags.topics import result_topics
from mtv_perception.bags.writer import BagWriter
from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.media.frame import Frame
from mtv_perception.messages.builder import FrameCount
from mtv_perception.replay.inputs import (
    FILE_TOPIC,
    Input,
    InputFrame,
    explained,
    open_input,
    timed_decode,
)
from mtv_perception.replay.results import EXTRAS, Perceived, ResultWriter
from mtv_perception.replay.resume import (
    DONE,
    RUNNING,
    Unfinished,
    check_finished,
    check_same,
    read_state,
    set_aside,
    unfinished_folder,
    write_state,
)
from mtv_perception.replay.threads import WriteBehind, read_ahead, side_by_side
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.types import Result

_DEPTH = 4
_SHOWN_FAULTS = 5
_BLOCK_BYTES, _BLOCKS = 1 << 16, 64
"""What is compared of a file: all up to 4 MB, as of an image; of a video or bag that many blocks."""
_RATES = (0.001, 1000.0)
"""Lowest and highest, as of image_replay_node: stamps stay different, and within 64 bits."""


@dataclass(frozen=True)
class ReplayOptions:
    """What to read and to write.

    Attributes:
        topics: see `choose_cameras`.
        extras: of EXTRAS.
        rate: frames a second that stamps of files follow; 0 takes the video's own, or 10.
        class_id_as: what hypotheses hold, "id" or "name".
        resume: go on with an unfinished bag; leave a finished one alone.
        overwrite: replace an older bag.
        max_pixels: most pixels of an image; None is the limit of `open_input`.
    """

    topics: tuple[str, ...] = ()
    extras: tuple[str, ...] = ("status",)
    rate: float = 0.0
    class_id_as: str = "id"
    resume: bool = False
    overwrite: bool = False
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.extras if name not in EXTRAS]
        if unknown:
            raise ValueError(f"Expected extras of {', '.join(EXTRAS)}, got {unknown[0]!r}.")
        low, high = _RATES
        if not (self.rate == 0 or low <= self.rate <= high):
            raise ValueError(
                f"Expected a rate (--rate) of {low:g} to {high:g} frames a second, or 0 for the "
                f"video's own, got {self.rate!r}."
            )


@dataclass(frozen=True)
class ReplayReport:
    """What became of one input.

    Attributes:
        source: read.
        bag: written.
        frames: with a result, those of an earlier run included.
        resumed: of these, taken over from an earlier run.
        failed: images that could not be decoded.
        detections: objects found in this run.
        seconds: this run took.
        skipped: the bag was finished before; nothing was done.
        damage: what cut the input short; empty for a whole one.
        topics: what was read of a bag, with the frames of each.
        left_out: what else holds images, a sentence each.
        faults: what was wrong with the first failed images.
    """

    source: str
    bag: str
    frames: int = 0
    resumed: int = 0
    failed: int = 0
    detections: int = 0
    seconds: float = 0.0
    skipped: bool = False
    damage: str = ""
    topics: dict[str, int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    faults: tuple[str, ...] = field(default_factory=tuple)


Progress = Callable[[int, "int | None"], None]
"""Called with frames done and frames expected."""

_Step = tuple[InputFrame, "Frame | None", float, "list[RawMessage] | None", str]
"""A frame: decoded, with the decoding time, or its old messages, or what is wrong with it."""


def replay(
    source: Path,
    folder: Path,
    perceiver: Perceiver,
    options: ReplayOptions = ReplayOptions(),
    progress: Progress = lambda done, total: None,
    helpers: Sequence[Perceiver] = (),
) -> ReplayReport:
    """Perceive every image of an input and write the results as a bag.

    The same input, model and options give the same messages, except for the durations in the
    status.

    Args:
        source: bag, video, image folder or image.
        folder: of the bag to write.
        perceiver: what sees.
        options: see there.
        progress: called after each frame.
        helpers: perceivers of the same model and configuration; each sees frames beside the first,
            in a thread.

    Raises:
        ReplayError: nothing to read, or the output is in the way or holds the input.
    """
    begun = time.monotonic()
    check_apart(source, folder)
    folder = folder.resolve() if folder.is_symlink() else folder
    with open_input(source, options.topics, options.rate, options.max_pixels) as opened:
        settings = _settings(source, opened, perceiver, options)
        state = read_state(folder) if options.resume else None
        if state is not None and state["state"] == DONE:
            check_same(folder, state, settings)
            check_finished(folder)
            return ReplayReport(str(source), str(folder), **_figures(state), skipped=True)
        if options.overwrite:
            shutil.rmtree(unfinished_folder(folder), ignore_errors=True)
        aside = set_aside(folder, settings) if options.resume else None
        unfinished = (
            Unfinished(aside, _detections(opened), {*opened.cameras, FILE_TOPIC}) if aside else None
        )
        run = _Run(opened, (perceiver, *helpers), options, unfinished, progress)
        with BagWriter(folder, options.overwrite, _about(perceiver)) as bag:
            write_state(folder, {"state": RUNNING, **settings})
            run.write(bag)
        report = replace(
            run.report,
            source=str(source),
            bag=str(folder),
            damage=opened.damage,
            topics=dict(run.topics),
            left_out=opened.left_out,
        )
        write_state(folder, {"state": DONE, **settings, **_outcome(report)})
        if aside:
            shutil.rmtree(aside)
    return replace(report, seconds=time.monotonic() - begun)


def check_apart(source: Path, folder: Path) -> None:
    """Raise ReplayError where the output is the input or holds it, and replacing it would lose both."""
    read, written = source.resolve(), folder.resolve()
    if read == written or written in read.parents:
        raise ReplayError(
            f"{folder}: expected no such folder, found the source {source} in it; choose another --out."
        )


def _fingerprint(source: Path) -> str:
    """What tells an input from another of its name: the names, sizes and content of its files."""
    inside = source.iterdir() if source.is_dir() else [source]
    digest = hashlib.sha256()
    for path in sorted(path for path in inside if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode(errors="surrogateescape"))
        # What can't be read is counted where it is decoded.
        with suppress(OSError), path.open("rb") as file:
            for at in range(0, size, max(_BLOCK_BYTES, size // _BLOCKS)):
                file.seek(at)
                digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()[:16]


def _about(perceiver: Perceiver) -> dict[str, str]:
    """What a bag says of itself in its metadata."""
    people = ", ".join(perceiver.config.people(perceiver.spec))
    about = {"mtv_model": perceiver.spec.model_id}
    return {**about, "mtv_anonymised": people} if people else about


def _detections(opened: Input) -> dict[str, str]:
    """Camera by detections topic."""
    return {result_topics(camera)["detections"]: camera for camera in opened.cameras.values()}


def _settings(
    source: Path, opened: Input, perceiver: Perceiver, options: ReplayOptions
) -> dict[str, Any]:
    """What must be the same for a run to be the continuation of another."""
    return {
        "source": source.name,
        "files": _fingerprint(source),
        "model": perceiver.spec.model_id,
        "perceiver": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(perceiver.config).items()
            if name != "num_threads"
        },
        "cameras": {topic: name for topic, name in opened.cameras.items()},
        "extras": sorted(options.extras),
        "class_id_as": options.class_id_as,
        "rate": options.rate,
        "max_pixels": options.max_pixels,
    }


def _outcome(report: ReplayReport) -> dict[str, Any]:
    return {
        "frames": report.frames,
        "failed": report.failed,
        "damage": report.damage,
        "topics": report.topics,
        "left_out": list(report.left_out),
        "faults": list(report.faults),
    }


def _figures(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "frames": state["frames"],
        "failed": state["failed"],
        "damage": state["damage"],
        "topics": dict(state.get("topics", {})),
        "left_out": tuple(state.get("left_out", ())),
        "faults": tuple(state["faults"]),
    }


class _Run:
    """One pass over an input."""

    def __init__(
        self,
        opened: Input,
        perceivers: Sequence[Perceiver],
        options: ReplayOptions,
        unfinished: Unfinished | None,
        progress: Progress,
    ) -> None:
        self._input, self._perceivers, self._options = opened, perceivers, options
        self._unfinished, self._progress = unfinished, progress
        self._counts = dict.fromkeys(opened.cameras.values(), FrameCount())
        self.topics: Counter[str] = Counter(
            {} if list(opened.cameras) == [FILE_TOPIC] else dict.fromkeys(opened.cameras, 0)
        )
        self.report = ReplayReport("", "")

    def write(self, bag: BagWriter) -> None:
        """Read, perceive and write, each in threads of its own."""
        writer = ResultWriter(
            bag, self._perceivers[0], self._options.extras, self._options.class_id_as
        )
        for camera in self._counts:
            writer.declare(camera)
        with WriteBehind(_DEPTH) as behind:
            workers = [partial(_see, perceiver) for perceiver in self._perceivers]
            seen = side_by_side(read_ahead(self._steps(), _DEPTH), workers)
            for done, (step, result) in enumerate(seen, start=1):
                self._hand_on(step, result, writer, bag, behind)
                self._progress(done, self._input.total)

    def _steps(self) -> Iterator[_Step]:
        """The frames, decoded unless their results are there already."""
        for source in self._input.frames():
            old = self._unfinished.take(source.camera, source.log_ns) if self._unfinished else None
            if old is not None:
                yield source, None, 0.0, old, ""
                continue
            try:
                frame, decode_ms = timed_decode(source)
            except ImageError as error:
                yield source, None, 0.0, None, explained(error)
                continue
            yield source, frame, decode_ms, None, ""

    def _hand_on(
        self,
        step: _Step,
        result: Result | None,
        writer: ResultWriter,
        bag: BagWriter,
        behind: WriteBehind,
    ) -> None:
        source, frame, decode_ms, old, fault = step
        count = self._counts[source.camera]
        first = not count.processed
        count = replace(
            count,
            received=count.received + 1,
            processed=count.processed + (not fault),
            failed=count.failed + bool(fault),
        )
        self._counts[source.camera] = count
        if source.topic in self.topics:
            self.topics[source.topic] += 1
        report = self.report
        if fault:
            shown = (*report.faults, fault)[:_SHOWN_FAULTS]
            self.report = replace(report, failed=report.failed + 1, faults=shown)
            return
        self.report = replace(
            report, frames=report.frames + 1, resumed=report.resumed + (old is not None)
        )
        if first:
            behind.submit(lambda: writer.announce(source.camera, source.log_ns, source.log_ns))
        if old is not None:
            behind.submit(lambda: _copy(old, bag))
        elif frame is not None and result is not None:
            self.report = replace(
                self.report, detections=self.report.detections + len(result.detections)
            )
            item = Perceived(source, frame, decode_ms, result, count)
            behind.submit(lambda: writer.write(item))


def _see(perceiver: Perceiver, step: _Step) -> tuple[_Step, Result | None]:
    """A frame with its result; None where there is none to be had, or an old one."""
    _, frame, *_ = step
    return step, None if frame is None else perceiver(frame.image_rgb)


def _copy(messages: list[RawMessage], bag: BagWriter) -> None:
    for message in messages:
        bag.add_topic(message.topic, message.msgtype)
        bag.write_cdr(message.topic, message.log_ns, message.cdr)
