"""The qualities of service of this package's topics."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RELIABILITY = {"best_effort": ReliabilityPolicy.BEST_EFFORT, "reliable": ReliabilityPolicy.RELIABLE}
LATCHED = QoSProfile(
    depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE
)


def newest_only(reliability: str) -> QoSProfile:
    """Depth 1 with the given reliability: whoever is late gets the newest image, not a queue of old ones."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=RELIABILITY[reliability]
    )
