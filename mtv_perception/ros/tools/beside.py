"""A bag's calibration, depth images and transforms, published beside the images of a replay."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from mtv_perception.bags.beside import Beside, find_beside
from mtv_perception.bags.files import is_bag
from mtv_perception.bags.reader import BagSource
from mtv_perception.bags.storage import RawMessage
from mtv_perception.bags.topics import choose_cameras
from mtv_perception.config import read_yaml
from mtv_perception.errors import ConfigError, ReplayError
from mtv_perception.ranging.calibration_file import read_calibration
from mtv_perception.ros.calibration import why_info_unfit
from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.qos import newest_only, overridable

_TOPICS = {
    "camera_info": "camera_info",
    "depth": "depth/image",
    "tf": "/tf",
    "tf_static": "/tf_static",
}
# Images whose messages may still be to come: drivers write them within a few images.
_KEPT_SHIFTS = 16
# As tf2's broadcasters.
_TF = QoSProfile(depth=100)
_TF_STATIC = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def read_camera_info(path: Path) -> CameraInfo:
    """The calibration in a file of camera_calibration; its header is empty.

    Raises:
        ConfigError: no such file, or no calibration.
    """
    read_calibration(path)  # Refuses what no camera has, with the reason.
    content: Any = read_yaml(path)

    def numbers(key: str, count: int) -> list[float]:
        given = content.get(key)
        if given is None:
            return []
        values = given.get("data") if isinstance(given, dict) else None
        try:
            found = [float(value) for value in values or ()]
        except (TypeError, ValueError):
            found = []
        if len(found) != count:
            raise ConfigError(f"{path}: {key}: expected {count} numbers, got {values!r}.")
        return found

    k = numbers("camera_matrix", 9)
    identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    unrectified = [*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0]
    return CameraInfo(
        height=int(content["image_height"]),
        width=int(content["image_width"]),
        distortion_model=str(content["distortion_model"]),
        d=[float(value) for value in content["distortion_coefficients"]["data"]],
        k=k,
        r=numbers("rectification_matrix", 9) or identity,
        p=numbers("projection_matrix", 12) or unrectified,
    )


def beside_images(source: Path, image: str, wanted: Mapping[str, str]) -> Beside:
    """What a source holds beside its images; nothing where it is no bag, or one that can't be read.

    Args:
        source: of the replay.
        image: the image topic that was asked for; "" for the first.
        wanted: topics by role, see find_beside.

    Raises:
        ReplayError: a topic that was asked for is not in the bag.
    """
    named = [topic for topic in wanted.values() if topic]
    if not is_bag(source):
        if named:
            raise ReplayError(f"{source}: expected a bag with {', '.join(named)}, got no bag.")
        return Beside()
    try:
        with BagSource(source) as bag:
            cameras = choose_cameras(bag, [image] if image else [])
            return find_beside(bag, next(iter(cameras.by_name)), wanted)
    except ReplayError:
        if named:
            raise
        return Beside()  # The reader of the images says what is wrong.


class BesideImages:
    """Publishes what was recorded beside images, in step with them; use once a round.

    Messages go out in recorded order: behind the image that their stamp belongs to, and at the latest
    in front of the first image that was recorded after them. Transforms of /tf_static go out first
    of all.

    Args:
        source: the bag.
        topics: by role.
        publish: takes a role and a message.
    """

    def __init__(self, source: Path, topics: Beside, publish: Callable[[str, Any], None]) -> None:
        self._roles = {topic: role for role, topic in topics.topics.items()}
        self._publish = publish
        self._bag = BagSource(source) if self._roles else None
        self._messages: Iterator[RawMessage] = iter(())
        self._next: tuple[RawMessage, Any] | None = None
        self._shifts: deque[tuple[int, int]] = deque(maxlen=_KEPT_SHIFTS)
        self.faults = 0

    def __enter__(self) -> BesideImages:
        if self._bag is None:
            return self
        self._bag.__enter__()
        fixed = [topic for topic, role in self._roles.items() if role == "tf_static"]
        self._publish_static(self._bag.messages(fixed))
        moving = [topic for topic in self._roles if topic not in fixed]
        self._messages = self._bag.messages(moving)
        self._advance()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bag is not None:
            self._bag.__exit__(kind, error, trace)

    def _publish_static(self, messages: Iterator[RawMessage]) -> None:
        """All static transforms as one message: a latched topic keeps only its last."""
        newest: dict[str, Any] = {}
        whole: Any = None
        for message in messages:
            decoded = self._decoded(message)
            self.faults += decoded is None
            if decoded is not None:
                newest |= {item.child_frame_id: item for item in decoded.transforms}
                whole = decoded
        if whole is not None:
            whole.transforms = list(newest.values())
            self._publish("tf_static", whole)

    def skip(self, log_ns: int) -> None:
        """Leave out what was recorded up to a time."""
        while self._next is not None and self._next[0].log_ns <= log_ns:
            self._advance()

    def before(self, log_ns: int | None) -> None:
        """Publish what was recorded up to a time; None for the rest."""
        while self._next is not None and (log_ns is None or self._next[0].log_ns <= log_ns):
            self._publish_next()

    def shift(self, stamp: int, shift_ns: int) -> None:
        """What is added to the stamp of the image that goes out next, and to those up to the one after."""
        self._shifts.append((stamp, shift_ns))

    def up_to(self, stamp: int, log_ns: int) -> None:
        """Publish what follows, until one has a later stamp or was recorded later."""
        while self._next is not None and self._is_up_to(stamp, log_ns):
            self._publish_next()

    def _is_up_to(self, stamp: int, log_ns: int) -> bool:
        assert self._next is not None
        message, decoded = self._next
        headers = _headers(decoded) if decoded is not None and message.log_ns <= log_ns else []
        return bool(headers) and max(map(stamp_ns, headers)) <= stamp

    def _publish_next(self) -> None:
        assert self._next is not None
        message, decoded = self._next
        self._advance()
        if decoded is None:
            self.faults += 1
            return
        for header in _headers(decoded):
            stamp = stamp_ns(header)
            header.stamp = Time(nanoseconds=max(0, stamp + self._shift_of(stamp))).to_msg()
        self._publish(self._roles[message.source], decoded)

    def _shift_of(self, stamp: int) -> int:
        """What was added to the newest image that is no newer; so equal stamps stay equal."""
        for image, shift in reversed(self._shifts):
            if image <= stamp:
                return shift
        return self._shifts[0][1] if self._shifts else 0

    def _advance(self) -> None:
        message = next(self._messages, None)
        self._next = None if message is None else (message, self._decoded(message))

    def _decoded(self, message: RawMessage) -> Any:
        """A message; None where it is broken."""
        try:
            return deserialize_message(message.cdr, _KINDS[self._roles[message.source]])
        except Exception:  # rclpy raises anything for broken bytes.
            return None


def _headers(message: Any) -> list[Header]:
    if hasattr(message, "transforms"):
        return [item.header for item in message.transforms]
    return [message.header]


def _kinds() -> dict[str, type]:
    found: dict[str, type] = {"camera_info": CameraInfo, "depth": Image}
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        return found
    return {**found, "tf": TFMessage, "tf_static": TFMessage}


_KINDS = _kinds()


def known(found: Beside) -> tuple[Beside, str]:
    """What can be published here, and why the rest can't."""
    topics = {role: topic for role, topic in found.topics.items() if role in _KINDS}
    missing = len(topics) < len(found.topics)
    why = "transforms are not published: tf2_msgs is not installed" if missing else ""
    return Beside(topics, found.left_out), why


def make_publishers(node: Node, roles: list[str], reliability: str) -> dict[str, Any]:
    """A publisher by role."""
    pictures = newest_only(reliability)
    pictures.depth = 10  # As images: a subscriber that is still connected can ask again.
    qos = {"tf": _TF, "tf_static": _TF_STATIC}
    return {
        role: overridable(
            node.create_publisher, _KINDS[role], _TOPICS[role], qos.get(role, pictures)
        )
        for role in roles
    }


def stamped(info: CameraInfo, header: Header, image_hw: tuple[int, int]) -> CameraInfo:
    """A calibration under an image's header.

    Raises:
        ConfigError: it is of another size than the image.
    """
    if reason := why_info_unfit(info, image_hw):
        raise ConfigError(f"calibration: {reason}.")
    info.header = header
    return info
