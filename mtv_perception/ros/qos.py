"""The qualities of service of this package's topics."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
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


def overridable(
    create: Callable[..., Any], kind: type, topic: str, *arguments: Any, **more: Any
) -> Any:
    """Create a publisher or subscription whose quality of service a parameters file may override.

    The parameters are `qos_overrides.<topic>.<publisher|subscription>.<policy>`.

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
    options = QoSOverridingOptions(_OVERRIDABLE)
    try:
        return create(kind, topic, *others, profile, qos_overriding_options=options, **more)
    except RuntimeError as error:
        if "QoS override" not in str(error):
            raise
        raise ConfigError(f"qos_overrides of {topic}: {error}") from error


def watched(depth: int, longest: float) -> QoSProfile:
    """A reliable topic whose subscribers can have the middleware watch it.

    Args:
        depth: of the queue.
        longest: seconds; the node publishes at least this often, and is no longer alive after as
            long without.
    """
    limit = Duration(seconds=longest)
    return QoSProfile(
        depth=depth,
        deadline=limit,
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=limit,
    )
