"""The process entry point of `perception_node`."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.utilities import get_rmw_implementation_identifier

from mtv_perception.ros.middleware import VGA_BYTES, transport_warning
from mtv_perception.ros.spin import spin


def perception_main(args: Sequence[str] | None = None) -> int:
    """`perception_node`."""
    from mtv_perception.ros.perception.node import PerceptionNode

    def ready(node: PerceptionNode) -> None:
        largest = VGA_BYTES.get(node.get_parameter("transport").value, 0)
        if warning := transport_warning(get_rmw_implementation_identifier(), largest):
            node.get_logger().warning(warning)
        if node.get_parameter("autostart").value:
            node.autostart()

    return spin(PerceptionNode, args, ready)
