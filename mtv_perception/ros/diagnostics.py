"""Messages on /diagnostics."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

_LONGEST = 300
"""Characters of a text in logs and diagnostics; the sentences of this package are shorter."""


def shorten(text: str, most: int = _LONGEST) -> str:
    """One line of at most `most` characters.

    A text from a message may be long, or hold newlines.
    """
    line = "".join(sign if sign.isprintable() else " " for sign in text[: most + 1])
    return line if len(line) <= most else f"{line[: most - 1]}…"


def make_status(
    name: str, hardware_id: str, level: bytes, message: str, values: Mapping[str, str]
) -> DiagnosticStatus:
    """A DiagnosticStatus with its values in order, and no text of any length."""
    pairs = [KeyValue(key=key, value=shorten(value)) for key, value in values.items()]
    return DiagnosticStatus(
        name=name,
        hardware_id=shorten(hardware_id),
        level=level,
        message=shorten(message),
        values=pairs,
    )


def diagnostic_array(stamp: object, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    """All of them in one message."""
    return DiagnosticArray(header=Header(stamp=stamp), status=statuses)
