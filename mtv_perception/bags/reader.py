"""Reading rosbag2 bags without ROS: whole ones by their index, damaged ones as far as they go."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from mtv_perception.bags.decompress import unpack_file
from mtv_perception.bags.files import ACTIVE, ZSTD, BagFiles, find_files, storage_kind
from mtv_perception.bags.mcap_file import McapFile
from mtv_perception.bags.sqlite_file import SqliteFile
from mtv_perception.bags.storage import (
    DamageError,
    Definition,
    RawMessage,
    Storage,
    Topic,
    reason_of,
)
from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.media.decode import decode_compressed
from mtv_perception.media.encodings import MAX_PIXELS, decode_raw
from mtv_perception.media.frame import Frame
from mtv_perception.messages.typestore import typestore
from mtv_perception.resources import pointer_hint
from mtv_perception.types import NANOSECONDS

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (RAW, COMPRESSED)
KILLED = "no metadata.yaml: its recorder was killed or is still running"

_OPENERS: dict[str, Callable[[Path], Storage]] = {".mcap": McapFile, ".db3": SqliteFile}
_UNCHANGED = ("builtin_interfaces/", "std_msgs/", "sensor_msgs/")
_PARSERS = {"ros2msg": get_types_from_msg, "ros2idl": lambda text, _: get_types_from_idl(text)}


def message_to_rgb(message: Any, msgtype: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The pixels of a bag's image message, `(H, W, 3)` uint8 RGB.

    ImageError when they are broken, or more than `max_pixels`.
    """
    if msgtype == COMPRESSED:
        form = str(getattr(message, "format", ""))
        return decode_compressed(message.data, max_pixels=max_pixels, form=form)
    return decode_raw(
        message.data,
        message.height,
        message.width,
        message.step,
        message.encoding,
        bool(message.is_bigendian),
        max_pixels,
    )


def message_stamp_ns(message: Any) -> int:
    """The header's stamp in nanoseconds."""
    return int(message.header.stamp.sec) * NANOSECONDS + int(message.header.stamp.nanosec)


class BagSource:
    """A bag, whole or damaged; use as a context manager.

    Attributes:
        path: of it.
        counts: messages by topic, as far as known before reading. A name may be there several
            times, each with another type.
        damage: what is wrong with the bag; empty while nothing was found. Complete when `messages`
            has ended.
        beside: names of storage files in its folder that are of other bags and are not read.

    Args:
        path: bag folder (with or without metadata) or storage file, compressed or not.

    Raises:
        ReplayError: no bag, or nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: dict[Topic, int] = {}
        self.damage = ""
        self.beside: tuple[str, ...] = ()
        self._storages: list[Storage] = []
        self._definitions: dict[str, Definition] = {}
        self._stores: dict[str, Typestore | None] = {}
        self._unpacked: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> BagSource:
        try:
            self._open(find_files(self.path))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        for storage in self._storages:
            storage.close()
        self._storages = []
        if self._unpacked is not None:
            self._unpacked.cleanup()
            self._unpacked = None

    def _open(self, found: BagFiles) -> None:
        reasons = [found.damage] if found.damage else []
        self.beside = tuple(item.name for item in found.beside)
        for file in found.files:
            try:
                storage, damage = self._opened(file)
            except DamageError as error:
                reasons.append(str(error))
                continue
            except OSError as error:
                reasons.append(f"{file.name}: can't be read: {error.strerror}")
                continue
            self._storages.append(storage)
            reasons += [item for item in (damage, storage.damage) if item]
            for topic, count in storage.counts.items():
                self.counts[topic] = self.counts.get(topic, 0) + count
            self._definitions |= storage.definitions
        if not self._storages:
            why = "; ".join(reasons) or "its files are empty"
            raise ReplayError(f"{self.path}: expected a rosbag2 bag, could not read it: {why}")
        if not found.is_finished and (reasons or not self._says_complete(found)):
            reasons.insert(0, KILLED)
        self.damage = "; ".join(reasons)

    def _says_complete(self, found: BagFiles) -> bool:
        """Whether files tell by themselves that they are complete: mcap has an end."""
        closed = not any(file.name.lower().endswith(ACTIVE) for file in found.files)
        return closed and all(isinstance(storage, McapFile) for storage in self._storages)

    def _opened(self, file: Path) -> tuple[Storage, str]:
        """A storage file, and what is wrong with its compression."""
        if hint := pointer_hint(file):
            raise DamageError(f"{file.name}{hint}")
        damage, plain, kind = "", file, storage_kind(file)
        if kind == ZSTD:
            if self._unpacked is None:
                self._unpacked = tempfile.TemporaryDirectory()
            plain = Path(tempfile.mkdtemp(dir=self._unpacked.name)) / file.name
            try:
                damage = unpack_file(file, plain)
            except OSError as error:
                raise DamageError(
                    f"{file.name}: it is unpacked to {tempfile.gettempdir()} to be read: "
                    f"{error.strerror}; set TMPDIR to a larger disk"
                ) from error
            kind = storage_kind(plain)
        opener = _OPENERS.get(kind)
        if opener is None:
            raise DamageError(f"{file.name}: compressed twice; unpack it first")
        return opener(plain), f"{file.name}: {damage}" if damage else ""

    def of_type(self, *msgtypes: str) -> dict[str, Topic]:
        """The topics of some types by name, in the order of the bag."""
        return {topic.name: topic for topic in self.counts if topic.msgtype in msgtypes}

    def named(self, names: Collection[str], *msgtypes: str) -> list[Topic]:
        """The topics of some names; of these types where any are given."""
        return [
            topic
            for topic in self.counts
            if topic.name in names and (not msgtypes or topic.msgtype in msgtypes)
        ]

    def first(self, topic: Topic) -> RawMessage | None:
        """The first message of a topic; None where there is none that can be read."""
        found = (storage.first(topic) for storage in self._storages if storage.counts.get(topic))
        return next((message for message in found if message is not None), None)

    def messages(self, topics: Collection[Topic]) -> Iterator[RawMessage]:
        """The messages of some topics in recorded order; of each file up to its damage."""
        read, reasons = 0, []
        for storage in self._storages:
            try:
                for message in storage.messages(topics):
                    yield message
                    read += 1
            except DamageError as error:
                reasons.append(str(error))
        expected = sum(self.counts.get(topic, 0) for topic in set(topics))
        if not reasons and read < expected:
            reasons = [f"expected {expected} messages by the bag's own count, found {read}"]
        for reason in reasons:
            if reason not in self.damage:
                self.damage = f"{self.damage}; {reason}" if self.damage else reason

    def deserialize(self, message: RawMessage) -> Any:
        """The fields of a message; ImageError when its bytes are not what its type says."""
        store = self._store(message.msgtype)
        try:
            return store.deserialize_cdr(message.cdr, message.msgtype)
        except Exception as error:  # A broken length makes the decoder raise anything.
            ours = self._stores[message.msgtype] is None
            hint = " (the bag does not define this type: taken as today's ROS 2 defines it)"
            raise ImageError(
                f"Expected a {message.msgtype}, could not decode {len(message.cdr)} bytes: "
                f"{reason_of(error)}{hint if ours else ''}"
            ) from error

    def _store(self, msgtype: str) -> Typestore:
        """The types as the bag defines them, which may be older than ours.

        Ours where it does not.
        """
        if msgtype not in self._stores:
            self._stores[msgtype] = _store_of(msgtype, self._definitions.get(msgtype))
        return self._stores[msgtype] or typestore()


def _store_of(msgtype: str, definition: Definition | None) -> Typestore | None:
    parse = _PARSERS.get(definition.language) if definition else None
    if definition is None or parse is None or not definition.text.strip():
        return None
    try:
        store = get_typestore(Stores.EMPTY)
        store.register(parse(definition.text, msgtype))  # type: ignore[no-untyped-call]
        store.generate_msgdef(msgtype, ros_version=2)  # Everything it refers to is there.
    except Exception:  # A foreign dialect: what we know of the type decides.
        return None
    return store if _has_our_fields(store) else None


def _has_our_fields(store: Typestore) -> bool:
    """Whether types that never changed have all their fields: a damaged definition may lack some."""
    ours = typestore().fielddefs
    return all(
        _field_names(ours[name]) <= _field_names(store.fielddefs[name])
        for name in store.fielddefs.keys() & ours.keys()
        if name.startswith(_UNCHANGED)
    )


def _field_names(definition: Any) -> set[str]:
    _, fields = definition
    return {name for name, _ in fields}


def decode_frame(
    bag: BagSource, message: RawMessage, name: str, max_pixels: int = MAX_PIXELS
) -> Frame:
    """The image in a message.

    Raises:
        ImageError: it is broken or too large; the text begins with `name`.
    """
    try:
        decoded = bag.deserialize(message)
        image_rgb = message_to_rgb(decoded, message.msgtype, max_pixels)
    except ImageError as error:
        raise type(error)(f"{name}: {error}") from error
    return Frame(image_rgb, message_stamp_ns(decoded), decoded.header.frame_id, name)


__all__ = ["BagSource", "DamageError", "RawMessage", "Topic", "decode_frame"]
