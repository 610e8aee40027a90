"""Writing mcap bags that carry their message definitions."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer

from mtv_perception.errors import ReplayError
from mtv_perception.replay.messages import typestore

_METADATA_VERSION = 9
_BAG_SUFFIXES = (".mcap", ".yaml")


class BagWriter:
    """Writes serialised messages into an mcap bag; use as a context manager.

    Args:
        folder: of the bag; must not exist unless `replace`.
        replace: remove an older bag first.
    """

    def __init__(self, folder: Path, replace: bool = False) -> None:
        if folder.exists():
            foreign = [item.name for item in folder.iterdir() if item.suffix not in _BAG_SUFFIXES]
            if not replace or foreign:
                raise ReplayError(
                    f"{folder}: expected no such folder, found one {'with ' + foreign[0] if foreign else ''}."
                )
            shutil.rmtree(folder)
        self._writer = Writer(folder, version=_METADATA_VERSION, storage_plugin=StoragePlugin.MCAP)
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        self._writer.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def add_topic(self, topic: str, msgtype: str) -> None:
        """Declare a topic, so that it is in the bag even without a message."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, msgtype, typestore=typestore())

    def write_cdr(self, topic: str, stamp_ns: int, cdr: bytes) -> None:
        """Write an already serialised message of a declared topic."""
        self._writer.write(self._connections[topic], stamp_ns, cdr)

    def write(self, topic: str, msgtype: str, stamp_ns: int, message: Any) -> None:
        """Serialise and write a message."""
        self.add_topic(topic, msgtype)
        self.write_cdr(topic, stamp_ns, typestore().serialize_cdr(message, msgtype))
