"""What the demo measures: zone states against the truth, reaction to the camera's loss, distances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mtv_perception.demo.hall import ZONES, HallClip, HallObject
from mtv_perception.geometry.polygons import shared_points

OCCUPIED, FREE, UNKNOWN = "occupied", "free", "unknown"
_MS = 1_000_000


@dataclass(frozen=True)
class StateChange:
    """A zone message.

    Attributes:
        at_ns: arrival.
        stamp_ns: of the image behind it.
        states: by zone name.
        reasons: why a zone is unknown, by its name.
    """

    at_ns: int
    stamp_ns: int
    states: dict[str, str]
    reasons: dict[str, str]


@dataclass(frozen=True)
class HallRun:
    """What a run of the demo left behind.

    Attributes:
        stamps: of the images before the camera was cut off, in the clip's order.
        again: of those after it came back.
        changes: zone messages in order of arrival.
        objects: measured objects by stamp of the image.
        latencies_ms: stamp to publication of every result.
        model: its id.
    """

    stamps: tuple[int, ...]
    again: tuple[int, ...]
    changes: tuple[StateChange, ...]
    objects: dict[int, list[dict[str, Any]]]
    latencies_ms: tuple[float, ...]
    model: str


def read_run(
    lines: Sequence[dict[str, Any]], stamps: Sequence[int], again: Sequence[int]
) -> HallRun:
    """A run from the lines of the state log."""
    changes = [
        StateChange(
            line["at"],
            line["stamp"],
            {name: zone["state"] for name, zone in line["zones"].items()},
            {name: zone["reason"] for name, zone in line["zones"].items()},
        )
        for line in lines
        if line["kind"] == "zones"
    ]
    status = [line for line in lines if line["kind"] == "status"]
    return HallRun(
        tuple(stamps),
        tuple(again),
        tuple(changes),
        {line["stamp"]: line["objects"] for line in lines if line["kind"] == "objects"},
        tuple(line["latency_ms"] for line in status),
        status[-1]["model"] if status else "",
    )


def inside(zone: str, objects: Sequence[HallObject]) -> bool:
    """Whether something that the camera sees stands in a zone."""
    corners = np.array(ZONES[zone])
    return any(o.counts and len(shared_points(o.corners, corners)) > 0 for o in objects)


def state_at(run: HallRun, zone: str, at_ns: int) -> str:
    """What was known of a zone at a time."""
    state = UNKNOWN
    for change in run.changes:
        if change.at_ns > at_ns:
            break
        state = change.states.get(zone, UNKNOWN)
    return state


def reactions_ms(run: HallRun, clip: HallClip, zone: str) -> list[float]:
    """From the image in which something has entered a zone to the message that says so.

    For each entry; infinite where no message said so before the zone was empty again.
    """
    within = [inside(zone, objects) for objects in clip.frames[: len(run.stamps)]]
    return [
        _reaction_ms(run, zone, run.stamps[first], run.stamps[last])
        for first, last in _visits(within)
    ]


def _visits(within: Sequence[bool]) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.array([False, *within, False]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _reaction_ms(run: HallRun, zone: str, entered: int, last: int) -> float:
    if state_at(run, zone, entered) == OCCUPIED:
        return 0.0
    told = [
        change.at_ns
        for change in run.changes
        if entered <= change.stamp_ns <= last and change.states.get(zone) == OCCUPIED
    ]
    return (min(told) - entered) / _MS if told else math.inf


def unknown_share(run: HallRun, zone: str) -> float:
    """Share of the drive's results that left a zone unknown, 0..1; 1 without a result."""
    stamps = set(run.stamps)
    words = [c.states.get(zone, UNKNOWN) for c in run.changes if c.stamp_ns in stamps]
    return words.count(UNKNOWN) / len(words) if words else 1.0


def free_while_inside(run: HallRun, clip: HallClip, zone: str) -> int:
    """Messages that call a zone free for an image in which something stands in it.

    The image of the entry itself does not count: a footprint that only touches the edge decides it.
    """
    within = [inside(zone, objects) for objects in clip.frames]
    stays = dict(zip(run.stamps[1:], map(all, pairwise(within)), strict=False))
    return sum(
        change.states.get(zone) == FREE and stays.get(change.stamp_ns, False)
        for change in run.changes
    )


def distance_errors_cm(run: HallRun, clip: HallClip) -> list[tuple[float, float]]:
    """True distance (m) and error (cm) of every measured object that has a true one of its class near it."""
    rows = []
    for stamp, objects in zip(run.stamps, clip.frames, strict=False):
        for item in run.objects.get(stamp, []):
            peers = [o for o in objects if o.counts and o.name == item["class"]]
            gaps = [float(np.hypot(*(np.array(o.xy) - item["xyz"][:2]))) for o in peers]
            if gaps and min(gaps) < 1.5:
                near = peers[int(np.argmin(gaps))]
                rows.append((float(np.hypot(*near.xy)), 100 * _surface_gap(near, item["xyz"])))
    return rows


def _surface_gap(true: HallObject, xyz: Sequence[float]) -> float:
    """From a point to the true box on the floor, 0 inside of it, m."""
    c, s = np.cos(true.yaw), np.sin(true.yaw)
    offset = np.array([xyz[0] - true.xy[0], xyz[1] - true.xy[1]])
    own = np.abs([c * offset[0] + s * offset[1], c * offset[1] - s * offset[0]])
    return float(np.hypot(*np.maximum(own - np.array(true.size) / 2, 0)))


def cut_figures(run: HallRun) -> dict[str, float | str]:
    """How long after the last image the zones are unknown.

    And after the first new one known again, ms.
    """
    last = run.stamps[-1]
    lost = [c for c in run.changes if c.at_ns > last and set(c.states.values()) == {UNKNOWN}]
    first = run.again[0] if run.again else None
    back = [
        c
        for c in run.changes
        if first is not None and c.stamp_ns >= first and set(c.states.values()) != {UNKNOWN}
    ]
    reasons = [reason for c in lost for reason in c.reasons.values() if reason]
    return {
        "unknown_after_ms": (lost[0].at_ns - last) / _MS if lost else float("inf"),
        "known_again_after_ms": (
            (back[0].at_ns - first) / _MS if back and first is not None else float("inf")
        ),
        "reason": reasons[0] if reasons else "",
    }


def summarise(run: HallRun, clip: HallClip) -> dict[str, Any]:
    """All figures of a run."""
    reactions = {zone: reactions_ms(run, clip, zone) for zone in ZONES}
    every = [value for values in reactions.values() for value in values]
    answered = [value for value in every if math.isfinite(value)]
    errors = distance_errors_cm(run, clip)
    return {
        "model": run.model,
        "images": len(run.stamps),
        "results": len([s for s in run.stamps if s in run.objects]),
        "latency_ms": _quantiles(run.latencies_ms),
        "entries": {zone: len(values) for zone, values in reactions.items()},
        "entries_answered": len(answered),
        "reaction_ms": _quantiles(every),
        "answered_ms": _quantiles(answered),
        "unknown_share": {zone: round(unknown_share(run, zone), 3) for zone in ZONES},
        "free_while_inside": {zone: free_while_inside(run, clip, zone) for zone in ZONES},
        "distance_error_cm": _quantiles([error for _, error in errors]),
        "measured_objects": len(errors),
        **cut_figures(run),
    }


def _quantiles(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p95": None, "max": None}
    # One that never happened counts as infinite, which interpolation could not stand.
    p50, p95 = np.percentile(values, [50, 95], method="higher")
    return {"p50": float(p50), "p95": float(p95), "max": float(max(values))}
