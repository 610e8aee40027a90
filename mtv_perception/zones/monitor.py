"""The zones of one camera over time: results in, states out; the same for a robot and for a recording."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from mtv_perception.geometry.camera import FloorCamera, Intrinsics
from mtv_perception.labels import LabelSet
from mtv_perception.types import NANOSECONDS
from mtv_perception.zones.config import CameraConfig, ZoneConfig, ZonesConfig
from mtv_perception.zones.judge import Evidence, Observation, ZoneJudge
from mtv_perception.zones.presence import Presence, State, Verdict

# The sides of a mask in the network's size are rounded to its stride; so much may its shape differ.
_MASK_ROUNDING = 0.03


@dataclass(frozen=True)
class ZoneStatus:
    """One zone at one moment; the fields of ZoneState.msg.

    Attributes:
        name: of the zone.
        valid: False when unknown; to be treated as occupied.
        occupied: meaningful while valid.
        since_ns: when valid and occupied took these values.
        stamp_ns: of the image behind the state; of the judgement while not valid.
        objects: inside, 0 while not valid.
        nearest_m: from the camera, m; NaN when not known.
        points_xy: `(N, 2)` occupied floor points, m.
    """

    name: str
    valid: bool
    occupied: bool
    since_ns: int
    stamp_ns: int
    objects: int = 0
    nearest_m: float = math.nan
    points_xy: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))


@dataclass
class Admission:
    """What became of the results: received = used + late + early + out_of_order.

    Attributes:
        used: judged.
        late: older than the deadline when they came.
        early: stamped in the future.
        out_of_order: not newer than one that was judged.
    """

    used: int = 0
    late: int = 0
    early: int = 0
    out_of_order: int = 0


@dataclass
class _Zone:
    judge: ZoneJudge
    presence: Presence
    seen_ns: int | None = None
    last_hit: Evidence = field(default_factory=lambda: Evidence(None))


class CameraMonitor:
    """Judges one camera's results and says what holds.

    Args:
        camera: what is watched.
        timing: deadline and time jump.
        labels: names of the class ids.
        intrinsics: calibration; the configured one wins. May be None for image zones only.
        since_ns: the time from which on the zones are unknown.

    Raises:
        ValueError: a zone's class is unknown, or floor zones have no calibration.
    """

    def __init__(
        self,
        camera: CameraConfig,
        timing: ZonesConfig,
        labels: LabelSet,
        intrinsics: Intrinsics | None,
        since_ns: int = 0,
    ) -> None:
        self.admission = Admission()
        self._deadline_ns = round(timing.deadline * NANOSECONDS)
        self._jump_ns = round(timing.time_jump * NANOSECONDS)
        self._newest_ns: int | None = None
        mounting = camera.mounting()
        if camera.intrinsics:
            intrinsics = camera.intrinsics.intrinsics()
        self.floor = FloorCamera(intrinsics, mounting) if intrinsics and mounting else None
        self._zones = [_make_zone(zone, labels, self.floor, since_ns) for zone in camera.zones]

    @property
    def blind_zones(self) -> list[str]:
        """Zones that can never be free, because too little of them lies in the image."""
        return [
            z.judge.zone.name for z in self._zones if z.judge.visible < z.judge.zone.min_visible
        ]

    def observe(self, seen: Observation, now_ns: int) -> bool:
        """Take a result into account.

        Args:
            seen: the result.
            now_ns: the time on the clock of the stamps.

        Returns:
            False when it is late, early or out of order, and was counted as such.

        Raises:
            ValueError: the mask is of another shape than the image.
        """
        self._check_mask(seen.mask)
        self._notice_jump(seen.stamp_ns, now_ns)
        if now_ns - seen.stamp_ns > self._deadline_ns:
            self.admission.late += 1
        elif seen.stamp_ns - now_ns > self._deadline_ns:
            self.admission.early += 1
        elif self._newest_ns is not None and seen.stamp_ns <= self._newest_ns:
            self.admission.out_of_order += 1
        else:
            self.admission.used += 1
            self._newest_ns = seen.stamp_ns
            for zone in self._zones:
                _judge(zone, seen)
            return True
        return False

    def states(self, now_ns: int) -> tuple[ZoneStatus, ...]:
        """What holds now, zone by zone in the order of the configuration."""
        for zone in self._zones:
            fresh = (
                zone.seen_ns is not None
                and -self._jump_ns <= now_ns - zone.seen_ns <= self._deadline_ns
            )
            if not fresh and zone.presence.state is not State.UNKNOWN:
                zone.presence.forget(now_ns)
        return tuple(_status(zone, now_ns) for zone in self._zones)

    def forget(self, now_ns: int) -> None:
        """Know nothing any more, as after a jump of the clock."""
        self._newest_ns = None
        for zone in self._zones:
            zone.presence.forget(now_ns)
            zone.seen_ns = None

    def _check_mask(self, mask: np.ndarray | None) -> None:
        if mask is None or self.floor is None:
            return
        height, width = self.floor.intrinsics.size_hw
        if (
            not min(mask.shape)
            or abs(mask.shape[0] * width / (mask.shape[1] * height) - 1) > _MASK_ROUNDING
        ):
            raise ValueError(f"Expected a mask of a {height}x{width} image, got {mask.shape}.")

    def _notice_jump(self, stamp_ns: int, now_ns: int) -> None:
        """A new timeline begins when the clock itself has gone back behind what was seen."""
        newest = self._newest_ns
        if newest is not None and newest - max(now_ns, stamp_ns) > self._jump_ns:
            self.forget(now_ns)


def _make_zone(
    zone: ZoneConfig, labels: LabelSet, camera: FloorCamera | None, since_ns: int
) -> _Zone:
    class_ids = tuple(labels.id_of(name) for name in zone.classes)
    leave_ns = round(zone.leave_seconds * NANOSECONDS)
    presence = Presence(zone.enter_results, zone.leave_results, leave_ns, since_ns=since_ns)
    return _Zone(ZoneJudge(zone, class_ids, camera), presence)


def _judge(zone: _Zone, seen: Observation) -> None:
    evidence = zone.judge.judge(seen)
    if evidence.verdict is None:
        return  # Nothing learnt: the last verdict stands until the deadline.
    if zone.seen_ns is None or seen.stamp_ns > zone.seen_ns:
        zone.seen_ns = seen.stamp_ns
    if evidence.verdict is Verdict.OCCUPIED:
        zone.last_hit = evidence
    zone.presence.update(evidence.verdict, seen.stamp_ns)


def _status(zone: _Zone, now_ns: int) -> ZoneStatus:
    state, name, since = zone.presence.state, zone.judge.zone.name, zone.presence.since_ns
    if state is State.UNKNOWN or zone.seen_ns is None:
        return ZoneStatus(name, False, False, since, now_ns)
    status = ZoneStatus(name, True, state is State.OCCUPIED, since, zone.seen_ns)
    if state is State.FREE:
        return status
    hit = zone.last_hit
    return replace(status, objects=hit.objects, nearest_m=hit.nearest_m, points_xy=hit.points_xy)


def replay(
    monitor: CameraMonitor, results: Iterable[tuple[int, Observation]]
) -> list[tuple[int, tuple[ZoneStatus, ...]]]:
    """The states after each of a recording's results.

    Args:
        monitor: fresh.
        results: time of arrival (nanoseconds) and result, in order of arrival.

    Returns:
        The time and the states for each result that was used.
    """
    return [(now, monitor.states(now)) for now, seen in results if monitor.observe(seen, now)]
