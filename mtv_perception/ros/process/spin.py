"""One node, one single-threaded executor, a clean end on SIGINT and SIGTERM."""

from __future__ import annotations

import faulthandler
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from mtv_perception.errors import ConfigError, MtvError
from mtv_perception.ros.parameters import unused_overrides
from mtv_perception.ros.process.params_file import ParamsFile, unmatched, unmatched_rules
from mtv_perception.ros.process.signals import watch
from mtv_perception.ros.process.startup import explain

# Seconds for leaving the graph; after them the process ends with status 1, saying where it was.
_LONGEST_GOODBYE = 5.0
_USAGE = 2


def spin(
    make_node: Callable[[], Node],
    args: Sequence[str] | None = None,
    ready: Callable[[Any], None] | None = None,
    params_files: Sequence[ParamsFile] = (),
) -> int:
    """Run a node until it is told to stop.

    A MultiThreadedExecutor starves the inference thread, so there is one thread for callbacks and
    the node's own for work. The order of the end matters: executor, worker, node, context.

    Args:
        make_node: builds the node once rclpy is up.
        args: command line without the program's name, ROS arguments included.
        ready: called with the node before spinning.
        params_files: those of the command line, to warn about settings that no node of them uses.

    Returns:
        The exit status: 2 when the node can't be built, else its own `exit_status`, or 1 when it
        says that it has `failed`.

    Raises:
        ConfigError: ROS can't start with these arguments or in this environment.
    """
    stopping = watch()
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except (rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError) as error:
        raise ConfigError(explain(error)) from error
    try:
        node = make_node()
    except (
        MtvError,
        ParameterException,
        NameValidationException,
        rclpy_implementation.RCLError,
    ) as error:
        of_ros = isinstance(error, rclpy_implementation.RCLError)
        get_logger("mtv_perception").fatal(explain(error) if of_ros else str(error))
        rclpy.try_shutdown()
        return _USAGE
    for warning in [
        *unmatched(list(params_files), node.get_fully_qualified_name()),
        *unmatched_rules(args or (), node.get_fully_qualified_name()),
        *unused_overrides(node),
    ]:
        node.get_logger().warning(warning)
    _spin(node, stopping, ready)
    return int(getattr(node, "exit_status", getattr(node, "failed", False)))


def _spin(node: Node, stopping: list[int], ready: Callable[[Any], None] | None) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if ready and not stopping:
            ready(node)
        while not stopping and rclpy.ok() and not getattr(node, "finished", False):
            _spin_once(executor, node)
    except ExternalShutdownException:
        pass
    finally:
        executor.shutdown()
        close = getattr(node, "close", None)
        if close:
            close()
        # Fast DDS can wait for ever for its lock while it closes a connection to a process that was
        # killed.
        faulthandler.dump_traceback_later(_LONGEST_GOODBYE, exit=True)
        node.destroy_node()
        rclpy.try_shutdown()
        faulthandler.cancel_dump_traceback_later()


def _spin_once(executor: SingleThreadedExecutor, node: Node) -> None:
    """Run one callback; an exception in it is logged and ends nothing."""
    try:
        executor.spin_once(timeout_sec=0.5)
    except ExternalShutdownException:
        raise
    except Exception as error:
        node.get_logger().error(
            f"a callback failed: {type(error).__name__}: {error}", throttle_duration_sec=5.0
        )
        node.get_logger().debug(traceback.format_exc())
