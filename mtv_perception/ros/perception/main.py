"""What `perception_node` does once its node is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rclpy.utilities import get_rmw_implementation_identifier

from mtv_perception.ros.middleware import VGA_BYTES, transport_warning
from mtv_perception.ros.process.main import run

if TYPE_CHECKING:
    from mtv_perception.ros.perception.node import PerceptionNode


def ready(node: PerceptionNode) -> None:
    """Warn about a transport that loses images, and start by itself where `autostart` says so."""
    largest = VGA_BYTES.get(node.get_parameter("transport").value, 0)
    if warning := transport_warning(get_rmw_implementation_identifier(), largest):
        node.get_logger().warning(warning)
    if node.get_parameter("autostart").value:
        node.autostart()


def perception_main(args: Sequence[str] | None = None) -> int:
    """`perception_node`; see `run`."""
    return run("perception_node", args)
