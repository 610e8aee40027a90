"""Messages to systemd: ready, alive, stopping. Nothing happens outside a unit of Type=notify."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends states to the socket that systemd names in NOTIFY_SOCKET.

    Args:
        environment: where the socket is named.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # "@" stands for the null byte of an abstract socket: sd_notify(3).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._said: set[str] = set()

    def send(self, state: str) -> None:
        """Send a state such as "WATCHDOG=1"; a missing or closed socket is no error."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
                client.setblocking(False)
                client.sendto(state.encode(), self._address)
        except OSError:
            return

    def send_once(self, state: str) -> None:
        """Send a state that is announced a single time, such as "READY=1"."""
        if state not in self._said:
            self._said.add(state)
            self.send(state)
