"""Senders that take turns where one is expected."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

# Who was heard within so many seconds is not forgotten: a node that was started again has new
# publishers, and the ones before are not heard again.
REMEMBERED = 10.0

K = TypeVar("K", bound=Hashable)


class Turns(Generic[K]):
    """Notices who is heard again after another: both are there."""

    def __init__(self) -> None:
        self._last: K | None = None
        self._heard: dict[K, float] = {}
        self._turned_at, self._rivals = -REMEMBERED, frozenset[K]()

    def notice(self, sender: K, at: float) -> None:
        """A sender is heard.

        Args:
            sender: who.
            at: steady clock, seconds.
        """
        self._heard = {k: then for k, then in self._heard.items() if at - then <= REMEMBERED}
        if sender != self._last and sender in self._heard:
            self._turned_at, self._rivals = at, frozenset(self._heard)
        self._last, self._heard[sender] = sender, at

    def rivals(self, at: float) -> frozenset[K]:
        """Who took turns lately; empty where nobody did."""
        return self._rivals if at - self._turned_at < REMEMBERED else frozenset()
