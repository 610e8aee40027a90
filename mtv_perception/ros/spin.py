"""Running one node in a process: one node, one single-threaded executor, a clean end on SIGINT and SIGTERM."""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from mtv_perception.errors import MtvError

# Seconds for taking leave of the graph; after them the process ends with status 1, saying where it was.
_LONGEST_GOODBYE = 5.0


def spin(
    make_node: Callable[[], Node],
    args: Sequence[str] | None = None,
    ready: Callable[[Any], None] | None = None,
) -> int:
    """Run a node until it is told to stop.

    A MultiThreadedExecutor starves the inference thread, so there is one thread for callbacks and the node's own for
    work. The order of the end matters: executor, worker, node, context.

    Args:
        make_node: builds the node once rclpy is up.
        args: command line, ROS arguments included.
        ready: called with the node before spinning.

    Returns:
        The exit status: 1 when the node can't be built or says that it has `failed`.
    """
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: stopping.append(received))
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = make_node()
    except (MtvError, ParameterException) as error:
        get_logger("mtv_perception").fatal(str(error))
        rclpy.try_shutdown()
        return 1
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if ready and not stopping:
            ready(node)
        while not stopping and rclpy.ok() and not getattr(node, "finished", False):
            executor.spin_once(timeout_sec=0.5)
    except ExternalShutdownException:
        pass
    finally:
        executor.shutdown()
        close = getattr(node, "close", None)
        if close:
            close()
        # Fast DDS can wait for ever for its lock while it closes a connection to a process that was killed.
        faulthandler.dump_traceback_later(_LONGEST_GOODBYE, exit=True)
        node.destroy_node()
        rclpy.try_shutdown()
        faulthandler.cancel_dump_traceback_later()
    return int(getattr(node, "failed", False))
