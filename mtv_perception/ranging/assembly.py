"""Brings detections, mask and depth of one moment together.

Detections never wait long for the others.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

# Masks, depth images and statuses for which no detections wait.
_KEPT = 8


@dataclass(frozen=True)
class Moment:
    """What is known of one image.

    Attributes:
        stamp_ns: of the image.
        detections: as they were given.
        mask: of the same stamp, or None.
        depth: of the nearest stamp within the tolerance, or None.
        status: what came about the image and its model, or None.
        depth_off_ns: where depth is None, how far the nearest one lies from the image in time; None
            without any.
    """

    stamp_ns: int
    detections: Any
    mask: Any = None
    depth: Any = None
    status: Any = None
    depth_off_ns: int | None = None


class Assembler:
    """Pairs by stamp: the mask exactly, depth approximately. Detections leave in order, each once.

    Args:
        wants_mask: wait for masks.
        wants_depth: wait for depth.
        wait_s: longest wait of detections for the others, seconds.
        tolerance_ns: how far depth may lie from the image in time.

    Attributes:
        wants_status: wait for the status.
        without_mask: detections that left without their mask, though masks are wanted.
        without_depth: the same for depth.
    """

    def __init__(
        self, wants_mask: bool, wants_depth: bool, wait_s: float, tolerance_ns: int
    ) -> None:
        self._wants_mask, self._wants_depth = wants_mask, wants_depth
        self.set_limits(wait_s, tolerance_ns)
        self._waiting: OrderedDict[int, tuple[Any, float]] = OrderedDict()
        self._masks: OrderedDict[int, Any] = OrderedDict()
        self._depths: OrderedDict[int, Any] = OrderedDict()
        self._statuses: OrderedDict[int, Any] = OrderedDict()
        self.wants_status = False
        self.without_mask = self.without_depth = 0

    def set_limits(self, wait_s: float, tolerance_ns: int) -> None:
        """Wait and pair by other limits from now on."""
        self._wait_s, self._tolerance_ns = wait_s, tolerance_ns

    def add_detections(self, stamp_ns: int, detections: Any, now: float) -> list[Moment]:
        """What is complete once the detections of a stamp came, at monotonic time `now` (s)."""
        before = self._leave(stamp_ns) if stamp_ns in self._waiting else []
        self._waiting[stamp_ns] = (detections, now)
        return [*before, *self.release(now)]

    def add_mask(self, stamp_ns: int, mask: Any, now: float) -> list[Moment]:
        """What is complete once a mask came."""
        self._keep(self._masks, stamp_ns, mask)
        return self.release(now)

    def add_depth(self, stamp_ns: int, depth: Any, now: float) -> list[Moment]:
        """What is complete once a depth image came."""
        self._keep(self._depths, stamp_ns, depth, self._tolerance_ns)
        return self.release(now)

    def add_status(self, stamp_ns: int, status: Any, now: float) -> list[Moment]:
        """What is complete once the status of an image came."""
        self._keep(self._statuses, stamp_ns, status)
        return self.release(now)

    def release(self, now: float) -> list[Moment]:
        """What is complete, or has waited long enough; whatever came before it goes first."""
        ready = [
            stamp
            for stamp, (_, since) in self._waiting.items()
            if now - since >= self._wait_s or self._complete(stamp)
        ]
        return self._leave(ready[-1]) if ready else []

    def _leave(self, last: int) -> list[Moment]:
        """Detections up to those of a stamp, in the order in which they came."""
        stamps = list(self._waiting)
        return [self._moment(stamp) for stamp in stamps[: stamps.index(last) + 1]]

    def _complete(self, stamp_ns: int) -> bool:
        masked = not self._wants_mask or stamp_ns in self._masks
        told = not self.wants_status or stamp_ns in self._statuses
        return masked and told and (not self._wants_depth or self._depth_is_best(stamp_ns))

    def _depth_is_best(self, stamp_ns: int) -> bool:
        """Whether no better depth can come.

        One within the tolerance is here: of the same stamp, or any once a later image has come.
        """
        nearest = self._nearest(stamp_ns)
        if nearest is None:
            return False
        last = next(reversed(self._depths))  # Later ones may be of a round that is over.
        return nearest == stamp_ns or stamp_ns <= last

    def _nearest(self, stamp_ns: int) -> int | None:
        off = self._nearest_off(stamp_ns)
        return None if off is None or abs(off) > self._tolerance_ns else stamp_ns + off

    def _nearest_off(self, stamp_ns: int) -> int | None:
        return min((stamp - stamp_ns for stamp in self._depths), key=abs, default=None)

    def _moment(self, stamp_ns: int) -> Moment:
        detections, _ = self._waiting.pop(stamp_ns)
        mask, nearest = self._masks.pop(stamp_ns, None), self._nearest(stamp_ns)
        depth = None if nearest is None else self._depths[nearest]
        self.without_mask += self._wants_mask and mask is None
        self.without_depth += self._wants_depth and depth is None
        status = self._statuses.pop(stamp_ns, None)
        off = self._nearest_off(stamp_ns) if depth is None else None
        return Moment(stamp_ns, detections, mask, depth, status, off)

    def _keep(
        self, store: OrderedDict[int, Any], stamp_ns: int, value: Any, off_ns: int = 0
    ) -> None:
        """Keep what waiting detections may need, and the newest of the rest.

        Args:
            store: where.
            stamp_ns: of the value.
            value: what.
            off_ns: how far its stamp may lie from that of detections.
        """
        store[stamp_ns] = value
        spare = [
            stamp
            for stamp in store
            if not any(abs(stamp - awaited) <= off_ns for awaited in self._waiting)
        ]
        for stamp in spare[:-_KEPT]:
            del store[stamp]
