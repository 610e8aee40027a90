"""Which image topics of a bag are pictures of cameras.

And which camera name prefixes their results.

Nothing is left out in silence: a choice says what it uses, what it does not, and why.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from mtv_perception.bags.reader import COMPRESSED, IMAGE_TYPES, RAW, BagSource
from mtv_perception.bags.storage import CDR, Topic
from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.media.decode import coded_depth_bits, decode_compressed
from mtv_perception.media.encodings import DEPTH_ENCODINGS, ENCODINGS, is_depth_by_name

# What this package itself publishes as images.
_OURS = (
    "segmentation/mask",
    "segmentation/confidence",
    "segmentation/color",
    "segmentation/color/compressed",
    "overlay",
    "overlay/compressed",
)
_COMPRESSED = "/compressed"
_EMPTY = "nothing was recorded"
# Of foxglove, image_transport's plugins and depth cameras; annotations are no images.
_FOREIGN_IMAGES = re.compile(r"(Image|Video|RGBD)s?$|image_transport.*Packet$")
_OTHER_TRANSPORTS = ("/compressedDepth", "/theora", "/ffmpeg", "/zstd")
_REP_118 = ("16UC1", "32FC1")
_VIDEO_FORMATS = ("h264", "h265", "hevc", "av1", "vp9")
# Words in names of topics with class or instance numbers, in place of colours.
_LABEL_WORDS = re.compile(
    r"segment|semantic|label|mask|instance|panoptic|class|(?<![a-z])seg(?![a-z])", re.IGNORECASE
)
# It becomes the first part of topics, so that ROS's rules for them hold.
_CAMERA_NAME = re.compile(r"([a-z_]\w*(/[a-z_]\w*)*)?", re.ASCII | re.IGNORECASE)
_FLAT_COLOURS = 64
"""A picture has thousands of colours, an image of class numbers a few; both are sampled."""
_SAMPLES = 4096
_CLASS_NUMBERS = "an image of class numbers by its name and its few colours"


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


def anonymised_topic(camera: str) -> str:
    """The topic of a camera's pictures with pixelated people; see `result_topics`."""
    return f"/{camera}/image_anonymised/compressed" if camera else "/image_anonymised/compressed"


@dataclass(frozen=True)
class LeftOut:
    """A topic that could be taken for a camera and is not used.

    Attributes:
        topic: which.
        messages: how many it has.
        why: the reason.
    """

    topic: Topic
    messages: int
    why: str

    def __str__(self) -> str:
        return f"{self.topic.name}: {self.messages} messages, {self.why}"


@dataclass(frozen=True)
class Choice:
    """The cameras of a bag.

    Attributes:
        cameras: camera name by topic; "" is the only camera.
        left_out: the other topics with images, and those of the same names.
    """

    cameras: Mapping[Topic, str]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def by_name(self) -> dict[str, str]:
        """Camera name by topic name."""
        return {topic.name: camera for topic, camera in self.cameras.items()}


def choose_cameras(bag: BagSource, wanted: Sequence[str] = ()) -> Choice:
    """The topics of a bag that hold pictures.

    Args:
        bag: open.
        wanted: "TOPIC" or "NAME=TOPIC"; none for every camera. Depth and label images, empty topics
            and the poorer one of a raw topic and its compressed twin are taken only by name.

    Raises:
        ReplayError: no such topic, not those, or two with one camera name.
    """
    images = [topic for topic in bag.counts if topic.msgtype in IMAGE_TYPES]
    if wanted:
        cameras = _wanted(bag, images, wanted)
        reasons = dict.fromkeys(images, "not among the topics asked for")
    else:
        reasons = _reasons(bag, images)
        chosen = sorted(topic for topic in images if not reasons[topic])
        if not chosen:
            raise ReplayError(_none_said(bag, images, reasons))
        cameras = _named(chosen)
    names = {topic.name for topic in cameras}
    left_out = [
        LeftOut(topic, count, reasons.get(topic, f"{topic.msgtype} is not read"))
        for topic, count in bag.counts.items()
        if topic not in cameras
        and (topic in reasons or topic.name in names or _FOREIGN_IMAGES.search(topic.msgtype))
    ]
    return Choice(cameras, tuple(sorted(left_out, key=lambda item: item.topic)))


def _none_said(bag: BagSource, images: Sequence[Topic], reasons: Mapping[Topic, str]) -> str:
    if not images:
        found = "; ".join(map(str, sorted(bag.counts))) or "no topic"
        return f"{bag.path}: expected an image topic ({RAW} or {COMPRESSED}), the bag has {found}."
    found = "; ".join(f"{topic.name}: {reasons[topic]}" for topic in sorted(images))
    return f"{bag.path}: expected an image topic with pictures, the bag has {found}. --topics takes any."


def _wanted(bag: BagSource, images: Sequence[Topic], wanted: Sequence[str]) -> dict[Topic, str]:
    given: dict[str, str | None] = {}
    for item in wanted:
        name, topic = _split(item)
        if not _CAMERA_NAME.fullmatch(name or ""):
            raise ReplayError(
                f"{bag.path}: --topics {item}: expected a camera's name of letters, digits and '_', as "
                f"in front=/front/image, got {name!r}."
            )
        if given.setdefault(topic, name) != name:
            raise ReplayError(
                f"{bag.path}: --topics {item}: expected one name for {topic}, got {given[topic]!r} too."
            )
    by_name = _fullest(bag, images)
    unknown = [name for name in given if name not in by_name]
    if unknown:
        found = "; ".join(f"{topic}, {bag.counts[topic]} messages" for topic in sorted(images))
        other = "; ".join(map(str, sorted(bag.counts)))
        raise ReplayError(
            f"{bag.path}: expected image topic {unknown[0]}, the bag has "
            f"{found or f'no image topic, but {other}'}."
        )
    cameras = {
        topic: automatic if given[topic.name] is None else given[topic.name] or ""
        for topic, automatic in _named([by_name[name] for name in given]).items()
    }
    if len(set(cameras.values())) < len(cameras):
        raise ReplayError(
            f"{bag.path}: expected a name of its own for each topic, got {list(wanted)!r}."
        )
    return cameras


def _split(item: str) -> tuple[str | None, str]:
    name, equals, topic = item.rpartition("=")
    return (name.strip("/") if equals else None), topic


def _reasons(bag: BagSource, images: Sequence[Topic]) -> dict[Topic, str]:
    """Why each topic is no camera; "" for those that are."""
    reasons = {topic: _why_no_picture(bag, topic) for topic in images}
    by_name = _fullest(bag, [topic for topic in images if not reasons[topic]])
    for topic in images:
        used = by_name.get(topic.name, topic)
        if used != topic and not reasons[topic]:
            reasons[topic] = f"{used.msgtype} of the same name has more messages"
    by_name = _fullest(bag, images) | by_name
    for twin in images:
        raw = by_name.get(twin.name.removesuffix(_COMPRESSED), twin)
        if raw == twin or reasons[twin] or reasons[raw] == _EMPTY:
            continue
        if reasons[raw]:
            reasons[twin] = reasons[raw]
            continue
        fewer = bag.counts[raw] < bag.counts[twin] or not _is_readable(bag, raw)
        better, worse = (twin, raw) if fewer else (raw, twin)
        reasons[worse] = f"the same camera as {better.name}"
    return reasons


def _fullest(bag: BagSource, images: Iterable[Topic]) -> dict[str, Topic]:
    """The image topic of each name; of several types the one with most messages."""
    return {topic.name: topic for topic in sorted(images, key=lambda topic: bag.counts[topic])}


def _is_readable(bag: BagSource, raw: Topic) -> bool:
    """Whether the encoding of a raw topic is known, as far as its first message tells."""
    message = _first(bag, raw)
    return message is None or message.encoding in ENCODINGS


def _first(bag: BagSource, topic: Topic) -> Any:
    message = bag.first(topic)
    if message is None or topic.encoding != CDR:
        return None
    try:
        return bag.deserialize(message)
    except ImageError:  # Counted when it is read.
        return None


def _why_no_picture(bag: BagSource, topic: Topic) -> str:
    if topic.encoding != CDR:
        return f"serialised as {topic.encoding or 'nothing known'}, expected {CDR}"
    if topic.name.strip("/").endswith(_OURS):
        return "a result of this package"
    if topic.name.endswith(_OTHER_TRANSPORTS):
        return "a transport without pictures"
    if not bag.counts[topic]:
        return _EMPTY
    message = _first(bag, topic)
    if message is None:
        return ""
    if topic.msgtype == COMPRESSED:
        why = _why_not_compressed(str(message.format), topic.name)
        return why or _why_not_coded(message, topic.name)
    if _is_deep(message.encoding, topic.name):
        return f"a depth image by its encoding {message.encoding}"
    if _LABEL_WORDS.search(topic.name) and _is_flat(_raw_pixels(message)):
        return _CLASS_NUMBERS
    return ""


def _is_deep(encoding: str, name: str) -> bool:
    """Whether an encoding says depth; mono16 does so on a topic of that name alone."""
    return encoding in DEPTH_ENCODINGS or is_depth_by_name(encoding, name)


def is_depth(bag: BagSource, topic: Topic) -> bool:
    """Whether a topic of raw images holds depth: millimetres or metres (REP 118)."""
    message = _first(bag, topic) if bag.counts[topic] else None
    return message is not None and message.encoding in _REP_118


def _why_not_compressed(form: str, name: str) -> str:
    original = _original(form)
    if _is_deep(original, name) or "compressedDepth" in form:
        return f"a depth image by its format {form!r}"
    if original.lower() in _VIDEO_FORMATS:
        return f"a video stream ({form}); record images, or convert it to a video file"
    return ""


def _original(form: str) -> str:
    """The encoding that a compressed image had before, or its format alone."""
    return form.partition(";")[0].strip()


def _why_not_coded(message: Any, name: str) -> str:
    """The image itself tells what it holds where its format does not."""
    try:
        if bits := coded_depth_bits(message.data, _original(message.format), name):
            return f"a depth image by its name and its {bits} bits"
        if _LABEL_WORDS.search(name) and _is_flat(decode_compressed(message.data).reshape(-1, 3)):
            return _CLASS_NUMBERS
    except ImageError:  # Counted when it is read.
        pass
    return ""


def _raw_pixels(message: Any) -> np.ndarray:
    """`(N, bytes)` of a raw image, without padding in mind."""
    data = np.asarray(message.data, np.uint8)
    width = max(1, data.size // max(1, int(message.height) * int(message.width)))
    return data[: data.size // width * width].reshape(-1, width)


def _is_flat(pixels: np.ndarray) -> bool:
    """Whether the pixels `(N, channels)` of an image have few colours; sampled over all rows."""
    some = pixels[:: max(1, len(pixels) // _SAMPLES)]
    return 0 < len(np.unique(some, axis=0)) <= _FLAT_COLOURS


def _named(topics: Sequence[Topic]) -> dict[Topic, str]:
    """The namespace names a camera; the whole topic where that is no name of its own.

    Nothing for one.
    """
    if len(topics) == 1:
        return {topics[0]: ""}
    for names in _ways_to_name([topic.name for topic in topics]):
        if len(set(names)) == len(topics):
            return dict(zip(topics, names, strict=True))
    return {topic: topic.name.strip("/") for topic in topics}


def _ways_to_name(topics: Sequence[str]) -> Iterator[list[str]]:
    bases = [topic.removesuffix(_COMPRESSED).strip("/") for topic in topics]
    yield [str(PurePosixPath(base).parent).strip(".") for base in bases]
    yield bases


def pictures_of(bag: BagSource, results: Collection[str]) -> list[Topic]:
    """The topics of a bag with pictures; none where there is no camera.

    Args:
        bag: open.
        results: topics to leave out.
    """
    try:
        return [topic for topic in choose_cameras(bag).cameras if topic.name not in results]
    except ReplayError:
        return []


def camera_of(topic: str, cameras: Iterable[str]) -> str:
    """The camera whose name a topic begins with, as a whole part of it if there is such a one.

    Empty where none or several fit: the camera without a name.
    """
    path = topic.strip("/") + "/"
    below = [name for name in cameras if name and path.startswith(f"{name}/")]
    if below:
        return max(below, key=len)
    alike = [name for name in cameras if name and path.startswith(name)]
    return alike[0] if len(alike) == 1 else ""
