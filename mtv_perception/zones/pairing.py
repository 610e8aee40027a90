"""Brings the messages about one image together, without waiting long for any of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

_KEPT = 8
DETECTIONS, STATUS, MASK = "detections", "status", "mask"


@dataclass
class Parts:
    """What has come about one image.

    Attributes:
        key: of the image: its stamp, and who published the messages.
        detections: the message, or None.
        status: the message, or None.
        mask: the message, or None.
        came: monotonic time at which the detections came, s.
        others: detections of the same image that came before, which one publisher does not send.
    """

    key: Hashable
    detections: Any = None
    status: Any = None
    mask: Any = None
    came: float = 0.0
    others: list[Any] = field(default_factory=list)


class Pairing:
    """Detections leave in the order of their images, each once, with the status of the same image.

    Detections without a status do not leave. A mask is waited for a little.

    Args:
        wants_mask: False lets detections pass without one.
        wait: how long detections wait for their mask, seconds.
        wants_status: False lets detections pass without a status.

    Attributes:
        without_mask: results that left without their mask.
        without_status: detections that were dropped for want of a status.
    """

    def __init__(self, wants_mask: bool, wait: float, wants_status: bool = True) -> None:
        self.without_mask = self.without_status = 0
        self._wants_mask, self._wait, self._wants_status = wants_mask, wait, wants_status
        self._parts: dict[Hashable, Parts] = {}
        self._dropped: list[Parts] = []

    def add(self, key: Hashable, kind: str, message: Any, now: float) -> list[Parts]:
        """What is complete once a message has come.

        Args:
            key: of its image.
            kind: DETECTIONS, STATUS or MASK.
            message: which is kept as it is.
            now: monotonic time, s.
        """
        parts = self._parts.setdefault(key, Parts(key))
        if kind == DETECTIONS and parts.detections is not None:
            parts.others.append(parts.detections)
        setattr(parts, kind, message)
        if kind == DETECTIONS:
            parts.came = now
        # Newer detections do not wait behind older ones whose mask is still to come.
        hurry = kind == DETECTIONS
        done = self._take(
            lambda item: (
                self._is_complete(item) or (hurry and item is not parts and self._is_usable(item))
            )
        )
        while len(self._parts) > _KEPT:
            done += self._leave(next(iter(self._parts)))
        return done

    def overdue(self, now: float) -> list[Parts]:
        """What has waited long enough for its mask."""
        return self._take(lambda item: self._is_usable(item) and now - item.came >= self._wait)

    def dropped(self) -> list[Parts]:
        """Detections that were dropped without a status since the last call."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def clear(self) -> None:
        """Forget everything that waits."""
        self._parts.clear()

    def _is_usable(self, parts: Parts) -> bool:
        return parts.detections is not None and (parts.status is not None or not self._wants_status)

    def _is_complete(self, parts: Parts) -> bool:
        return self._is_usable(parts) and (parts.mask is not None or not self._wants_mask)

    def _take(self, leaves: Callable[[Parts], bool]) -> list[Parts]:
        """Those that leave, in order, and what came before them."""
        chosen = [key for key, parts in self._parts.items() if leaves(parts)]
        if not chosen:
            return []
        keys = list(self._parts)
        return [parts for key in keys[: keys.index(chosen[-1]) + 1] for parts in self._leave(key)]

    def _leave(self, key: Hashable) -> list[Parts]:
        """What can be used, with or without its mask; the rest is dropped, and detections counted."""
        parts = self._parts.pop(key)
        if self._is_usable(parts):
            self.without_mask += self._wants_mask and parts.mask is None
            return [parts]
        if parts.detections is not None:
            self.without_status += 1
            self._dropped = [*self._dropped, parts][-_KEPT:]
        return []
