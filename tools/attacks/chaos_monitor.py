"""What must hold of everything that chaos.py's nodes publish."""

from __future__ import annotations

import collections
from dataclasses import dataclass

from vision_msgs.msg import Detection2DArray

from mtv_perception.msg import PerceptionStatus, ZoneStateArray
from mtv_perception.ros.conversions import stamp_ns

SIZE_HW = (120, 160)
SECOND = 1_000_000_000
DEADLINE_S, SLACK_S = 0.5, 0.05


@dataclass(frozen=True)
class Truth:
    """What an image showed: its size, whether a person was in the zone, whether it was broken."""

    size_hw: tuple[int, int] = SIZE_HW
    person: bool = False
    broken: bool = False
    is_odd: bool = False  # Its stamp is not unique, so that results can't be told apart.


class Monitor:
    """Compares what is published with what was sent; knows nothing of how the nodes work.

    Attributes:
        violations: one line each.
        checked: messages by kind.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.checked: collections.Counter[str] = collections.Counter()
        self._truth: dict[int, Truth] = {}
        self._results: set[int] = set()
        self._classes: dict[int, list[str]] = {}
        self._numbers: dict[int, list[str]] = {}
        self._silent: list[tuple[int, int]] = []
        self._silent_since: int | None = None

    def sent(self, stamp: int, truth: Truth) -> None:
        """An image was sent."""
        self._truth[stamp] = truth

    def silence(self, now: int) -> None:
        """The node has confirmed that it is silent (system time, nanoseconds)."""
        self._silent_since = now

    def speech(self, now: int) -> None:
        """The node is about to be asked to speak again, or to be started again."""
        if self._silent_since is not None:
            self._silent.append((self._silent_since, now))
        self._silent_since = None

    def detections(self, message: Detection2DArray, published: int) -> None:
        """Check an array; `published` is its source time, nanoseconds."""
        self.checked["detections"] += 1
        stamp = stamp_ns(message.header)
        truth = self._truth.get(stamp)
        if truth is None:
            self._report(f"a result of stamp {stamp}, which was never sent")
            return
        if truth.is_odd:
            return
        if truth.broken:
            self._report(f"a result of a broken image: {len(message.detections)} detections")
        if stamp in self._results:
            self._report(f"two results of stamp {stamp}")
        self._results.add(stamp)
        if any(begin < published < end for begin, end in self._silent) or (
            self._silent_since is not None and published > self._silent_since
        ):
            self._report(f"a result while silent, {published}")
        ids = [item.results[0].hypothesis.class_id for item in message.detections]
        if len(ids) != truth.person and not truth.broken:
            self._report(f"expected {int(truth.person)} persons, got {ids}")
        if any(item.isdigit() for item in ids):
            self._numbers[stamp] = ids
            self._check_numbers(stamp)
        elif any(item != "person" for item in ids):
            self._report(f"a person called {ids}")

    def status(self, message: PerceptionStatus, published: int) -> None:
        """Check a status."""
        self.checked["status"] += 1
        stamp = stamp_ns(message.header)
        truth = self._truth.get(stamp)
        if truth is None or truth.is_odd:
            return
        size = (message.source_height, message.source_width)
        if size != truth.size_hw:
            self._report(f"a status of size {size}, the image had {truth.size_hw}")
        done = message.processed + message.dropped + message.stale + message.failed
        if done > message.received:
            self._report(f"{done} images done of {message.received} received")
        self._classes[stamp] = list(message.classes)
        self._check_numbers(stamp)

    def zones(self, message: ZoneStateArray, published: int) -> None:
        """Check the zone's state."""
        self.checked["zones"] += 1
        (state,) = message.zones
        stamp = stamp_ns(state.header)
        truth = self._truth.get(stamp)
        if not state.valid:
            self.checked["unknown"] += 1
            return
        self.checked["occupied" if state.occupied else "free"] += 1
        if truth is None or truth.is_odd:
            self._report(f"a valid zone of stamp {stamp}, which no usable image has")
        elif not state.occupied and truth.person:
            self._report(f"FREE with a person inside, stamp {stamp}")
        elif truth.size_hw != SIZE_HW and not state.occupied:
            self._report("free by an image of another size")
        if published - stamp > (DEADLINE_S + SLACK_S) * SECOND:
            self._report(f"a valid zone {(published - stamp) / SECOND:.3f} s old")

    def _check_numbers(self, stamp: int) -> None:
        """Numbers mean what the status of the same stamp says."""
        ids, classes = self._numbers.get(stamp), self._classes.get(stamp)
        if ids and classes and any(classes[int(item)] != "person" for item in ids):
            self._report(f"a person with the numbers {ids} of {classes}")

    def _report(self, text: str) -> None:
        self.violations.append(text)
