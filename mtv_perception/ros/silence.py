"""A topic on which nothing comes, or on which another node publishes too: who does, and what to do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo

_RAW, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_SUFFIX = "/compressed"
_MOST_NAMED = 3
# A topic that was silent for this long is reported, s. Before its first message it may take longer:
# DDS finds the other nodes, and perception loads its model.
_SILENCE = 2.0
_FIRST_MESSAGE = 10.0


class Hearing:
    """When each of a node's topics was heard last.

    Args:
        node: that listens.
        patience: shortest silence (s) that counts.
    """

    def __init__(self, node: Node, patience: float = 0.0) -> None:
        self._node, self._patience = node, patience
        self._topics: dict[str, tuple[str, type, QoSProfile | int]] = {}
        self._heard: dict[str, float] = {}
        self._never: set[str] = set()

    def expect(self, name: str, topic: str, kind: type, qos: QoSProfile | int) -> None:
        """Wait for a topic from now on.

        Args:
            name: key for `heard`, `silence` and `explain`.
            topic: as given to the subscription.
            kind: message class of the subscription.
            qos: of the subscription.
        """
        self._topics[name], self._heard[name] = (topic, kind, qos), time.monotonic()
        self._never.add(name)

    def heard(self, name: str) -> None:
        """A message came."""
        self._heard[name] = time.monotonic()
        self._never.discard(name)

    def __contains__(self, name: str) -> bool:
        return name in self._topics

    def topic(self, name: str) -> str:
        """The topic's full name."""
        return str(self._node.resolve_topic_name(self._topics[name][0]))

    def silence(self, name: str) -> float:
        """Seconds since the last message, or since it was expected."""
        return time.monotonic() - self._heard[name]

    def silent(self) -> list[str]:
        """The names of topics that have been silent for too long."""
        return [name for name in self._topics if self.silence(name) > self._longest(name)]

    def explain(self, name: str) -> str:
        """What is seen of a topic on which nothing comes, and what to do."""
        return what_is_heard(self._node, *self._topics[name])

    def _longest(self, name: str) -> float:
        return max(_FIRST_MESSAGE if name in self._never else _SILENCE, self._patience)


def type_name(kind: type) -> str:
    """The ROS name of a message class, such as sensor_msgs/msg/Image."""
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"


def what_is_heard(node: Node, topic: str, kind: type, qos: QoSProfile | int) -> str:
    """What is seen of a topic that is listened to in vain, and what to do, in one line.

    Args:
        node: that listens.
        topic: as given to the subscription.
        kind: message class of the subscription.
        qos: of the subscription.
    """
    name, wanted = node.resolve_topic_name(topic), type_name(kind)
    publishers = node.get_publishers_info_by_topic(name)
    fits = [item for item in publishers if item.topic_type == wanted]
    if not publishers:
        seen, cure = "no publisher", _elsewhere(node, topic, name, wanted)
    elif not fits:
        seen, cure = _counted(publishers), _other_type(publishers, wanted)
    else:
        seen, cure = _counted(fits), _unheard(fits, qos)
    return f"nothing on {name} ({wanted}): {seen}. {cure}"


def why_twin(node: Node, topic: str) -> str:
    """That another node of the same name publishes on a topic of a node, in one line; else empty.

    Args:
        node: that publishes.
        topic: as given to the publisher.
    """
    name, own = node.resolve_topic_name(topic), node.get_fully_qualified_name()
    count = [name_of_node(item) for item in node.get_publishers_info_by_topic(name)].count(own)
    if count < 2:
        return ""
    return (
        f"{count} nodes of the name {own} publish on {name}. Who listens gets what they say in turn: end one, or "
        "give each a name of its own (-r __node:=NAME) or a namespace (-r __ns:=/NAME)."
    )


def _counted(publishers: Sequence[TopicEndpointInfo]) -> str:
    """How many publishers there are of each type and quality of service.

    And which node has them.
    """
    kinds = Counter(
        f"{item.topic_type} ({item.qos_profile.reliability.name.lower()}, "
        f"{item.qos_profile.durability.name.lower()}) by {name_of_node(item)}"
        for item in publishers
    )
    return ", ".join(
        f"{count} publisher{'s' * (count > 1)} of {what}" for what, count in kinds.items()
    )


def name_of_node(item: TopicEndpointInfo) -> str:
    """The full name of the node that a publisher or subscription belongs to."""
    return f"{item.node_namespace.rstrip('/')}/{item.node_name}"


def _other_type(publishers: Sequence[TopicEndpointInfo], wanted: str) -> str:
    found = {item.topic_type for item in publishers}
    if wanted == _RAW and _COMPRESSED in found:
        return "Set `transport: compressed` and remap image/compressed to this topic."
    if wanted == _COMPRESSED and _RAW in found:
        return "Set `transport: raw` and remap image to this topic."
    return f"Remap to a topic of type {wanted}."


def _unheard(fits: Sequence[TopicEndpointInfo], qos: QoSProfile | int) -> str:
    profile = QoSProfile(depth=qos) if isinstance(qos, int) else qos
    reasons = [_why_not(item.qos_profile, profile) for item in fits]
    if all(reasons):
        return (
            f"Their quality of service does not fit: {reasons[0]} Set `qos_overrides` on one side."
        )
    return (
        "No message comes from there: is the node active, and does the middleware carry messages of "
        "this size (FASTDDS_BUILTIN_TRANSPORTS)?"
    )


def _why_not(offered: QoSProfile, wanted: QoSProfile) -> str:
    compatibility, reason = qos_check_compatible(offered, wanted)
    return reason.strip() if compatibility == QoSCompatibility.ERROR else ""


def _elsewhere(node: Node, topic: str, name: str, wanted: str) -> str:
    """Where a message of the kind could be had; nobody publishes `name`."""
    types = dict(node.get_topic_names_and_types())
    if wanted == _RAW and _COMPRESSED in types.get(name + _SUFFIX, ()):
        return f"{name}{_SUFFIX} holds {_COMPRESSED}: set `transport: compressed`."
    base = name.removesuffix(_SUFFIX)
    if wanted == _COMPRESSED and _RAW in types.get(base, ()):
        return f"{base} holds {_RAW}: set `transport: raw`."
    others = [other for other, kinds in types.items() if wanted in kinds and _alike(other, name)]
    others = [other for other in others if _has_foreign_publisher(node, other)]
    if not others:
        return "Start the node that publishes it."
    near = get_close_matches(name, others, _MOST_NAMED, 0.0)
    return f"Of this type there is {', '.join(near)}: remap with -r {topic}:={near[0]}."


def _alike(other: str, name: str) -> bool:
    """Whether a topic may hold the same by its last name, as image_raw holds an image.

    The type does not tell: a mask and a camera's picture are both an Image.
    """
    return _last_words(name) <= _last_words(other)


def _last_words(topic: str) -> set[str]:
    return set(topic.removesuffix(_SUFFIX).rpartition("/")[2].split("_"))


def _has_foreign_publisher(node: Node, topic: str) -> bool:
    own = node.get_fully_qualified_name()
    return any(name_of_node(item) != own for item in node.get_publishers_info_by_topic(topic))
