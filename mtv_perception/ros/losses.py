"""Messages that were published and never reached a subscription."""

from __future__ import annotations

from typing import Any

from mtv_perception.ros.transforms import publisher_gid

# What the middleware says where it does not number messages.
_NOT_TOLD = 2**64 - 1


class Losses:
    """Counts the gaps in the numbers that each publisher gives its messages.

    These are messages that the network dropped, and those that newer ones pushed out of a queue
    while the process was busy. For the latter the middleware has no event.

    Attributes:
        is_told: whether the middleware numbers messages.
        total: messages lost so far.
    """

    def __init__(self) -> None:
        self.is_told, self.total = False, 0
        self._last: dict[bytes, int] = {}

    def missed(self, info: Any) -> int:
        """How many messages are missing between the one before and this one, of the same publisher.

        Args:
            info: rclpy's message info.

        Returns:
            -1 for a late one that was counted before.
        """
        number = info.get("publication_sequence_number") if isinstance(info, dict) else None
        if not number or number >= _NOT_TOLD:
            return 0
        self.is_told = True
        publisher, number = publisher_gid(info), int(number)
        last = self._last.get(publisher, number - 1)
        self._last[publisher] = max(last, number)
        # A late message was counted as missing before.
        missing = number - last - 1 if number > last else -1 if number < last else 0
        missing = max(missing, -self.total)
        self.total += missing
        return missing
