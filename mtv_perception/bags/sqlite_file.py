"""An sqlite3 storage file, with the journal that a killed recorder leaves beside it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from errno import ENOSPC
from pathlib import Path

from mtv_perception.bags.decompress import plain
from mtv_perception.bags.storage import (
    DamageError,
    Definition,
    RawMessage,
    Topic,
    behind_its_end,
    reason_of,
)

_TABLES = {"topics", "messages", "message_definitions"}
_WAL = "-wal"
_JOURNALS = (_WAL, "-journal")
"""What is not in the file yet, and what takes back a half-written transaction."""
# SQLite's file format, sections 3 and 4.1. SQLite ends a transaction by overwriting that magic.
_MAGIC = b"SQLite format 3\0"
_JOURNAL_MAGIC, _WAL_HEAD_BYTES = bytes.fromhex("d9d505f920a163d7"), 32
_BY_TIME = "SELECT topic_id, timestamp, data FROM messages WHERE {} ORDER BY timestamp, id"
# An index may lie behind the end of a damaged file.
_BY_ROW = "SELECT topic_id, timestamp, data FROM messages NOT INDEXED WHERE {} ORDER BY rowid"


def _holds_pages(journal: Path) -> bool:
    """Whether a journal changes what the file says; one of a finished transaction may stay there."""
    with journal.open("rb") as file:
        head = file.read(_WAL_HEAD_BYTES + 1)
    if journal.name.endswith(_WAL):
        return len(head) > _WAL_HEAD_BYTES
    return head.startswith(_JOURNAL_MAGIC)


def _stamp(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"expected nanoseconds from 0 as a stamp, got {str(value)[:60]!r}")
    return value


def _content(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError(f"expected bytes as a message, got {str(value)[:60]!r}")
    return value


class SqliteFile:
    """One sqlite3 file, open; see `Storage`.

    Raises:
        DamageError: nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.damage = path, ""
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self.counts: dict[Topic, int] = {}
        self.definitions: dict[str, Definition] = {}
        self._topics: dict[int, Topic] = {}
        self._ordered = True
        self._database = sqlite3.connect(self._address(), uri=True, check_same_thread=False)
        try:
            self._open()
        except (sqlite3.Error, ValueError, TypeError) as error:
            self.close()
            raise DamageError(self._said(error)) from error

    def _address(self) -> str:
        """With a journal a copy is opened: SQLite would write into the user's bag."""
        beside = [self._path.with_name(self._path.name + ending) for ending in _JOURNALS]
        journals = [item for item in beside if item.is_file() and _holds_pages(item)]
        if not journals:
            # immutable: also a bag on a disk that can't be written.
            return f"{self._path.resolve().as_uri()}?immutable=1"
        return self._copied([self._path, *journals]).as_uri()

    def _copied(self, files: Sequence[Path]) -> Path:
        """A copy of the first of some files, the others beside it."""
        needed, folder = sum(file.stat().st_size for file in files), Path(tempfile.gettempdir())
        try:
            if needed > (free := shutil.disk_usage(folder).free):
                raise OSError(ENOSPC, f"it has {free / 1e6:.0f} MB free")
            self._copy = tempfile.TemporaryDirectory()
            for file in files:
                shutil.copyfile(file, Path(self._copy.name) / file.name)
        except OSError as error:
            if self._copy is not None:
                self._copy.cleanup()
            raise DamageError(
                f"{files[0].name}: {files[1].name} belongs to it, and both are copied to {folder} "
                f"to be read, {needed / 1e6:.0f} MB: {error.strerror}; set TMPDIR to a larger disk"
            ) from error
        return Path(self._copy.name) / files[0].name

    def _open(self) -> None:
        # SQLite refuses a file shorter than its header says, unless the schema is declared
        # writable.
        self._database.execute("PRAGMA writable_schema=ON")
        # A view is a program, which may never end.
        views = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'view'")
        if wrong := sorted(_TABLES & {str(row[0]).lower() for row in views}):
            raise ValueError(f"expected a table {wrong[0]}, found a view; record the bag again")
        rows = self._database.execute("SELECT id, name, type, serialization_format FROM topics")
        self._topics = {row[0]: Topic(*(str(value) for value in row[1:])) for row in rows}
        self._read_definitions()
        counts: Counter[int] = Counter()
        try:
            counts.update(
                dict(
                    self._database.execute(
                        "SELECT topic_id, COUNT(*) FROM messages NOT INDEXED GROUP BY topic_id"
                    )
                )
            )
        except sqlite3.Error as error:
            self.damage, self._ordered = self._said(error), False
            counts = self._counted_by_rows()
        total: Counter[Topic] = Counter()
        for number, topic in self._topics.items():
            total[topic] += counts[number]
        self.counts = dict(total)
        strange = counts.total() - total.total()
        if strange and not self.damage:
            self.damage = f"{self._path.name}: {strange} messages of topics that it does not list"
        if (at := self._second()) and not self.damage:
            self.damage = f"{self._path.name}: {behind_its_end(at, self._path.stat().st_size)}"

    def _second(self) -> int:
        """Where another file begins that was appended; 0 where there is none."""
        end = int(self._database.execute("PRAGMA page_count").fetchone()[0])
        end *= int(self._database.execute("PRAGMA page_size").fetchone()[0])
        with self._path.open("rb") as file:
            file.seek(end)
            return end if file.read(len(_MAGIC)) == _MAGIC else 0

    def _counted_by_rows(self) -> Counter[int]:
        counts: Counter[int] = Counter()
        try:
            for (number,) in self._database.execute("SELECT topic_id FROM messages NOT INDEXED"):
                counts[number] += 1
        except sqlite3.Error:
            pass
        return counts

    def _read_definitions(self) -> None:
        try:
            rows = self._database.execute(
                "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            )
            self.definitions = {row[0]: Definition(str(row[1]), str(row[2])) for row in rows}
        except sqlite3.Error:  # Bags of before Iron have none.
            self.definitions = {}

    def first(self, topic: Topic) -> RawMessage | None:
        """The first message of a topic."""
        try:
            return next(iter(self.messages([topic])), None)
        except DamageError:
            return None

    def messages(self, topics: Collection[Topic]) -> Iterator[RawMessage]:
        """The messages of some topics, by time; by row where the file is damaged."""
        numbers = {number for number, topic in self._topics.items() if topic in topics}
        if not self._ordered:
            yield from self._rows(_BY_ROW, numbers)
            return
        begun = False
        try:
            for message in self._rows(_BY_TIME, numbers):
                begun = True
                yield message
        except DamageError:
            # The index or a sort may need pages that are lost, where rows are not.
            if not begun:
                yield from self._rows(_BY_ROW, numbers)
            raise

    def _rows(self, order: str, numbers: Collection[int]) -> Iterator[RawMessage]:
        marks = ",".join("?" * len(numbers))
        query = order.format(f"topic_id IN ({marks})")
        lost, reason = 0, ""
        try:
            for number, stamp, data in self._database.execute(query, tuple(numbers)):
                try:
                    message = RawMessage(self._topics[number], _stamp(stamp), plain(_content(data)))
                except Exception as error:  # One message alone; those behind it are read.
                    lost, reason = lost + 1, reason or reason_of(error)
                    continue
                yield message
        except Exception as error:  # Broken pages make SQLite raise anything.
            raise DamageError(self._said(error)) from error
        if lost:
            raise DamageError(f"{self._path.name}: {lost} message(s) can't be read: {reason}")

    def _said(self, error: BaseException) -> str:
        empty = not self._path.stat().st_size
        return f"{self._path.name}: {'cut short, 0 bytes' if empty else reason_of(error)}"

    def close(self) -> None:
        """Close the file."""
        self._database.close()
        if self._copy is not None:
            self._copy.cleanup()
