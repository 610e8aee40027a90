"""What a replay reads: the image messages of a bag, or the frames of a video or image folder, one form for both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from mtv_perception.bags.reader import BagSource, decode_frame
from mtv_perception.bags.topics import choose_cameras
from mtv_perception.errors import ReplayError
from mtv_perception.media.frame import Frame
from mtv_perception.media.frames import count_frames, is_bag, lazy_frames

FILE_FRAME_ID = "camera"
FILE_TOPIC = "/image/compressed"


@dataclass(frozen=True)
class InputFrame:
    """One image, not yet decoded.

    Attributes:
        camera: name of its camera; "" for the only one.
        topic: where it comes from.
        msgtype: of the message in `cdr`; empty for files.
        log_ns: when it was recorded; the stamp, for files.
        decode: its pixels; ImageError when it is broken.
        cdr: the message as it lies in the bag; empty for files.
    """

    camera: str
    topic: str
    msgtype: str
    log_ns: int
    decode: Callable[[], Frame]
    cdr: bytes = b""


class Input(Protocol):
    """An opened input."""

    @property
    def cameras(self) -> Mapping[str, str]:
        """Camera name by topic."""

    @property
    def total(self) -> int | None:
        """Frames expected; None where that is unknown."""

    @property
    def damage(self) -> str:
        """What cut the input short; complete once the frames have ended."""

    def frames(self) -> Iterator[InputFrame]:
        """The frames in order."""


class BagInput:
    """The image topics of an open bag.

    Args:
        bag: open.
        wanted: see `choose_cameras`.
    """

    def __init__(self, bag: BagSource, wanted: Sequence[str] = ()) -> None:
        self._bag = bag
        self.cameras: Mapping[str, str] = choose_cameras(bag.topics, wanted, str(bag.path))
        self.total: int | None = sum(bag.counts[topic] for topic in self.cameras)

    @property
    def damage(self) -> str:
        """What is wrong with the bag."""
        return self._bag.damage

    def frames(self) -> Iterator[InputFrame]:
        """The images of all cameras in recorded order."""
        for index, message in enumerate(self._bag.messages(self.cameras)):
            yield InputFrame(
                camera=self.cameras[message.topic],
                topic=message.topic,
                msgtype=message.msgtype,
                log_ns=message.log_ns,
                decode=partial(decode_frame, self._bag, message, f"{message.topic}#{index}"),
                cdr=message.cdr,
            )


class FileInput:
    """A video, an image folder or one image.

    Args:
        path: of it.
        rate: frames a second that stamps follow; 0 takes the video's own, or 10.
    """

    def __init__(self, path: Path, rate: float = 0.0) -> None:
        self._path, self._rate = path, rate
        self.cameras: Mapping[str, str] = {FILE_TOPIC: ""}
        self.total = count_frames(path)
        self.damage = ""

    def frames(self) -> Iterator[InputFrame]:
        """The images in order."""
        read = 0
        for stamp_ns, decode in lazy_frames(self._path, self._rate):
            yield InputFrame("", FILE_TOPIC, "", stamp_ns, decode)
            read += 1
        if self.total and read < self.total:
            self.damage = f"expected {self.total} frames by the file's own count, found {read}"


@contextmanager
def open_input(path: Path, topics: Sequence[str] = (), rate: float = 0.0) -> Iterator[Input]:
    """Open a bag, video, image folder or image.

    Raises:
        ReplayError: nothing to read there, or not those topics.
    """
    if path.exists() and is_bag(path):
        with BagSource(path) as bag:
            yield BagInput(bag, topics)
        return
    if topics:
        raise ReplayError(
            f"{path}: expected a bag to take topics {list(topics)!r} from, got no bag."
        )
    if not path.exists():
        raise ReplayError(f"{path}: expected an image, a folder, a video or a bag, found nothing.")
    yield FileInput(path, rate)


def timed_decode(frame: InputFrame) -> tuple[Frame, float]:
    """The decoded image and the milliseconds that took."""
    begun = time.perf_counter()
    return frame.decode(), (time.perf_counter() - begun) * 1e3
