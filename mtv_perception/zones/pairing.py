"""Brings the detections and the mask of one image together, without waiting long for either."""

from __future__ import annotations

from typing import Generic, TypeVar

D = TypeVar("D")
M = TypeVar("M")

_MASKS_KEPT = 4


class Pairing(Generic[D, M]):
    """Pairs by stamp. Detections leave in order, each once: with their mask, or without when it does not come.

    Args:
        wants_mask: False lets detections pass at once.
        wait: how long detections wait for their mask, seconds.
    """

    def __init__(self, wants_mask: bool, wait: float) -> None:
        self._wants_mask, self._wait = wants_mask, wait
        self._waiting: tuple[int, D, float] | None = None
        self._masks: dict[int, M] = {}
        self.without_mask = 0

    def add_detections(
        self, stamp_ns: int, detections: D, now: float
    ) -> list[tuple[int, D, M | None]]:
        """What is complete once the detections of a stamp have come, at monotonic time `now` (s)."""
        if not self._wants_mask:
            return [(stamp_ns, detections, None)]
        done = self._give_up()
        self._waiting = (stamp_ns, detections, now)
        return done + self._complete()

    def add_mask(self, stamp_ns: int, mask: M) -> list[tuple[int, D, M | None]]:
        """What is complete once the mask of a stamp has come."""
        self._masks[stamp_ns] = mask
        while len(self._masks) > _MASKS_KEPT:
            del self._masks[next(iter(self._masks))]
        return self._complete()

    def overdue(self, now: float) -> list[tuple[int, D, M | None]]:
        """What has waited long enough."""
        if self._waiting and now - self._waiting[2] >= self._wait:
            return self._give_up()
        return []

    def _complete(self) -> list[tuple[int, D, M | None]]:
        if self._waiting is None or self._waiting[0] not in self._masks:
            return []
        stamp, detections, _ = self._waiting
        self._waiting = None
        mask = self._masks.pop(stamp)
        return [(stamp, detections, mask)]

    def _give_up(self) -> list[tuple[int, D, M | None]]:
        if self._waiting is None:
            return []
        stamp, detections, _ = self._waiting
        self._waiting = None
        self.without_mask += 1
        return [(stamp, detections, None)]
