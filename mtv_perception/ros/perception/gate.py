"""When results may go out: one lock around the check and the publication."""

from __future__ import annotations

import threading
from collections.abc import Callable


def _always() -> bool:
    return True


class Gate:
    """Open while the node is active and enabled.

    Each opening, closing and exchange of the model begins a new epoch. A frame is admitted in one
    opening and worked on in one epoch; its result passes only in the same epoch. No epoch can begin
    between that check and the end of the publication.

    Args:
        may_deliver: asked together with the epoch; False for a frame that was given up.
    """

    def __init__(self, may_deliver: Callable[[], bool] = _always) -> None:
        self._may_deliver = may_deliver
        self._lock = threading.Lock()
        self._is_open = False
        self._opening = self._epoch = 0

    @property
    def epoch(self) -> int:
        """The number of the current epoch."""
        return self._epoch

    @property
    def opening(self) -> int | None:
        """The ticket of a frame that arrives now; None while the gate is closed."""
        with self._lock:
            return self._opening if self._is_open else None

    def set_open(self, is_open: bool) -> bool:
        """Open or close. Returns when no result of the time before can go out.

        True if this changed anything.
        """
        with self._lock:
            changed = is_open is not self._is_open
            if changed:
                self._is_open = is_open
                self._epoch += 1
                self._opening = self._epoch
            return changed

    def exchange(self, action: Callable[[], None]) -> None:
        """Run `action`, such as the exchange of the model, between two publications.

        A new epoch begins.
        """
        with self._lock:
            self._epoch += 1
            action()

    def enter(self, opening: int) -> int | None:
        """The epoch in which a frame is worked on; None if its opening is over."""
        with self._lock:
            return self._epoch if self._is_open and opening == self._opening else None

    def pass_through(self, epoch: int, publish: Callable[[], None]) -> bool:
        """Run `publish` if the frame's epoch still lasts; False if it does not."""
        with self._lock:
            if epoch != self._epoch or not self._is_open or not self._may_deliver():
                return False
            publish()
            return True
