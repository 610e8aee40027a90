"""Reading rosbag2 bags without ROS: whole ones by their index, damaged ones as far as they go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection

from mtv_perception.bags.salvage import DamageError, RawMessage, salvage, storage_files
from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.media.decode import decode_compressed
from mtv_perception.media.encodings import decode_raw
from mtv_perception.media.frame import Frame
from mtv_perception.messages.typestore import typestore
from mtv_perception.types import NANOSECONDS

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (RAW, COMPRESSED)


def message_to_rgb(message: Any, msgtype: str) -> np.ndarray:
    """The pixels of a bag's image message, `(H, W, 3)` uint8 RGB; ImageError when they are broken."""
    if msgtype == COMPRESSED:
        return decode_compressed(message.data, form=message.format)
    return decode_raw(
        message.data,
        message.height,
        message.width,
        message.step,
        message.encoding,
        bool(message.is_bigendian),
    )


def message_stamp_ns(message: Any) -> int:
    """The header's stamp in nanoseconds."""
    return int(message.header.stamp.sec) * NANOSECONDS + int(message.header.stamp.nanosec)


def open_bag(path: Path) -> AnyReader:
    """A reader for a whole bag folder or storage file (to be used as a context manager)."""
    return AnyReader([path], default_typestore=typestore())


def image_connections(reader: AnyReader, path: Path, topic: str | None) -> list[Connection]:
    """The bag's image topics, or the one named.

    Raises:
        ReplayError: there is none, or not that one.
    """
    found = [c for c in reader.connections if c.msgtype in IMAGE_TYPES]
    chosen = [c for c in found if topic in (None, c.topic)]
    if not chosen:
        known = ", ".join(sorted({c.topic for c in found})) or "no image topic"
        raise ReplayError(
            f"{path}: expected image topic {topic or 'of any name'}, the bag has {known}."
        )
    return chosen


class BagSource:
    """A bag, whole or damaged; use as a context manager.

    Attributes:
        topics: message type by topic name.
        counts: messages by topic name, as far as known before reading.
        damage: what is wrong with the bag; empty while nothing was found. Complete when `messages`
            has ended.

    Args:
        path: bag folder (with or without metadata) or storage file, compressed or not.

    Raises:
        ReplayError: no bag, or nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.topics: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.damage = ""
        self._reader: AnyReader | None = None

    def __enter__(self) -> BagSource:
        try:
            reader = open_bag(self.path)
            reader.open()
        except (
            Exception
        ) as error:  # Readers of broken bags raise anything; what can be saved decides.
            self._open_damaged(f"{error or type(error).__name__}")
            return self
        self._reader = reader
        for connection in reader.connections:
            self.topics[connection.topic] = connection.msgtype
            self.counts[connection.topic] += connection.msgcount
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open_damaged(self, why: str) -> None:
        if not self.path.exists() or not storage_files(self.path):
            raise ReplayError(f"{self.path}: expected a rosbag2 bag, found none.")
        try:
            for message in salvage(self.path):
                self.topics[message.topic] = message.msgtype
                self.counts[message.topic] += 1
        except DamageError:
            pass
        if not self.topics:
            raise ReplayError(f"{self.path}: expected a rosbag2 bag, could not read it: {why}")
        self.damage = why

    def messages(self, topics: Collection[str]) -> Iterator[RawMessage]:
        """The messages of some topics in recorded order, up to the damage if there is any."""
        read = 0
        try:
            for message in self._whole(topics) if self._reader else self._damaged(topics):
                yield message
                read += 1
        except DamageError as error:
            self.damage = str(error)
        expected = sum(self.counts[topic] for topic in topics)
        if not self.damage and read < expected:
            self.damage = f"expected {expected} messages by the bag's own count, found {read}"

    def _whole(self, topics: Collection[str]) -> Iterator[RawMessage]:
        assert self._reader is not None
        connections = [item for item in self._reader.connections if item.topic in topics]
        if not connections:
            return
        stream = self._reader.messages(connections=connections)
        while True:
            try:
                connection, log_ns, cdr = next(stream)
            except StopIteration:
                return
            except Exception as error:  # A broken chunk makes its reader raise anything.
                raise DamageError(f"{error or type(error).__name__}") from error
            yield RawMessage(connection.topic, connection.msgtype, log_ns, cdr)

    def _damaged(self, topics: Collection[str]) -> Iterator[RawMessage]:
        for message in salvage(self.path):
            if message.topic in topics:
                yield message

    def deserialize(self, message: RawMessage) -> Any:
        """The fields of a message; ImageError when its bytes are not what its type says."""
        try:
            if self._reader is not None:
                return self._reader.deserialize(message.cdr, message.msgtype)
            return typestore().deserialize_cdr(message.cdr, message.msgtype)
        except Exception as error:  # As above: a broken length makes the decoder raise anything.
            raise ImageError(
                f"Expected a {message.msgtype}, could not decode {len(message.cdr)} bytes: {error}"
            ) from error


def decode_frame(bag: BagSource, message: RawMessage, name: str) -> Frame:
    """The image in a message; ImageError when it is broken."""
    decoded = bag.deserialize(message)
    return Frame(
        message_to_rgb(decoded, message.msgtype),
        message_stamp_ns(decoded),
        decoded.header.frame_id,
        name,
    )


def lazy_bag_frames(
    path: Path, topic: str | None = None
) -> Iterator[tuple[int, Callable[[], Frame]]]:
    """The images of a bag in recorded order: stamp, and what decodes the pixels (ImageError when they are broken).

    Args:
        path: bag folder or storage file.
        topic: which image topic; by default the first.

    Raises:
        ReplayError: no bag, not that topic, or damage (after the last image before it).
    """
    with BagSource(path) as bag:
        found = [name for name, msgtype in bag.topics.items() if msgtype in IMAGE_TYPES]
        chosen = next((name for name in found if topic in (None, name)), None)
        if chosen is None:
            known = ", ".join(sorted(found)) or "no image topic"
            raise ReplayError(
                f"{path}: expected image topic {topic or 'of any name'}, the bag has {known}."
            )
        for index, message in enumerate(bag.messages([chosen])):
            try:
                stamp_ns = message_stamp_ns(bag.deserialize(message))
            except ImageError:  # Said again by whoever decodes it.
                stamp_ns = message.log_ns
            yield stamp_ns, partial(decode_frame, bag, message, f"{chosen}#{index}")
        if bag.damage:
            raise ReplayError(f"{path}: damaged, ends early: {bag.damage}")


def bag_frames(path: Path, topic: str | None = None) -> Iterator[Frame]:
    """As `lazy_bag_frames`, decoded; ends with ImageError at a broken image."""
    for _, decode in lazy_bag_frames(path, topic):
        yield decode()


__all__ = [
    "AnyReader",
    "AnyReaderError",
    "BagSource",
    "RawMessage",
    "bag_frames",
    "lazy_bag_frames",
    "open_bag",
]
