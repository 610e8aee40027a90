"""Recovery of the network: what hangs is given up, what fails again and again is loaded afresh."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from mtv_perception.ros.perception.engine import Engine
from mtv_perception.ros.perception.worker import NewestFrameWorker

_FAILURES_IN_A_ROW = 3
# Each thread that never returns keeps a copy of the model in memory.
_MOST_LEFT_BEHIND = 3
_LOG_PERIOD = 5.0


class Watchdog:
    """Looks after the worker; one recovery at a time, and at most one every `network_timeout`.

    Args:
        node: whose log is written.
        worker: looked after.
        engine: loads the model.
        recovered: called from the loading thread when another perceiver serves.

    Attributes:
        failures: frames in a row that ended with an error other than a broken image.
        recoveries: that succeeded.
        fault: why no frame is processed, empty when all is well.
    """

    def __init__(
        self,
        node: Node,
        worker: NewestFrameWorker[Any],
        engine: Engine,
        recovered: Callable[[], None],
    ) -> None:
        self.failures = self.recoveries = 0
        self.fault = ""
        self._node, self._worker, self._engine, self._recovered = node, worker, engine, recovered
        self._reason = ""
        self._abandoned = self._loading = False
        self._tried_at = float("-inf")

    def check(self, network_timeout: float) -> None:
        """Look once; called every second in the executor's thread."""
        if not self._loading:
            self._judge(network_timeout)
        now = time.monotonic()
        if self._reason and not self._loading and now - self._tried_at >= network_timeout:
            self._loading, self._tried_at = True, now
            self.fault = f"{self._reason}; the model is being loaded afresh"
            self._node.get_logger().error(self.fault, throttle_duration_sec=_LOG_PERIOD)
            self._engine.refresh_async(self._loaded)

    def _judge(self, network_timeout: float) -> None:
        if not self._reason:
            self.fault = ""
        busy = self._worker.busy_seconds()
        if busy > network_timeout:
            if self._worker.left_behind() >= _MOST_LEFT_BEHIND:
                self.fault = f"the network hangs, after {_MOST_LEFT_BEHIND} copies that still do: restart the node"
            elif self._worker.abandon():
                self._abandoned, self._reason = True, f"the network hung for {busy:.1f} s"
        elif self.failures >= _FAILURES_IN_A_ROW and not self._reason:
            self._reason = f"{self.failures} images in a row failed"

    def _loaded(self, error: str) -> None:
        """Called from the engine's loading thread."""
        if error:
            self.fault = f"{self._reason}; the model can't be loaded afresh: {error}"
            self._node.get_logger().error(self.fault, throttle_duration_sec=_LOG_PERIOD)
        else:
            self.recoveries += 1
            self._node.get_logger().warning(
                f"recovered: {self._reason}", throttle_duration_sec=_LOG_PERIOD
            )
            self.failures, self.fault, self._reason = 0, "", ""
            if self._abandoned:
                self._abandoned = False
                self._worker.start()
            self._recovered()
        self._loading = False
