"""What `mtv predict` writes: JSON lines, masks, overlays or an annotated video.

And labels on request.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np

from mtv_perception.errors import ReplayError
from mtv_perception.labels import LabelSet
from mtv_perception.media.containers import cut_short
from mtv_perception.media.files import expected_frames
from mtv_perception.media.frame import Frame
from mtv_perception.media.write import is_utf8, utf8, write_image
from mtv_perception.replay.inputs import FILE_TOPIC, InputFrame
from mtv_perception.replay.label_files import LABEL_WRITERS, LabelWriter
from mtv_perception.resources import named_errors, stderr_without, take_alone
from mtv_perception.types import Detections, Result
from mtv_perception.visual.anonymise import anonymised
from mtv_perception.visual.overlay import draw_overlay

_RESULTS = "results.jsonl"
_VIDEO = "video"
# What a run may write into its folder. Of other origin it may be the only copy.
_WRITTEN = ("masks", "overlays", "labels", "annotations.json", "classes.txt")
_LABELS = ("labels", "annotations.json", "classes.txt")
_OF_A_FRAME = (("masks", ".png"), ("overlays", ".jpg"))
# WebM with VP8 plays in browsers and is in the FFmpeg of OpenCV; H.264 is not, VP9 takes four times
# as long.
_VIDEO_SUFFIX, _VIDEO_CODEC = ".webm", "VP80"
# OpenCV says so of every code for WebM, and then writes VP8 all the same.
_CODEC_NOISE = re.compile(r"OpenCV: FFMPEG: tag .*'VP80' is not supported")


class Predictions:
    """Writes results into a folder; use as a context manager. Without a frame it writes nothing.

    Args:
        folder: for overlays/, masks/, results.jsonl and labels.
        labels: of the model.
        formats: of LABEL_WRITERS.
        masks: names of the classes that the model was trained to mask; None for all. Without any,
            no mask is written.
        anonymise: pixelate people in overlays and videos.
        sources: all inputs; a video is never written over one of them.
    """

    def __init__(
        self,
        folder: Path,
        labels: LabelSet,
        formats: tuple[str, ...] = (),
        masks: tuple[str, ...] | None = None,
        anonymise: bool = False,
        sources: Sequence[Path] = (),
    ) -> None:
        self._folder, self._labels, self._anonymise = folder, labels, anonymise
        self._sources, self._is_earlier = sources, (folder / _RESULTS).exists()
        self._masks = labels.foreground if masks is None else masks
        self._names, self._formats = Names(), formats
        self._video: _VideoFile | None = None
        self._lines: TextIO | None = None
        self._label_files: list[LabelWriter] = []

    def __enter__(self) -> Predictions:
        return self

    def __exit__(self, *_: object) -> None:
        with (
            named_errors(self._folder / _RESULTS),
            ExitStack() as closing,
        ):  # Closes the others, too, where one fails on a full disk.
            if self._lines is not None:
                closing.callback(self._lines.close)
            for writer in self._label_files:
                closing.callback(writer.close)
            self.end_source()

    def _begin(self) -> TextIO:
        """Make the folder and its files, for the first frame; overlays/ for the first image."""
        if self._folder.exists() and not self._folder.is_dir():
            raise ReplayError(
                f"{self._folder}: expected a folder to write, found a file; choose another --out."
            )
        foreign = [name for name in _WRITTEN if (self._folder / name).exists()]
        if foreign and not (self._folder / _RESULTS).exists():
            raise ReplayError(
                f"{self._folder}: expected a new folder or one of `mtv predict`, found {foreign[0]} of "
                "other origin; choose another --out."
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opening:
            lines = opening.enter_context((self._folder / _RESULTS).open("a", encoding="utf-8"))
            if not take_alone(lines):
                raise ReplayError(
                    f"{self._folder}: expected a folder that nobody writes, another `mtv predict` "
                    "writes it; wait for it, or choose another --out."
                )
            self._remove_earlier()
            lines.truncate(0)
            opening.pop_all()
        self._lines = lines
        if self._masks:
            (self._folder / "masks").mkdir(exist_ok=True)
        self._label_files = [LABEL_WRITERS[n](self._folder, self._labels) for n in self._formats]
        return self._lines

    def _remove_earlier(self) -> None:
        """Remove the masks, overlays and videos of an earlier run: beside new ones they would be taken for theirs.

        Raises:
            ReplayError: it wrote labels, which somebody may have corrected.
        """
        labels = [name for name in _LABELS if (self._folder / name).exists()]
        if labels:
            raise ReplayError(
                f"{self._folder}: expected a folder without labels, found {labels[0]} of an earlier run; "
                "remove it, or choose another --out."
            )
        try:
            lines = (self._folder / _RESULTS).read_text(encoding="utf-8").splitlines()
        except OSError:
            return
        for line in lines:
            try:
                content = json.loads(line)
                name, video = str(content["name"]), str(content.get(_VIDEO, ""))
            except (ValueError, KeyError, TypeError, AttributeError):  # Cut short by a kill.
                continue
            for part, suffix in _OF_A_FRAME:
                if Path(name).name == name:
                    (self._folder / part / f"{name}{suffix}").unlink(missing_ok=True)
            path = self._folder / video
            if video and Path(video).name == video and not self._is_source(path):
                path.unlink(missing_ok=True)

    def _is_source(self, path: Path, *more: Path) -> bool:
        known = [item for item in (*more, *self._sources) if item.exists()]
        return path.exists() and any(map(path.samefile, known))

    def check_source(self, source: Path) -> None:
        """Raise ReplayError where a source lies in what is written."""
        for part, _ in _OF_A_FRAME:
            if source.resolve().is_relative_to((self._folder / part).resolve()):
                raise ReplayError(f"{source}: is written to; choose another --out.")

    def begin_video(self, source: Path, rate: float) -> Path:
        """Begin the video of the next source's overlays; returns its path.

        Args:
            source: the video or bag that is read next.
            rate: frames a second of the video.

        Raises:
            ReplayError: the path is a source, or a file that no earlier run wrote.
        """
        path = self._folder / f"{self._names.unique(source.stem)}{_VIDEO_SUFFIX}"
        if path.exists():
            if self._is_source(path, source):
                raise ReplayError(f"{path}: is the source itself; choose another --out.")
            if not self._is_earlier:
                raise ReplayError(
                    f"{path}: expected no such file or one of `mtv predict`, found one of other "
                    "origin; choose another --out."
                )
        self._video = _VideoFile(path, rate)
        return path

    def end_source(self) -> None:
        """Finish the video of the source, if there is one.

        Raises:
            OSError: the video is incomplete.
        """
        video, self._video = self._video, None
        if video is not None:
            video.close()

    def write(self, source: Path, item: InputFrame, frame: Frame, result: Result) -> None:
        """Write one frame's result under the name of its file, or of its place in the source."""
        own = name_of(source, item, frame)
        name = self._names.unique(own)
        if self._label_files and name != utf8(own):
            raise ReplayError(
                f"{source}: --labels: two images are called {own}, and a label file could belong to either; "
                "predict each folder on its own."
            )
        lines = self._lines or self._begin()
        if self._masks:
            write_image(self._folder / "masks" / f"{name}.png", result.segmentation.class_ids)
        image = frame.image_rgb
        visible = anonymised(image, result.people) if self._anonymise else image
        footer = f"{result.timing.total_ms:.1f} ms"
        overlay = draw_overlay(visible, result, self._labels, footer)
        if self._video is not None:
            self._video.write(overlay)
        else:
            path = self._folder / "overlays" / f"{name}.jpg"
            path.parent.mkdir(exist_ok=True)
            write_image(path, overlay)
        line = to_line(source, item, frame, name, result, self._labels, self._masks)
        if self._video is not None:
            line[_VIDEO] = self._video.name
        with named_errors(self._folder / _RESULTS):
            lines.write(json.dumps(line) + "\n")
        for writer in self._label_files:
            writer.write(name, frame.name, result)


class Names:
    """Gives out names that no other result has."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def unique(self, name: str) -> str:
        """The name in UTF-8, with a number where another has it: a.jpg beside a.png becomes a-2."""
        name = utf8(name)
        found, number = name, 1
        while found in self._given:
            number += 1
            found = f"{name}-{number}"
        self._given.add(found)
        return found


class _VideoFile:
    """A video of the size of its first frame."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)

    @property
    def name(self) -> str:
        """Of the file."""
        return self._path.name

    def write(self, image_rgb: np.ndarray) -> None:
        """Append a frame."""
        if self._writer is None:
            self._size_wh = (image_rgb.shape[1], image_rgb.shape[0])
            if not is_utf8(self._path):
                raise ReplayError(f"{self._path}: expected a folder whose name is UTF-8.")
            code = cv2.VideoWriter_fourcc(*_VIDEO_CODEC)  # type: ignore[attr-defined]
            with stderr_without(_CODEC_NOISE):
                self._writer = cv2.VideoWriter(str(self._path), code, self._rate, self._size_wh)
            if not self._writer.isOpened():
                raise ReplayError(f"{self._path}: could not be opened to write a video.")
        if image_rgb.shape[1::-1] != self._size_wh:
            image_rgb = cv2.resize(image_rgb, self._size_wh)
        self._writer.write(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Finish the file. OpenCV reports no failed write, so the end of the file is checked.

        Raises:
            OSError: the file has no end.
        """
        if self._writer is None:
            return
        self._writer.release()
        frames, _ = expected_frames(self._path)
        if frames is None or cut_short(self._path):
            raise OSError(
                f"{self._path}: expected a whole video, found one without its end; is the disk full?"
            )


def name_of(source: Path, item: InputFrame, frame: Frame) -> str:
    """The file's own name for images; source, camera and number for videos and bags."""
    base, _, number = frame.name.rpartition("#")
    if not number.isdecimal():  # A file's own name ends with its suffix, even photo#2.jpg.
        return Path(frame.name).stem
    camera = f"-{item.camera.replace('/', '_')}" if item.camera else ""
    stem = source.name.split(".")[0] if item.topic != FILE_TOPIC else Path(base).stem
    return f"{stem}{camera}-{int(number):06d}"


def to_line(
    source: Path,
    item: InputFrame,
    frame: Frame,
    name: str,
    result: Result,
    labels: LabelSet,
    masks: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """One frame's result as a plain dict: boxes in source pixels, pixel shares, times.

    Shares are given of the background and of `masks`, the classes that the model was trained to
    mask (None for all), and null without any.
    """
    shown = (labels.names[0], *(labels.foreground if masks is None else masks))
    found, pixels = result.detections, result.segmentation.class_ids
    return {
        "source": str(source),
        "frame": frame.name,
        "camera": item.camera,
        "stamp_ns": frame.stamp_ns,
        "name": name,
        "size_hw": list(result.size_hw),
        "detections": detection_rows(found, labels),
        "pixel_share": {
            label: round(float((pixels == index).mean()), 5)
            for index, label in enumerate(labels.names)
            if label in shown
        }
        if len(shown) > 1
        else None,
        "network_ms": round(result.timing.network_ms, 3),
        "total_ms": round(result.timing.total_ms, 3),
    }


def detection_rows(found: Detections, labels: LabelSet) -> list[dict[str, Any]]:
    """Class, score and box (pixels) of each detection."""
    rows = zip(
        found.boxes_xyxy.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
    )
    return [
        {
            "class": labels.names[class_id],
            "score": round(score, 4),
            "box_xyxy": [round(v, 2) for v in box],
        }
        for box, score, class_id in rows
    ]


def count_classes(result: Result, labels: LabelSet) -> Counter[str]:
    """Objects of a frame by class name."""
    return Counter(labels.names[class_id] for class_id in result.detections.class_ids.tolist())
