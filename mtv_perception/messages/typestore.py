"""Every message type that bags of this package hold, for reading and writing them without ROS."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from mtv_perception.errors import ReplayError
from mtv_perception.messages.builder import MessageBuilder
from mtv_perception.messages.foxglove import DEFINITIONS
from mtv_perception.resources import SOURCE_ROOT, share_folders

_SOURCES = {
    "vision_msgs": SOURCE_ROOT / "third_party" / "vision_msgs" / "msg",
    "mtv_perception": SOURCE_ROOT / "msg",
}


def definition_files(package: str) -> list[Path]:
    """The `.msg` files of a package, from the source tree or an installed share folder."""
    for folder in (_SOURCES[package], *(share / "msg" for share in share_folders(package))):
        files = sorted(folder.glob("*.msg"))
        if files:
            return files
    raise ReplayError(
        f"Expected message definitions of {package} in the source tree or a ROS prefix, found none."
    )


@cache
def typestore() -> Typestore:
    """ROS 2's own messages with vision_msgs', ours, and those that viewers draw."""
    store = get_typestore(Stores.ROS2_KILTED)
    for package in _SOURCES:
        types = {}
        for file in definition_files(package):
            types.update(
                get_types_from_msg(file.read_text(encoding="utf-8"), f"{package}/msg/{file.stem}")
            )
        store.register(types)
    types = {}
    for name, text in DEFINITIONS.items():
        types.update(get_types_from_msg(text, name))
    store.register(types)
    return store


@cache
def builder() -> MessageBuilder:
    """Fills messages of the plain classes that the type store writes."""
    types = typestore().types
    return MessageBuilder(types.__getitem__, lambda pixels: pixels.reshape(-1))
