"""Which image topics of a bag to replay, and the camera name that prefixes each one's results, as in the node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from mtv_perception.bags.reader import IMAGE_TYPES
from mtv_perception.errors import ReplayError

# What this package itself publishes as images, and transports that hold no picture.
_NO_CAMERAS = (
    "segmentation/mask",
    "segmentation/confidence",
    "segmentation/color",
    "overlay",
    "overlay/compressed",
    "compressedDepth",
    "theora",
)
_COMPRESSED = "/compressed"


def result_topics(camera: str) -> dict[str, str]:
    """The topic of each output for a camera; "" is the only camera, whose topics have no prefix."""
    prefix = f"/{camera}" if camera else ""
    return {
        "detections": f"{prefix}/detections",
        "label_info": f"{prefix}/label_info",
        "vision_info": f"{prefix}/vision_info",
        "mask": f"{prefix}/segmentation/mask",
        "confidence": f"{prefix}/segmentation/confidence",
        "mask_labels": f"{prefix}/segmentation/label_info",
        "color": f"{prefix}/segmentation/color",
        "overlay": f"{prefix}/overlay/compressed",
        "annotations": f"{prefix}/image_annotations",
        "status": f"/perception{prefix}/status",
    }


def choose_cameras(topics: Mapping[str, str], wanted: Sequence[str], where: str) -> dict[str, str]:
    """Camera name by image topic.

    Args:
        topics: message type by topic name.
        wanted: "TOPIC" or "NAME=TOPIC"; none for every camera image. Depth images, masks and a
            topic's compressed twin are taken only by name.
        where: the bag, for error texts.

    Raises:
        ReplayError: no image topic, not that one, or two with one camera name.
    """
    images = [topic for topic, msgtype in topics.items() if msgtype in IMAGE_TYPES]
    if not wanted:
        chosen = sorted(topic for topic in images if _is_camera(topic, images))
        if not chosen:
            raise ReplayError(f"{where}: expected an image topic, the bag has {_listed(topics)}.")
        return _named(chosen)
    given = {topic: name for name, topic in (_split(item) for item in wanted)}
    unknown = [topic for topic in given if topic not in images]
    if unknown:
        raise ReplayError(
            f"{where}: expected image topic {unknown[0]}, the bag has {_listed(images)}."
        )
    cameras = {
        topic: automatic if given[topic] is None else given[topic] or ""
        for topic, automatic in _named(list(given)).items()
    }
    if len(set(cameras.values())) < len(cameras):
        raise ReplayError(
            f"{where}: expected a name of its own for each topic, got {list(wanted)!r}."
        )
    return cameras


def _split(item: str) -> tuple[str | None, str]:
    name, equals, topic = item.rpartition("=")
    return (name.strip("/") if equals else None), topic


def _listed(topics: Mapping[str, str] | Sequence[str]) -> str:
    return ", ".join(sorted(topics)) or "none"


def _is_camera(topic: str, images: Sequence[str]) -> bool:
    if topic.endswith(_NO_CAMERAS) or "depth" in topic.lower():
        return False
    return not (topic.endswith(_COMPRESSED) and topic.removesuffix(_COMPRESSED) in images)


def _named(topics: Sequence[str]) -> dict[str, str]:
    """The namespace names a camera; the whole topic where that is no name of its own; nothing for a single one."""
    if len(topics) == 1:
        return {topics[0]: ""}
    bases = {topic: topic.removesuffix(_COMPRESSED).strip("/") for topic in topics}
    spaces = {topic: str(PurePosixPath(base).parent).strip(".") for topic, base in bases.items()}
    if len(set(spaces.values())) == len(topics):
        return spaces
    if len(set(bases.values())) == len(topics):
        return bases
    return {topic: topic.strip("/") for topic in topics}
