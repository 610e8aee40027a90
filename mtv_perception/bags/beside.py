"""What a bag holds beside the pictures of a camera: its calibration, a depth image, transforms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from mtv_perception.bags.reader import IMAGE_TYPES, RAW, BagSource
from mtv_perception.bags.storage import CDR, Topic
from mtv_perception.bags.topics import is_depth
from mtv_perception.errors import ReplayError

CAMERA_INFO, TRANSFORMS = "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"


@dataclass(frozen=True)
class Beside:
    """The topics beside a camera.

    Attributes:
        topics: by role: camera_info, depth, tf, tf_static.
        left_out: topics that could have a role and have none, a sentence each.
    """

    topics: Mapping[str, Topic] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def find_beside(bag: BagSource, image: str, wanted: Mapping[str, str]) -> Beside:
    """The topics beside a camera's images.

    The calibration of an image topic lies beside it (`/front/image_raw`, `/front/camera_info`). Of
    the depth images that below the same namespace is taken. A single one in the bag is taken
    wherever it is, unless it lies beside another camera's images.

    Args:
        bag: open.
        image: topic of the images.
        wanted: topic by role, for those that are named; "" finds it.

    Raises:
        ReplayError: a named topic is not there, or of another type.
    """
    folder = _folder(image)
    found: dict[str, Topic] = {}
    left_out: list[str] = []
    candidates = {
        "camera_info": [t for t in bag.counts if t.msgtype == CAMERA_INFO and t.encoding == CDR],
        "depth": [topic for topic in bag.counts if topic.msgtype == RAW and is_depth(bag, topic)],
    }
    depths = tuple(topic.name for topic in candidates["depth"])
    pictures = [t.name for t in bag.counts if t.msgtype in IMAGE_TYPES]
    others = {_folder(name) for name in pictures if not name.startswith(depths or "//")}
    # Another camera's images do not lie above these, nor beside depth alone: a debug image may.
    shared = {_folder(name) for name in depths if not _has_camera_info(bag, _folder(name))}
    others = {name for name in others if not f"{folder}/".startswith(f"{name}/")} - shared
    beside: dict[str, Callable[[str], bool]] = {
        "camera_info": lambda name: name == f"{folder}/camera_info",
        "depth": lambda name: name.startswith(f"{folder}/"),
    }
    for role, topics in candidates.items():
        if name := wanted.get(role, ""):
            chosen = [topic for topic in topics if topic.name == name]
            if not chosen:
                raise ReplayError(_none_named(bag, role, name, topics))
        else:
            own = [t for t in topics if _owner(t.name, {folder, *others}) not in others]
            near = [topic for topic in own if beside[role](topic.name)]
            chosen = own if len(topics) == 1 else near
        if len(chosen) == 1:
            found[role] = chosen[0]
        left_out += [f"{t.name}: another {role}" for t in topics if t is not found.get(role)]
    for role in ("tf", "tf_static"):
        for topic in bag.named([f"/{role}"], TRANSFORMS):
            if topic.encoding == CDR:
                found[role] = topic
    return Beside(found, tuple(left_out))


def _has_camera_info(bag: BagSource, folder: str) -> bool:
    return any(t.msgtype == CAMERA_INFO and t.name == f"{folder}/camera_info" for t in bag.counts)


def _folder(image: str) -> str:
    """The namespace of an image topic; empty for the root."""
    return str(PurePosixPath(image.removesuffix("/compressed")).parent).rstrip("/")


def _owner(name: str, folders: Collection[str]) -> str | None:
    """The innermost of some namespaces that a topic lies in."""
    return max((f for f in folders if name.startswith(f"{f}/")), key=len, default=None)


def _none_named(bag: BagSource, role: str, name: str, topics: list[Topic]) -> str:
    have = ", ".join(topic.name for topic in topics) or f"no {role}"
    return f"{bag.path}: expected the {role} topic {name}, the bag has {have}."
