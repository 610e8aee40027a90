"""Reading what is left of a bag that its regular reader refuses: cut short, without metadata, of a broken index."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from mcap.records import Channel, Chunk, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk

STORAGE_SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_LARGEST_RECORD = 1 << 30
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class RawMessage:
    """One message as it lies in a bag.

    Attributes:
        topic: its name.
        msgtype: such as "sensor_msgs/msg/Image".
        log_ns: when it was recorded.
        cdr: serialised.
    """

    topic: str
    msgtype: str
    log_ns: int
    cdr: bytes


class DamageError(Exception):
    """The file can't be read beyond this point."""


def storage_files(path: Path) -> list[Path]:
    """The storage files of a bag folder in recorded order, or the file itself."""
    if not path.is_dir():
        return [path]
    files = [item for item in path.iterdir() if item.name.endswith(STORAGE_SUFFIXES)]
    # rosbag2 numbers the parts of a split bag: bag_0, bag_1, ... bag_10.
    return sorted(files, key=lambda item: (len(item.name), item.name))


def salvage(path: Path) -> Iterator[RawMessage]:
    """The messages of a bag's storage files in order, as far as they can be read.

    Raises:
        DamageError: after the last readable message, where the damage is.
    """
    for file in storage_files(path):
        try:
            if file.suffix == ".zstd":
                yield from _decompressed(file)
            else:
                yield from _READERS[file.suffix](file)
        except DamageError:
            raise
        except Exception as error:  # A broken length or offset makes a reader raise anything.
            raise DamageError(f"{file.name}: {error or type(error).__name__}") from error


def _decompressed(file: Path) -> Iterator[RawMessage]:
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / file.stem
        damage = ""
        with file.open("rb") as source, plain.open("wb") as target:
            stream = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
            try:
                while block := stream.read(_COPY_BYTES):
                    target.write(block)
            except zstandard.ZstdError as error:
                damage = str(error)
        yield from _READERS[plain.suffix](plain)
        if damage:
            raise DamageError(f"{file.name}: {damage}")


def _mcap(file: Path) -> Iterator[RawMessage]:
    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    with file.open("rb") as stream:
        reader = StreamReader(
            stream, emit_chunks=True, validate_crcs=True, record_size_limit=_LARGEST_RECORD
        )
        for record in reader.records:
            chunk = isinstance(record, Chunk)
            records = breakup_chunk(record, validate_crc=True) if chunk else [record]
            messages = [item for item in records if _is_message(item, schemas, channels)]
            for item in sorted(messages, key=lambda message: message.log_time):
                topic, msgtype = channels[item.channel_id]
                yield RawMessage(topic, msgtype, item.log_time, _plain(item.data))


def _is_message(record: Any, schemas: dict[int, str], channels: dict[int, tuple[str, str]]) -> bool:
    """True for messages of a known channel; takes note of schemas and channels on the way."""
    if isinstance(record, Schema):
        schemas[record.id] = record.name
    elif isinstance(record, Channel):
        channels[record.id] = (record.topic, schemas.get(record.schema_id, ""))
    return isinstance(record, Message) and record.channel_id in channels


def _sqlite(file: Path) -> Iterator[RawMessage]:
    # immutable: a bag on a read-only disk, or one whose recorder died and left its journal behind.
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True)) as database:
        # SQLite refuses a file shorter than its header says, unless the schema is declared
        # writable.
        database.execute("PRAGMA writable_schema=ON")
        topics = {row[0]: row[1:] for row in database.execute("SELECT id, name, type FROM topics")}
        # In the order of the rows: an index may lie behind the end of the file.
        rows = database.execute(
            "SELECT topic_id, timestamp, data FROM messages NOT INDEXED ORDER BY rowid"
        )
        for topic_id, stamp, data in rows:
            topic, msgtype = topics[topic_id]
            yield RawMessage(topic, msgtype, stamp, _plain(data))


def _plain(data: bytes) -> bytes:
    """A message without rosbag2's compression; serialised messages never begin like a zstd frame."""
    if data[:4] == _ZSTD_MAGIC:
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


_READERS = {".mcap": _mcap, ".db3": _sqlite}
