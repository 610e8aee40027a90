"""The first thing a node process runs."""

from __future__ import annotations

from mtv_perception.ros.process.signals import end_at_once


def start(program: str) -> int:
    """Run a node program; a signal that comes while its modules are loaded ends it at once.

    Args:
        program: such as perception_node.

    Returns:
        The exit status.
    """
    end_at_once()
    from mtv_perception.ros.process.main import run

    return run(program)
