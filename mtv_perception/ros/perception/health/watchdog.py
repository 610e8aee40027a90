"""Recovery of the network: a hanging one is given up.

One that fails again and again is loaded again.
"""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node

from mtv_perception.ros.perception.slot import ModelSlot
from mtv_perception.ros.perception.worker import NewestFrameWorker

_FAILURES_IN_A_ROW = 3
# Each thread that never returns keeps a copy of the model in memory.
_MOST_LEFT_BEHIND = 3
_LOG_PERIOD = 5.0


class Watchdog:
    """Watches the worker; one recovery at a time, and at most one every `network_timeout`.

    Args:
        node: whose log is written.
        worker: watched.
        slot: loads the model again.

    Attributes:
        recoveries: that succeeded.
        error: why no frame is processed, empty when all is well.
        exhausted: True when only a new process can help.
    """

    def __init__(self, node: Node, worker: NewestFrameWorker[Any], slot: ModelSlot) -> None:
        self.recoveries = 0
        self.error = ""
        self.exhausted = False
        self._node, self._worker, self._slot = node, worker, slot
        self._failures = 0
        self._reason = ""
        self._abandoned = self._loading = False
        self._tried_at = float("-inf")

    def failed(self) -> None:
        """A frame ended with an error other than a broken image."""
        self._failures += 1

    def succeeded(self) -> None:
        """A result went out."""
        self._failures = 0

    def check(self, network_timeout: float) -> None:
        """Look once; called every second in the executor's thread."""
        if not self._loading:
            self._judge(network_timeout)
        now = time.monotonic()
        if self._reason and not self._loading and now - self._tried_at >= network_timeout:
            self._loading, self._tried_at = True, now
            self.error = f"{self._reason}; the model is being loaded again"
            self._node.get_logger().error(self.error, throttle_duration_sec=_LOG_PERIOD)
            self._slot.reload(None, self._loaded)

    def _judge(self, network_timeout: float) -> None:
        if not self._reason:
            self.error, self.exhausted = "", False
        busy = self._worker.busy_seconds()
        if busy > network_timeout:
            if self._worker.left_behind() >= _MOST_LEFT_BEHIND:
                self.exhausted = True
                self.error = (
                    f"the network hangs, after {_MOST_LEFT_BEHIND} copies that still hang: "
                    "the process must be started again"
                )
            elif self._worker.abandon():
                self._abandoned, self._reason = True, f"the network hung for {busy:.1f} s"
        elif self._failures >= _FAILURES_IN_A_ROW and not self._reason:
            self._reason = f"{self._failures} images in a row failed"

    def _loaded(self, error: str) -> None:
        """Called in the executor's thread."""
        self._loading = False
        if error:
            self.error = f"{self._reason}; the model can't be loaded again: {error}"
            self._node.get_logger().error(self.error, throttle_duration_sec=_LOG_PERIOD)
            return
        self.recoveries += 1
        self._node.get_logger().warning(
            f"recovered: {self._reason}", throttle_duration_sec=_LOG_PERIOD
        )
        self._failures, self.error, self._reason = 0, "", ""
        if self._abandoned:
            self._abandoned = False
            self._worker.start()
