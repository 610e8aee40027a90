"""Signals that ask a node process to stop, noted from the first moment on."""

from __future__ import annotations

import os
import signal

_STOP = (signal.SIGINT, signal.SIGTERM)


def watch() -> list[int]:
    """Install handlers that note the signals which ask for a stop; the list they are noted in."""
    stopping: list[int] = []
    for number in _STOP:
        signal.signal(number, lambda received, _: stopping.append(received))
    return stopping


def ignore() -> None:
    """Ignore them from now on.

    The interpreter restores the default handlers while it ends; another Ctrl-C would kill it then.
    """
    for number in _STOP:
        signal.signal(number, signal.SIG_IGN)


def end_at_once() -> None:
    """Let them end the process at once, while there is nothing to close yet."""
    for number in _STOP:
        signal.signal(number, lambda *_: os._exit(0))
