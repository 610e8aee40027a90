"""Messages as the plain values that the web page draws.

They are bounded, for anybody may publish them.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from mtv_perception.ros.diagnostics import shorten

_MOST_ITEMS = 100
_MOST_MARKERS = 300  # a zone has several
_MOST_CORNERS = 300
_MOST_CELLS = 40_000
# One letter a cell: unknown, free, marked (a rail), occupied.
_LETTERS = ((-1, "u"), (0, "f"), (50, "r"), (100, "o"))


def counts_by_class(message: Any) -> dict[str, int]:
    """How many detections of each class."""
    names = Counter(
        shorten(item.results[0].hypothesis.class_id) for item in message.detections if item.results
    )
    return dict(names.most_common(_MOST_ITEMS))


def zone_states(message: Any) -> list[dict[str, Any]]:
    """Name, state and reason of each zone; one row more tells of those that are left out."""
    zones, left_out = message.zones, 0
    if len(zones) > _MOST_ITEMS:
        zones, left_out = zones[: _MOST_ITEMS - 1], len(zones) - _MOST_ITEMS + 1
    rows = [
        {
            "name": shorten(zone.name),
            "state": ("occupied" if zone.occupied else "free") if zone.valid else "unknown",
            "reason": shorten(zone.reason),
        }
        for zone in zones
    ]
    if left_out:
        reason = f"this page shows {len(zones)} zones"
        rows.append({"name": f"{left_out} more", "state": "unknown", "reason": reason})
    return rows


def zone_outlines(message: Any) -> list[dict[str, Any]]:
    """Corners (m) and colour of each outline among the markers."""
    found = []
    for marker in message.markers[:_MOST_MARKERS]:
        if not 3 <= len(marker.points) <= _MOST_CORNERS:
            continue
        corners = [[p.x, p.y] for p in marker.points]
        if np.isfinite(corners).all():
            colour = [int(255 * min(max(c, 0.0), 1.0)) for c in _rgb(marker)]
            found.append({"corners": corners, "colour": colour})
    return found


def _rgb(marker: Any) -> tuple[float, float, float]:
    return marker.color.r, marker.color.g, marker.color.b


def places(message: Any) -> list[dict[str, Any]]:
    """Id, class and place of each measured object, m."""
    found = []
    for item in message.detections[:_MOST_ITEMS]:
        if not item.results:
            continue
        at = item.results[0].pose.pose.position
        if math.isfinite(at.x) and math.isfinite(at.y):
            name = shorten(item.results[0].hypothesis.class_id)
            found.append({"id": shorten(item.id), "class": name, "x": at.x, "y": at.y})
    return found


def floor_cells(message: Any) -> dict[str, Any] | None:
    """The grid as text, a letter a cell; None where it is too large, inconsistent or nowhere."""
    info = message.info
    count = int(info.width) * int(info.height)
    if not 0 < count <= _MOST_CELLS or count != len(message.data):
        return None
    place = info.origin.position
    resolution, x, y = float(info.resolution), float(place.x), float(place.y)
    if not all(map(math.isfinite, (resolution, x, y))) or resolution <= 0:
        return None
    values = np.array(message.data, np.int16)
    letters = np.full(count, "u")
    for value, letter in _LETTERS:
        letters[values == value] = letter
    return {
        "cells": "".join(letters.tolist()),
        "width": int(info.width),
        "resolution": resolution,
        "x": x,
        "y": y,
    }
