"""What every storage of a bag gives.

Its topics with their counts, and their messages in recorded order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mtv_perception.bags.decompress import DamageError

__all__ = [
    "CDR",
    "DamageError",
    "Definition",
    "RawMessage",
    "Storage",
    "Topic",
    "behind_its_end",
    "reason_of",
]

CDR = "cdr"
"""The only serialisation that ROS 2's own messages have in bags."""


class Topic(NamedTuple):
    """A topic of a bag. One name may be there with several types."""

    name: str
    msgtype: str
    encoding: str = CDR

    def __str__(self) -> str:
        msgtype = self.msgtype or "no type"
        kind = msgtype if self.encoding == CDR else f"{msgtype}, {self.encoding}"
        return f"{self.name} ({kind})"


class Definition(NamedTuple):
    """A message definition as a bag stores it; `language` is such as "ros2msg" or "ros2idl"."""

    language: str
    text: str


@dataclass(frozen=True)
class RawMessage:
    """One message as it lies in a bag.

    Attributes:
        source: its topic.
        log_ns: when it was recorded.
        cdr: serialised.
    """

    source: Topic
    log_ns: int
    cdr: bytes

    @property
    def topic(self) -> str:
        """Name of its topic."""
        return self.source.name

    @property
    def msgtype(self) -> str:
        """Such as "sensor_msgs/msg/Image"."""
        return self.source.msgtype


class Storage(Protocol):
    """One storage file, open.

    Attributes:
        counts: messages by topic.
        damage: what is wrong with the file; empty for a whole one.
    """

    counts: dict[Topic, int]
    damage: str

    @property
    def definitions(self) -> dict[str, Definition]:
        """Message definitions by type, as far as the file holds them."""

    def first(self, topic: Topic) -> RawMessage | None:
        """The first message of a topic."""

    def messages(self, topics: Collection[Topic]) -> Iterator[RawMessage]:
        """The messages of some topics.

        Raises:
            DamageError: after the last readable message, where the damage is.
        """

    def close(self) -> None:
        """Close the file."""


def reason_of(error: BaseException) -> str:
    """An error in words; its kind where it has none of its own, or only blanks."""
    text = " ".join(str(error).split())
    return text if any(char.isalnum() for char in text) else type(error).__name__


def behind_its_end(end: int, size: int) -> str:
    """What is wrong with a file to which another recording was appended."""
    return (
        f"more follows behind its end at byte {end} of {size}; cut recordings that were joined apart, "
        "and give each by itself"
    )
