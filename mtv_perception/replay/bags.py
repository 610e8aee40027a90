"""Reading images from rosbag2 bags without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection
from rosbags.rosbag2 import ReaderError

from mtv_perception.errors import ReplayError
from mtv_perception.replay.frames import Frame
from mtv_perception.replay.messages import typestore
from mtv_perception.runtime.encodings import decode_compressed, decode_raw

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


def message_to_rgb(message: Any, msgtype: str) -> np.ndarray:
    """The pixels of a bag's image message, `(H, W, 3)` uint8 RGB; ImageError when they are broken."""
    if msgtype == COMPRESSED:
        return decode_compressed(message.data)
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
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def open_bag(path: Path) -> AnyReader:
    """A reader for a bag folder or storage file (to be used as a context manager)."""
    return AnyReader([path], default_typestore=typestore())


def image_connections(reader: AnyReader, path: Path, topic: str | None) -> list[Connection]:
    """The bag's image topics, or the one named.

    Raises:
        ReplayError: there is none, or not that one.
    """
    found = [c for c in reader.connections if c.msgtype in (RAW, COMPRESSED)]
    chosen = [c for c in found if topic in (None, c.topic)]
    if not chosen:
        known = ", ".join(sorted({c.topic for c in found})) or "no image topic"
        raise ReplayError(f"{path}: expected image topic {topic or 'of any name'}, the bag has {known}.")
    return chosen


def bag_frames(path: Path, topic: str | None = None) -> Iterator[Frame]:
    """The images of a bag in recorded order with their own stamps.

    Args:
        path: bag folder or storage file.
        topic: which image topic; by default the first.
    """
    try:
        with open_bag(path) as reader:
            connection = image_connections(reader, path, topic)[0]
            for index, (_, _, raw) in enumerate(reader.messages(connections=[connection])):
                message = reader.deserialize(raw, connection.msgtype)
                yield Frame(
                    message_to_rgb(message, connection.msgtype),
                    message_stamp_ns(message),
                    message.header.frame_id,
                    f"{connection.topic}#{index}",
                )
    except (AnyReaderError, ReaderError) as error:
        raise ReplayError(f"{path}: expected a rosbag2 bag, could not read it: {error}") from error
