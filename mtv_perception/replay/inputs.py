"""What a replay reads: the image messages of a bag, or the frames of a video or image folder.

One form for both.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mtv_perception.bags.files import is_bag, refuse_ros1, unpack_hint
from mtv_perception.errors import ImageError, ImageSizeError, ReplayError
from mtv_perception.media.containers import cut_short
from mtv_perception.media.decode import MAX_FILE_PIXELS
from mtv_perception.media.encodings import MAX_PIXELS
from mtv_perception.media.files import (
    IMAGE_SUFFIXES,
    UNREAD_SUFFIXES,
    UNREAD_VIDEO_SUFFIXES,
    VIDEO_SUFFIXES,
    convert_hint,
    expected_frames,
    image_files,
    lazy_files,
)
from mtv_perception.media.formats import is_image
from mtv_perception.media.frame import Frame
from mtv_perception.media.samples import promised_frames
from mtv_perception.media.structure import broken_inside
from mtv_perception.resources import STREAM, is_stream

if TYPE_CHECKING:  # Libraries for bags are optional: images and videos are read without.
    from mtv_perception.bags.reader import BagSource
    from mtv_perception.bags.storage import RawMessage

_KINDS = "an image, a folder of images, a video or a bag"
FILE_FRAME_ID = "camera"
FILE_TOPIC = "/image/compressed"
_UNREAD = (*UNREAD_SUFFIXES, *UNREAD_VIDEO_SUFFIXES)
_NAMED = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *_UNREAD, ".txt", ".json", ".xml")
"""Suffixes of files that say what they are; of others the content tells."""
_FOLDERS_SHOWN = 4  # in an error text, which should stay short


@dataclass(frozen=True)
class InputFrame:
    """One image, not yet decoded.

    Attributes:
        camera: name of its camera; "" for the only one.
        topic: where it comes from.
        msgtype: of the message in `cdr`; empty for files.
        log_ns: when it was recorded; the stamp, for files.
        decode: its pixels; ImageError when it is broken.
        stamp_ns: gives its stamp without decoding its pixels.
        cdr: the message as it lies in the bag; empty for files.
    """

    camera: str
    topic: str
    msgtype: str
    log_ns: int
    decode: Callable[[], Frame]
    stamp_ns: Callable[[], int]
    cdr: bytes = b""


class Input(Protocol):
    """An opened input."""

    @property
    def cameras(self) -> Mapping[str, str]:
        """Camera name by topic."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """What holds images and is not read, a sentence each."""

    @property
    def total(self) -> int | None:
        """Frames expected; None where that is unknown."""

    @property
    def damage(self) -> str:
        """What cut the input short; complete once the frames have ended."""

    @property
    def video_rate(self) -> float:
        """Frames a second of a video; 0 for everything else."""

    def frames(self) -> Iterator[InputFrame]:
        """The frames in order."""


class BagInput:
    """The image topics of an open bag.

    Args:
        bag: open.
        wanted: see `choose_cameras`.
        max_pixels: larger images are refused when they are decoded.
    """

    def __init__(
        self, bag: BagSource, wanted: Sequence[str] = (), max_pixels: int = MAX_PIXELS
    ) -> None:
        from mtv_perception.bags.topics import choose_cameras

        self._max_pixels = max_pixels
        self._bag, self._choice = bag, choose_cameras(bag, wanted)
        self.cameras: Mapping[str, str] = self._choice.by_name
        self.left_out = (
            *map(str, self._choice.left_out),
            *(f"{name}, a file of another bag: give it by itself" for name in bag.beside),
            *_images_beside(bag.path),
        )
        self.total: int | None = sum(bag.counts[topic] for topic in self._choice.cameras)
        self.video_rate = 0.0

    @property
    def damage(self) -> str:
        """What is wrong with the bag."""
        return self._bag.damage

    def frames(self) -> Iterator[InputFrame]:
        """The images of all cameras in recorded order."""
        from mtv_perception.bags.reader import decode_frame

        for index, message in enumerate(self._bag.messages(self._choice.cameras)):
            name = f"{message.topic}#{index}"
            decode = partial(decode_frame, self._bag, message, name, self._max_pixels)
            yield InputFrame(
                camera=self._choice.cameras[message.source],
                topic=message.topic,
                msgtype=message.msgtype,
                log_ns=message.log_ns,
                decode=decode,
                stamp_ns=partial(_header_stamp, self._bag, message),
                cdr=message.cdr,
            )


def _header_stamp(bag: BagSource, message: RawMessage) -> int:
    """The header's stamp; when the message was recorded, where it is broken."""
    from mtv_perception.bags.reader import message_stamp_ns

    try:
        return message_stamp_ns(bag.deserialize(message))
    except ImageError:
        return message.log_ns


class FileInput:
    """A video, an image folder or one image.

    Args:
        path: of it.
        rate: frames a second that stamps follow; 0 takes the video's own, or 10.
        max_pixels: larger images are refused when they are decoded.
    """

    def __init__(self, path: Path, rate: float = 0.0, max_pixels: int = MAX_FILE_PIXELS) -> None:
        self._path, self._rate, self._max_pixels = path, rate, max_pixels
        self.cameras: Mapping[str, str] = {FILE_TOPIC: ""}
        self.left_out = _other_files(path)
        self.total, self.video_rate = expected_frames(path)
        is_video = path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES
        self.damage = cut_short(path) or broken_inside(path) if is_video else ""
        streams = promised_frames(path) if is_video else ()
        self._promised = streams[0] if streams and not self.damage else 0
        self.left_out += _other_streams(path, len(streams))

    def frames(self) -> Iterator[InputFrame]:
        """The images in order."""
        count = 0
        for stamp_ns, decode in lazy_files(self._path, self._rate, self._max_pixels):
            yield InputFrame("", FILE_TOPIC, "", stamp_ns, decode, partial(int, stamp_ns))
            count += 1
        if count < self._promised:
            self.damage = (
                f"expected {self._promised} frames by its container, got {count}: the others can't be "
                "decoded"
            )


def _other_files(path: Path) -> tuple[str, ...]:
    """What else a folder holds that a user may miss: nothing of it is read."""
    if not path.is_dir():
        return ()
    found = sorted(item for item in path.iterdir() if not item.name.startswith("."))
    closed = [item for item in found if item.is_dir() and not os.access(item, os.R_OK | os.X_OK)]
    inside = [item for item in found if item not in closed]
    videos = sum(item.suffix.lower() in VIDEO_SUFFIXES for item in inside)
    bags = sum(item.is_dir() and is_bag(item) for item in inside)
    below = [item for item in inside if item.is_dir() and not is_bag(item)]
    folders = sorted({folder for item in below for folder in _image_folders(item)})
    streams = [item for item in inside if item.suffix.lower() in UNREAD_VIDEO_SUFFIXES]
    unread = sum(item.suffix.lower() in UNREAD_SUFFIXES for item in inside)
    misnamed = [item for item in inside if item.suffix.lower() not in _NAMED and _is_image(item)]
    return tuple(
        f"{count} {kind} in {path.name}: {hint}"
        for count, kind, hint in (
            (videos, "video(s)", "give them one by one"),
            (bags, "bag(s)", "give them one by one"),
            (len(folders), "folder(s) of images", _give(folders)),
            (len(closed), "folder(s) that can't be read", f"allow it for {_some(closed)}"),
            (len(misnamed), "picture(s) of another suffix", f"rename {_some(misnamed)}"),
            (len(streams), "video(s) of formats that are not read", f"convert {_some(streams)}"),
            (unread, "picture(s) of formats that are not read", "convert them to JPEG or PNG"),
        )
        if count
    )


def _is_image(path: Path) -> bool:
    """Whether a file holds an image, by its first bytes."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return is_image(file.read(16))
    except OSError:
        return False


def _other_streams(path: Path, count: int) -> tuple[str, ...]:
    """What a video holds beside its first stream, which alone is read."""
    if count < 2:
        return ()
    out = path.with_name(f"{path.stem}-stream-2{path.suffix}").name
    return (
        f"{count - 1} further video stream(s) in {path.name}: give each as a file of its own, as from "
        f"`ffmpeg -i {shlex.quote(path.name)} -map 0:v:1 -c copy {shlex.quote(out)}`",
    )


def _image_folders(folder: Path) -> set[Path]:
    """The folders with images in them: this one and any below it."""
    below = (item for item in folder.rglob("*") if item.suffix.lower() in IMAGE_SUFFIXES)
    return {item.parent for item in below if not item.name.startswith(".")}


def _some(folders: Sequence[Path]) -> str:
    return f"{', '.join(map(str, folders[:_FOLDERS_SHOWN]))}{', ...' if len(folders) > _FOLDERS_SHOWN else ''}"


def _give(folders: Sequence[Path]) -> str:
    """Which folders to give instead of the one above them."""
    return f"give {'them one by one: ' if len(folders) > 1 else ''}{_some(folders)}"


def _images_beside(path: Path) -> tuple[str, ...]:
    """Images and videos in the folder of a bag: the bag alone is read."""
    if not path.is_dir():
        return ()
    images = image_files(path)
    found = (f"{len(images)} image(s) in {path.name}, beside a bag: give them one by one",)
    return (*(found if images else ()), *_other_files(path))


@contextmanager
def open_input(
    path: Path, topics: Sequence[str] = (), rate: float = 0.0, max_pixels: int | None = None
) -> Iterator[Input]:
    """Open a bag, video, image folder or image.

    Args:
        path: of it.
        topics: of a bag; see `choose_cameras`.
        rate: of files; see `FileInput`.
        max_pixels: most pixels of an image; None is MAX_PIXELS for bags, MAX_FILE_PIXELS for files.

    Raises:
        ReplayError: nothing to read there, or not those topics.
    """
    check_readable(path)
    with ExitStack() as stack:
        with _explaining(path):
            if is_bag(path):
                from mtv_perception.bags.reader import BagSource

                bag = stack.enter_context(BagSource(path))
                opened: Input = BagInput(bag, topics, max_pixels or MAX_PIXELS)
            elif topics:
                raise ReplayError(
                    f"{path}: expected a bag to take topics {list(topics)!r} from, got no bag."
                )
            else:
                opened = FileInput(path, rate, max_pixels or MAX_FILE_PIXELS)
        if opened.total == 0 and not is_bag(path):
            there = "".join(f"; {item}" for item in opened.left_out)
            raise ReplayError(
                f"{path}: expected images ({', '.join(IMAGE_SUFFIXES)}), got none{there}."
            )
        yield opened


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Turn an error of the system into one of this input, so that the other inputs are read."""
    try:
        yield
    except OSError as error:
        raise ReplayError(
            f"{path}: expected {_KINDS}, can't read {error.filename or 'it'}: {error.strerror}."
        ) from error


def check_readable(path: Path) -> None:
    """Raise ReplayError where there is no bag, video, image folder or image.

    And say what there is.
    """
    with _explaining(path):
        if not path.exists():
            raise ReplayError(f"{path}: expected {_KINDS}, found nothing.")
        if is_stream(path):
            raise ReplayError(f"{path}: expected {_KINDS}, got {STREAM}.")
        if is_bag(path):
            return
        refuse_ros1(path)
    if not path.is_dir() and path.suffix.lower() not in IMAGE_SUFFIXES + VIDEO_SUFFIXES:
        hint = unpack_hint(path) or _use_hint(path)
        raise ReplayError(f"{path}: expected {_KINDS}, got a file of another kind{hint}.")


def _use_hint(path: Path) -> str:
    """How a file of another kind is read after all; "" where nothing is known."""
    suffix = path.suffix.lower()
    if suffix in UNREAD_VIDEO_SUFFIXES:
        return f"; {convert_hint(path)}"
    if suffix in UNREAD_SUFFIXES:
        return "; convert it to JPEG or PNG"
    suffixes = ", ".join(IMAGE_SUFFIXES)
    return f"; it holds an image: name it by its kind ({suffixes})" if _is_image(path) else ""


def read_frames(path: Path, rate: float = 0.0) -> Iterator[Frame]:
    """The frames of a file, folder or bag in order, decoded.

    Raises:
        ReplayError: nothing there to read, or damage (after the last frame before it).
        ImageError: an image that can't be decoded.
    """
    with open_input(path, (), rate) as opened:
        for frame in opened.frames():
            yield frame.decode()
        if opened.damage:
            raise ReplayError(f"{path}: damaged, a part is missing: {opened.damage}")


def explained(error: ImageError) -> str:
    """What is wrong with a frame; for one that is too large, with the option that takes it."""
    option = " --max-pixels raises the limit." if isinstance(error, ImageSizeError) else ""
    return f"{error}{option}"


def left_out_lines(left_out: Sequence[str]) -> list[str]:
    """What was not read, a line each, and how to read it."""
    lines = [f"  left out: {item}" for item in left_out]
    return [*lines, "  (--topics chooses)"] if any(item[0] == "/" for item in left_out) else lines


def exit_status(frames: int, failures: bool) -> int:
    """Of every command that takes frames.

    2 for no frame at all, 1 for some failures, 0 for all done.
    """
    return 2 if not frames else int(failures)


def timed_decode(frame: InputFrame) -> tuple[Frame, float]:
    """The decoded image and the milliseconds that took."""
    begun = time.perf_counter()
    return frame.decode(), (time.perf_counter() - begun) * 1e3
