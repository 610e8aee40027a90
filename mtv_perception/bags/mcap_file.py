"""An mcap file: by its index where it has one, else from its beginning as far as it goes."""

from __future__ import annotations

import heapq
import io
import struct
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile, RecordLengthLimitExceeded
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, ChunkIndex, Message, Schema
from mcap.stream_reader import MAGIC_SIZE, StreamReader, breakup_chunk
from mcap.summary import Summary

from mtv_perception.bags.decompress import plain, unlz4, unzstd
from mtv_perception.bags.storage import (
    DamageError,
    Definition,
    RawMessage,
    Topic,
    behind_its_end,
    reason_of,
)

_LARGEST_RECORD = 1 << 30
_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {"": bytes, "zstd": unzstd, "lz4": unlz4}
# MCAP's specification: the head of a record, and the last one, before the closing magic.
_RECORD, _FOOTER = struct.Struct("<BQ"), struct.Struct("<BQQQI")
_ROS2 = ("ros2msg", "ros2idl")
_WAITING_BYTES = 256 << 20
"""Chunks that overlap in time wait side by side; beyond this the order is given up."""


@dataclass
class _Channels:
    """Topics by channel, filled in while records go by."""

    topics: dict[int, Topic]
    schemas: dict[int, Schema]

    def note(self, record: Any) -> None:
        """Take note of a schema or channel."""
        if isinstance(record, Schema):
            self.schemas[record.id] = record
        elif isinstance(record, Channel):
            schema = self.schemas.get(record.schema_id)
            self.topics[record.id] = Topic(
                record.topic, _type_of(schema) if schema else "", record.message_encoding
            )


def _type_of(schema: Schema) -> str:
    """A type's name in full: some writers leave out "msg", or write it as DDS does."""
    name = schema.name
    if schema.encoding not in _ROS2:
        return name
    name = name.replace("::dds_::", "::").replace("::", "/").rstrip("_")
    return name if name.count("/") != 1 else name.replace("/", "/msg/")


class McapFile:
    """One mcap file, open; see `Storage`.

    Raises:
        DamageError: nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.damage = path, ""
        self._stream: BinaryIO = path.open("rb")
        self._size = path.stat().st_size
        self._limit = min(_LARGEST_RECORD, max(1024, self._size))
        self._channels = _Channels({}, {})
        self._unlisted = 0
        self.counts: dict[Topic, int] = {}
        self._firsts: dict[Topic, RawMessage] = {}
        self._index: list[ChunkIndex] | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        try:
            summary = self._summary()
        except Exception as error:  # A broken length makes the parser raise anything.
            summary, self.damage = None, self._said(error)
        if summary is None:
            self._scan()
            return
        for record in (*summary.schemas.values(), *summary.channels.values()):
            self._channels.note(record)
        counts = summary.statistics.channel_message_counts if summary.statistics else {}
        self._index = sorted(summary.chunk_indexes, key=lambda index: index.message_start_time)
        self._count(Counter(counts))

    def _summary(self) -> Summary | None:
        """The index; None where the file must be read from its beginning."""
        reader = SeekingReader(self._stream, record_size_limit=self._limit)
        summary = reader.get_summary()
        if summary is not None:
            self._check_alone()
        if summary is None or summary.statistics is None:
            return None
        # A writer need not count each channel's messages, nor list every chunk.
        found, counts = summary.statistics, summary.statistics.channel_message_counts
        if bool(found.message_count) != bool(summary.chunk_indexes):
            return None
        if sum(counts.values()) != found.message_count:
            return None
        if len(summary.chunk_indexes) != found.chunk_count:
            return None
        # An index may leave out channels, which then stand among the messages alone.
        is_whole = counts.keys() <= summary.channels.keys()
        schemas = {channel.schema_id for channel in summary.channels.values()} - {0}
        return summary if is_whole and schemas <= summary.schemas.keys() else None

    def _check_alone(self) -> None:
        """Raise DamageError where the index is of another recording, appended to this one."""
        self._stream.seek(self._size - _FOOTER.size - MAGIC_SIZE)
        at, *_ = _FOOTER.unpack(self._stream.read(_FOOTER.size))[2:]
        opcode = None
        while opcode != Opcode.FOOTER and at + _RECORD.size <= self._size:
            self._stream.seek(at)
            opcode, length = _RECORD.unpack(self._stream.read(_RECORD.size))
            at += _RECORD.size + length
        self._check_end(at + MAGIC_SIZE)

    def _check_end(self, end: int) -> None:
        if end < self._size:
            raise DamageError(behind_its_end(end, self._size))

    def _count(self, counts: Counter[int]) -> None:
        total: Counter[Topic] = Counter()
        for channel, topic in self._channels.topics.items():
            total[topic] += counts[channel]
        self.counts = dict(total)

    def _scan(self) -> None:
        """Count by reading everything; the first message of each topic is kept."""
        counts: Counter[Topic] = Counter()
        try:
            for message in self._streamed(None):
                counts[message.source] += 1
                self._firsts.setdefault(message.source, message)
        except DamageError as error:
            self.damage = str(error)
        if self._unlisted and not self.damage:
            self.damage = (
                f"{self._path.name}: {self._unlisted} messages of topics that it does not list"
            )
        self.counts = {**dict.fromkeys(self._channels.topics.values(), 0), **counts}
        if not self.counts and self.damage:
            raise DamageError(self.damage)

    @property
    def definitions(self) -> dict[str, Definition]:
        """Message definitions by type."""
        return {
            _type_of(schema): Definition(schema.encoding, schema.data.decode("utf-8", "replace"))
            for schema in self._channels.schemas.values()
        }

    def first(self, topic: Topic) -> RawMessage | None:
        """The first message of a topic."""
        if self._index is None:
            return self._firsts.get(topic)
        try:
            return next(iter(self.messages([topic])), None)
        except DamageError:
            return None

    def messages(self, topics: Collection[Topic]) -> Iterator[RawMessage]:
        """The messages of some topics, in the order of their times where there is an index."""
        wanted = set(topics)
        return self._streamed(wanted) if self._index is None else self._indexed(wanted)

    def _streamed(self, wanted: set[Topic] | None) -> Iterator[RawMessage]:
        with self._path.open("rb") as stream:
            reader = StreamReader(
                stream, emit_chunks=True, validate_crcs=True, record_size_limit=self._limit
            )
            records = iter(reader.records)
            while True:
                try:
                    record = next(records)
                    inside = _broken_up(record) if isinstance(record, Chunk) else [record]
                except StopIteration:
                    break
                except Exception as error:
                    raise DamageError(self._said(error)) from error
                found = list(self._chosen(inside, wanted))
                yield from sorted(found, key=lambda message: message.log_ns)
            try:
                self._check_end(stream.tell())
            except DamageError as error:
                raise DamageError(self._said(error)) from error

    def _chosen(self, records: list[Any], wanted: set[Topic] | None) -> Iterator[RawMessage]:
        for record in records:
            if not isinstance(record, Message):
                self._channels.note(record)
                continue
            topic = self._channels.topics.get(record.channel_id)
            self._unlisted += topic is None
            if topic is not None and (wanted is None or topic in wanted):
                yield RawMessage(topic, record.log_time, self._content(record.data))

    def _content(self, data: bytes) -> bytes:
        try:
            return plain(data)
        except DamageError as error:
            raise DamageError(self._said(error)) from error

    def _indexed(self, wanted: set[Topic]) -> Iterator[RawMessage]:
        ids = {channel for channel, topic in self._channels.topics.items() if topic in wanted}
        waiting: list[tuple[int, int, RawMessage]] = []
        size = number = 0
        for index in self._index or ():
            if index.message_index_offsets and not ids & set(index.message_index_offsets):
                continue
            while waiting and (waiting[0][0] < index.message_start_time or size > _WAITING_BYTES):
                size -= len(waiting[0][2].cdr)
                yield heapq.heappop(waiting)[2]
            try:
                found = list(self._chosen(self._chunk(index), wanted))
            except DamageError:
                yield from (message for _, _, message in sorted(waiting, key=lambda item: item[:2]))
                raise
            for message in found:
                number, size = number + 1, size + len(message.cdr)
                heapq.heappush(waiting, (message.log_ns, number, message))
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _chunk(self, index: ChunkIndex) -> list[Any]:
        try:
            self._stream.seek(index.chunk_start_offset, io.SEEK_SET)
            opcode, length = struct.unpack("<BQ", self._stream.read(9))
            if opcode != Opcode.CHUNK or length > self._limit:
                raise DamageError(f"no chunk at {index.chunk_start_offset}, where its index says")
            content = self._stream.read(length)
            return _broken_up(Chunk.read(ReadDataStream(io.BytesIO(content))))
        except Exception as error:
            raise DamageError(self._said(error)) from error

    def _said(self, error: BaseException) -> str:
        cut = isinstance(error, (EndOfFile, RecordLengthLimitExceeded, struct.error))
        return f"{self._path.name}: {'cut short, its end is missing' if cut else reason_of(error)}"

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _broken_up(chunk: Chunk) -> list[Any]:
    if chunk.compression not in _DECOMPRESS:
        raise DamageError(
            f"chunk of unknown compression {chunk.compression!r}, expected zstd, lz4 or none; where a "
            "tool reads it, write it again with one of these"
        )
    chunk.data = _DECOMPRESS[chunk.compression](chunk.data)
    chunk.compression = ""
    return breakup_chunk(chunk, validate_crc=True)
