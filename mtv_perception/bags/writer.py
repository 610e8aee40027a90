"""Writing mcap bags that carry their message definitions, type hashes and quality of service.

Chunks are compressed (zstd) and bear checksums, so that a reader notices damage.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from mcap.writer import Writer

from mtv_perception.errors import ReplayError
from mtv_perception.messages.typestore import typestore
from mtv_perception.resources import is_taken, named_errors, take_alone, write_whole

METADATA = "metadata.yaml"
_METADATA_VERSION = 9
_BAG_SUFFIXES = (".mcap", ".yaml", ".part")
_CHUNK_BYTES = 1024 * 1024

# rosbag2's words for "no limit": the largest duration rmw can express.
_FOREVER = {"sec": 9223372036, "nsec": 854775807}

LATCHED = (
    {
        "history": "keep_last",
        "depth": 1,
        "reliability": "reliable",
        "durability": "transient_local",
        "deadline": _FOREVER,
        "lifespan": _FOREVER,
        "liveliness": "automatic",
        "liveliness_lease_duration": _FOREVER,
        "avoid_ros_namespace_conventions": False,
    },
)
_QOS = {"vision_msgs/msg/LabelInfo": LATCHED, "vision_msgs/msg/VisionInfo": LATCHED}
"""Messages published once are played back latched; the rest gets rosbag2's default."""


def to_yaml(content: Any) -> str:
    """YAML with the keys in their order, and without aliases, which rosbag2 does not expect."""
    copied_apart = json.loads(json.dumps(content))
    return str(yaml.safe_dump(copied_apart, sort_keys=False))


class BagWriter:
    """Writes serialised messages into an mcap bag; use as a context manager.

    The bag's `metadata.yaml` appears when the bag is complete.

    Args:
        folder: of the bag; must not exist, or be empty, unless `replace`.
        replace: remove an older bag first.
        about: text by key, for the metadata (rosbag2's custom data).
    """

    def __init__(
        self, folder: Path, replace: bool = False, about: Mapping[str, str] | None = None
    ) -> None:
        folder = folder.resolve() if folder.is_symlink() else folder
        clear(folder, replace)
        self._folder, self._about = folder, dict(about or {})
        # As rosbag2 numbers the parts of a bag; `ros2 bag reindex` takes no other name.
        self._file = folder / f"{folder.name}_0.mcap"
        self._channels: dict[str, int] = {}
        self._topics: list[dict[str, Any]] = []
        self._schemas: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._first_ns, self._last_ns = 2**63 - 1, 0

    def __enter__(self) -> BagWriter:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stream = self._file.open("xb")
        take_alone(self._stream)
        self._writer = Writer(self._stream, chunk_size=_CHUNK_BYTES, enable_crcs=True)
        self._writer.start(profile="ros2", library="mtv_perception")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A bag that ended early is closed as it stands: what is in it is whole.
        information = self._information()
        with named_errors(self._file), closing(self._stream):
            self._writer.add_metadata("rosbag2", {"serialized_metadata": to_yaml(information)})
            self._writer.finish()
        write_whole(self._folder / METADATA, to_yaml({"rosbag2_bagfile_information": information}))

    @property
    def counts(self) -> dict[str, int]:
        """Messages written, by topic."""
        return {topic["topic_metadata"]["name"]: self._count(topic) for topic in self._topics}

    def add_topic(self, topic: str, msgtype: str, latched: bool = False) -> None:
        """Declare a topic, so that it is in the bag even without a message.

        Args:
            topic: its name.
            msgtype: of its messages.
            latched: play it back latched, as descriptions of labels and models always are.
        """
        if topic in self._channels:
            return
        store, qos = typestore(), list(LATCHED if latched else _QOS.get(msgtype, ()))
        if msgtype not in self._schemas:
            text, _ = store.generate_msgdef(msgtype, ros_version=2)
            self._schemas[msgtype] = self._writer.register_schema(msgtype, "ros2msg", text.encode())
        digest = store.hash_rihs01(msgtype)
        self._channels[topic] = self._writer.register_channel(
            topic,
            "cdr",
            self._schemas[msgtype],
            {"offered_qos_profiles": to_yaml(qos) if qos else "", "topic_type_hash": digest},
        )
        about = {
            "name": topic,
            "type": msgtype,
            "serialization_format": "cdr",
            "offered_qos_profiles": qos,
            "type_description_hash": digest,
        }
        self._topics.append({"topic_metadata": about})

    def write_cdr(self, topic: str, stamp_ns: int, cdr: bytes | memoryview) -> None:
        """Write an already serialised message of a declared topic."""
        with named_errors(self._file):
            self._writer.add_message(self._channels[topic], stamp_ns, bytes(cdr), stamp_ns)
        self._counts[topic] += 1
        self._first_ns, self._last_ns = min(self._first_ns, stamp_ns), max(self._last_ns, stamp_ns)

    def write(self, topic: str, msgtype: str, stamp_ns: int, message: Any) -> None:
        """Serialise and write a message."""
        self.add_topic(topic, msgtype)
        self.write_cdr(topic, stamp_ns, typestore().serialize_cdr(message, msgtype))

    def _count(self, topic: dict[str, Any]) -> int:
        return self._counts[topic["topic_metadata"]["name"]]

    def _information(self) -> dict[str, Any]:
        """What rosbag2 keeps beside the messages."""
        count = self._counts.total()
        begin = {"nanoseconds_since_epoch": self._first_ns if count else 0}
        duration = {"nanoseconds": max(0, self._last_ns - self._first_ns) if count else 0}
        return {
            "version": _METADATA_VERSION,
            "storage_identifier": "mcap",
            "duration": duration,
            "starting_time": begin,
            "message_count": count,
            "topics_with_message_count": [
                topic | {"message_count": self._count(topic)} for topic in self._topics
            ],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [self._file.name],
            "files": [
                {
                    "path": self._file.name,
                    "starting_time": begin,
                    "duration": duration,
                    "message_count": count,
                }
            ],
            "custom_data": self._about or None,
            "ros_distro": os.environ.get("ROS_DISTRO") or "unknown",
        }


def clear(folder: Path, replace: bool) -> None:
    """Make room for a bag: remove an older one, never what is something else.

    Args:
        folder: of the bag; nothing is done where it is empty or not there.
        replace: False refuses a bag, too.

    Raises:
        ReplayError: what is there must stay.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ReplayError(f"{folder}: expected no such file, found one.")
    items = list(folder.iterdir())
    foreign = [item.name for item in items if item.suffix not in _BAG_SUFFIXES]
    if not foreign and not any(item.suffix == ".mcap" for item in items):
        foreign = [item.name for item in items]  # Other files of these kinds are no bag.
    if foreign:
        raise ReplayError(
            f"{folder}: expected no such folder, found one with {foreign[0]}; choose another."
        )
    if items and not replace:
        raise ReplayError(
            f"{folder}: expected no such folder, found a bag. --overwrite replaces it, --resume goes "
            "on with it; or choose another."
        )
    refuse_written(folder)
    for item in items:  # The folder stays: it may be a mount point.
        item.unlink()


def refuse_written(folder: Path) -> None:
    """Raise ReplayError where another process is writing a bag."""
    if any(is_taken(file) for file in folder.glob("*.mcap") if file.is_file()):
        raise ReplayError(
            f"{folder}: expected a bag that nobody writes, another process writes it; wait for it, or "
            "choose another --out."
        )
