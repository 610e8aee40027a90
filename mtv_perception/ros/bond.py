"""The bond by which Nav2's lifecycle manager notices that a node it manages has died.

Both sides publish heartbeats on `bond` under the node's name as id. The protocol is that of the
ROS package bondpy; without that package there is no bond, and the manager needs `bond_timeout:
0.0`.
"""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.node import Node

# Source: nav2_util, lifecycle_node.cpp: what Nav2's own nodes use.
TOPIC = "bond"
_HEARTBEAT_PERIOD_S = 0.1
_HEARTBEAT_TIMEOUT_S = 4.0


class Bond:
    """This node's end of the bond.

    Args:
        node: that is managed.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._bond: Any = None

    def form(self) -> bool:
        """Begin to send heartbeats, as when the node becomes active; False without bondpy."""
        try:
            protocol = importlib.import_module("bondpy.bondpy")
        except ImportError:
            self._node.get_logger().info(
                "no bondpy in this environment: set the lifecycle manager's bond_timeout to 0.0"
            )
            return False
        self._bond = protocol.Bond(
            self._node, TOPIC, self._node.get_name(), on_broken=self._report_broken
        )
        self._bond.heartbeat_period = _HEARTBEAT_PERIOD_S
        self._bond.heartbeat_timeout = _HEARTBEAT_TIMEOUT_S
        self._bond.start()
        return True

    def end(self) -> None:
        """Break the bond on purpose, as when the node is deactivated."""
        bond, self._bond = self._bond, None
        if bond:
            bond.set_broken_callback(None)
            bond.shutdown()

    def _report_broken(self) -> None:
        self._node.get_logger().warning("the bond with the lifecycle manager is broken")
