"""The qualities of service of this package's topics."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from mtv_perception.errors import ConfigError
from mtv_perception.ros.parameters import overrides

RELIABILITY = {"best_effort": ReliabilityPolicy.BEST_EFFORT, "reliable": ReliabilityPolicy.RELIABLE}
LATCHED = QoSProfile(
    depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE
)


def newest_only(reliability: str) -> QoSProfile:
    """Depth 1 with the given reliability.

    Whoever is late gets the newest image, not a queue of old ones.
    """
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=RELIABILITY[reliability]
    )


_OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)
# Beside those, of a topic that the middleware watches.
_WATCHED = (
    QoSPolicyKind.DEADLINE,
    QoSPolicyKind.LIVELINESS,
    QoSPolicyKind.LIVELINESS_LEASE_DURATION,
)


def overridable(
    create: Callable[..., Any], kind: type, topic: str, *arguments: Any, **more: Any
) -> Any:
    """Create a publisher or subscription whose quality of service a parameters file may override.

    The parameters are `qos_overrides.<topic>.<publisher|subscription>.<policy>`. Deadline and
    liveliness can be overridden where `qos` is `watched`.

    Args:
        create: the node's create_publisher, create_lifecycle_publisher or create_subscription.
        kind: message type.
        topic: its name.
        arguments: what else `create` takes, the QoSProfile (or depth) last.
        more: keyword arguments of `create`.

    Raises:
        ConfigError: an override is none of the policy's values.
    """
    *others, qos = arguments
    # rclpy writes overrides into the profile that it is given; ours are shared by topics.
    profile = QoSProfile(depth=qos) if isinstance(qos, int) else copy.copy(qos)
    is_watched = profile.liveliness is LivelinessPolicy.MANUAL_BY_TOPIC
    policies = _OVERRIDABLE + (_WATCHED if is_watched else ())
    options = QoSOverridingOptions(_without_stale(policies, create, topic))
    try:
        return create(kind, topic, *others, profile, qos_overriding_options=options, **more)
    except RuntimeError as error:
        if "QoS override" not in str(error):
            raise
        raise ConfigError(f"qos_overrides of {topic}: {error}") from error


def _without_stale(
    policies: Sequence[QoSPolicyKind], create: Callable[..., Any], topic: str
) -> list[QoSPolicyKind]:
    """The policies that may be read from parameters: set by the user, or not declared yet.

    rclpy declares each as a read-only parameter when a topic is first created, and gives a topic
    that is created again that value.
    """
    node = getattr(create, "__self__", None)
    if not isinstance(node, Node):
        return list(policies)
    kind = "subscription" if create.__name__ == "create_subscription" else "publisher"
    prefix = f"qos_overrides.{node.resolve_topic_name(topic)}.{kind}."
    given = overrides(node)
    names = {policy: f"{prefix}{policy.name.lower()}" for policy in policies}
    return [p for p, name in names.items() if name in given or not node.has_parameter(name)]


def watched(depth: int, longest: float, lease: float | None = None) -> QoSProfile:
    """A reliable topic whose subscribers can have the middleware watch it.

    Args:
        depth: of the queue.
        longest: seconds; the node publishes at least this often.
        lease: seconds; the publisher is no longer alive after as long without a message or an
            assertion of its liveliness. By default `longest`.
    """
    return QoSProfile(
        depth=depth,
        deadline=Duration(seconds=longest),
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=Duration(seconds=longest if lease is None else lease),
    )
