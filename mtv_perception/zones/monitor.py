"""The zones of one camera over time: results in, states out.

The same for a robot and for a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from mtv_perception.types import NANOSECONDS
from mtv_perception.zones.config import FLOOR, CameraConfig, ZoneConfig, ZonesConfig
from mtv_perception.zones.judge import Evidence, Observation, ZoneJudge
from mtv_perception.zones.presence import State, Verdict, ZonePresence
from mtv_perception.zones.source import DetectionSource, View, check_mask, why_unusable
from mtv_perception.zones.status import Admission, ZoneStatus

NO_RESULT = "no result yet"


@dataclass
class _Zone:
    config: ZoneConfig
    presence: ZonePresence
    judge: ZoneJudge | None = None
    basis: tuple[object, ...] = ()
    changed_ns: int | None = None
    seen_ns: int | None = None
    last_hit: Evidence = field(default_factory=lambda: Evidence(None))
    reason: str = NO_RESULT
    lacking: str = ""

    def forget(self, now_ns: int, reason: str) -> None:
        """Know nothing, and say why."""
        self.presence.forget(now_ns)
        self.seen_ns, self.reason = None, reason


class CameraMonitor:
    """Judges one camera's results and says what holds.

    Args:
        camera: what is watched.
        timing: deadline and time jump.
        since_ns: the time from which on the zones are unknown.

    Attributes:
        admission: what became of the results.
        refusal: why the last result that was not used was not.
    """

    def __init__(self, camera: CameraConfig, timing: ZonesConfig, since_ns: int = 0) -> None:
        self.admission, self.refusal = Admission(), ""
        self._image_hw, self._deadline = camera.image_hw, timing.deadline
        self._deadline_ns = round(timing.deadline * NANOSECONDS)
        self._ahead_ns = round(timing.ahead * NANOSECONDS)
        self._jump_ns = round(timing.time_jump * NANOSECONDS)
        self._newest_ns: int | None = None
        self._sender: tuple[object, ...] = ()
        self._rival_ns: int | None = None
        self._zones = [_new_zone(zone, since_ns) for zone in camera.zones]

    def observe(self, seen: Observation, now_ns: int) -> bool:
        """Take a result into account.

        Args:
            seen: the result.
            now_ns: the time on the clock of the stamps.

        Returns:
            False when it is late, early or out of order, and was counted as such.

        Raises:
            ValueError: the mask is of another shape than the image, or of other classes.
        """
        _check_mask(seen)
        self._notice_jump(seen.stamp_ns, now_ns)
        self._notice_rival(seen, now_ns)
        age = (now_ns - seen.stamp_ns) / NANOSECONDS
        if now_ns - seen.stamp_ns > self._deadline_ns:
            self.admission.late += 1
            self.refusal = f"late: {age:.2f} s old"
        elif seen.stamp_ns - now_ns > self._ahead_ns:
            self.admission.early += 1
            self.refusal = f"stamped {-age:.3f} s in the future"
        elif self._newest_ns is not None and seen.stamp_ns <= self._newest_ns:
            self.admission.out_of_order += 1
            self.refusal = "not newer than the one before"
        else:
            self.admission.used += 1
            self._newest_ns, self._sender = seen.stamp_ns, _sender(seen)
            self._pin_image_size(seen.source)
            for zone in self._zones:
                self._judge(zone, seen, now_ns)
            return True
        self._doubt_by(seen, now_ns)
        return False

    def states(self, now_ns: int, why: str = "") -> tuple[ZoneStatus, ...]:
        """What holds now, zone by zone in the order of the configuration.

        Args:
            now_ns: the time on the clock of the stamps.
            why: what is known about results that stay away; part of the reason of zones without a
                fresh one.
        """
        for zone in self._zones:
            if zone.seen_ns is not None and not self._is_fresh(zone.seen_ns, now_ns):
                lacking = f": {zone.lacking}" if zone.lacking else ""
                zone.forget(now_ns, f"no result younger than {self._deadline:g} s{lacking}")
        return tuple(_status(zone, now_ns, why) for zone in self._zones)

    def refuse(self, now_ns: int, reason: str) -> None:
        """A result came that can't be judged: it may show an object that the results around it do not.

        Args:
            now_ns: the time on the clock of the stamps; that of the result may be wrong.
            reason: why it can't be judged.
        """
        for zone in self._zones:
            zone.presence.doubt(now_ns)
            if zone.presence.state is State.UNKNOWN:
                zone.reason = f"a result was refused: {reason}"

    def forget(
        self, now_ns: int, reason: str, floor_only: bool = False, keep_time: bool = False
    ) -> None:
        """Know nothing any more, as after a jump of the clock; with `keep_time` in the same timeline."""
        if not floor_only and not keep_time:
            self._newest_ns = None
        for zone in self._zones:
            if zone.config.space == FLOOR or not floor_only:
                zone.forget(now_ns, reason)

    def _is_fresh(self, stamp_ns: int, now_ns: int) -> bool:
        return -self._ahead_ns <= now_ns - stamp_ns <= self._deadline_ns

    def _notice_jump(self, stamp_ns: int, now_ns: int) -> None:
        """A new timeline begins when the clock itself has gone back behind what was seen."""
        newest = self._newest_ns
        if newest is not None and newest - max(now_ns, stamp_ns) > self._jump_ns:
            self.forget(now_ns, "the clock went back")

    def _notice_rival(self, seen: Observation, now_ns: int) -> None:
        """A result that is not newer, or early, is not judged, though it may show what the last did not.

        One that comes late from the same sender says nothing of others.
        """
        newest = self._newest_ns
        is_early = seen.stamp_ns - now_ns > self._ahead_ns
        if newest is None or (seen.stamp_ns > newest and not is_early):
            return
        if _sender(seen) != self._sender:
            reason = "results of two models, cameras or publishers"
        elif seen.stamp_ns == newest:
            reason = "two results of one image"
        else:
            return
        self._rival_ns = now_ns
        self.forget(newest, reason, keep_time=True)

    def _doubt_by(self, seen: Observation, now_ns: int) -> None:
        """A result that is not used may show an object that those around it do not.

        Its stamp may be wrong, so that it counts as of the time at which it came.
        """
        for zone in self._zones:
            if self._is_clear(zone, seen):
                continue
            zone.presence.doubt(now_ns)
            if zone.presence.state is State.UNKNOWN and not self._has_rival(now_ns):
                zone.reason = f"a result that may show an object was not used: {self.refusal}"

    def _is_clear(self, zone: _Zone, seen: Observation) -> bool:
        """Whether a result shows a zone to be clear, judged as the last one that was used."""
        if why_unusable(zone.config, self._image_hw, seen.source, seen.view):
            return False
        if zone.judge is None or _basis(zone, seen) != zone.basis:
            return False
        return zone.judge.judge(seen).verdict is Verdict.CLEAR

    def _pin_image_size(self, source: DetectionSource) -> None:
        """Image zones stay with the size of the first image where the file names none."""
        if self._image_hw is None and min(source.size_hw) > 0:
            self._image_hw = source.size_hw

    def _judge(self, zone: _Zone, seen: Observation, now_ns: int) -> None:
        reason = why_unusable(zone.config, self._image_hw, seen.source, seen.view)
        if reason:
            zone.forget(seen.stamp_ns, reason)
            return
        is_doubtful = self._has_rival(now_ns)
        if _prepare(zone, seen):
            is_doubtful |= self._takes_turns(zone, seen.stamp_ns)
        assert zone.judge is not None
        evidence = zone.judge.judge(seen)
        zone.reason = evidence.why or "seen too briefly to be called free"
        if is_doubtful and evidence.verdict is Verdict.CLEAR:
            return
        zone.lacking = evidence.why if evidence.verdict is None else ""
        if evidence.verdict is None:
            return  # Nothing learnt: the last verdict stands until the deadline.
        zone.seen_ns = max(seen.stamp_ns, zone.seen_ns or seen.stamp_ns)
        if evidence.verdict is Verdict.OCCUPIED:
            zone.last_hit = evidence
        zone.presence.update(evidence.verdict, seen.stamp_ns)

    def _has_rival(self, now_ns: int) -> bool:
        """Whether another sender, or a second result of one image, was heard shortly before."""
        return self._rival_ns is not None and 0 <= now_ns - self._rival_ns <= self._deadline_ns

    def _takes_turns(self, zone: _Zone, stamp_ns: int) -> bool:
        """Whether a zone's camera changed shortly before it changes now, as of two on one topic.

        Then one result alone frees nothing, whatever `leave_results` says.
        """
        before, zone.changed_ns = zone.changed_ns, stamp_ns
        return before is not None and stamp_ns - before <= self._deadline_ns


def _sender(seen: Observation) -> tuple[object, ...]:
    """Which model saw what which camera took."""
    return *seen.source.model, seen.frame_id


def _new_zone(zone: ZoneConfig, since_ns: int) -> _Zone:
    leave_ns = round(zone.leave_seconds * NANOSECONDS)
    return _Zone(
        zone, ZonePresence(zone.enter_results, zone.leave_results, leave_ns, since_ns=since_ns)
    )


def _prepare(zone: _Zone, seen: Observation) -> bool:
    """A new judge, and nothing of what the old one saw, where what it judges by has changed.

    True where it did, but for the first result of all.
    """
    source, view, basis = seen.source, _view(zone, seen), _basis(zone, seen)
    if basis == zone.basis:
        return False
    has_changed = bool(zone.basis)
    if has_changed:
        zone.forget(seen.stamp_ns, "model, camera, image size, calibration or pose has changed")
    class_ids, hiding_ids = (
        tuple(source.labels.id_of(name) for name in names)
        for names in (zone.config.classes, zone.config.hidden_by)
    )
    zone.judge = ZoneJudge(zone.config, class_ids, view.floor_camera(), source.size_hw, hiding_ids)
    zone.basis = basis
    return has_changed


def _view(zone: _Zone, seen: Observation) -> View:
    """What a zone needs of where the camera looks."""
    return seen.view if zone.config.space == FLOOR else View()


def _basis(zone: _Zone, seen: Observation) -> tuple[object, ...]:
    """What a zone judges a result by."""
    source, view = seen.source, _view(zone, seen)
    where = (seen.frame_id, source.size_hw, view.intrinsics, view.mounting)
    return (source.model, source.labels, *where)


def _check_mask(seen: Observation) -> None:
    if seen.mask is not None:
        # Of another detector nobody knows which classes its masks have, and none is judged.
        labels = None if seen.source.mask_classes is None else seen.source.labels
        check_mask(seen.mask, seen.source.size_hw, labels)


def _status(zone: _Zone, now_ns: int, why: str) -> ZoneStatus:
    state, name, since = zone.presence.state, zone.config.name, zone.presence.since_ns
    if state is State.UNKNOWN or zone.seen_ns is None:
        reason = f"{zone.reason}: {why}" if why and zone.seen_ns is None else zone.reason
        return ZoneStatus(name, False, False, since, now_ns, reason=reason)
    status = ZoneStatus(name, True, state is State.OCCUPIED, since, zone.seen_ns)
    if state is State.FREE:
        return status
    hit = zone.last_hit
    return replace(
        status,
        objects=hit.objects,
        nearest_m=hit.nearest_m,
        points_xy=hit.points_xy,
        is_doubtful=hit.is_doubtful,
    )


def replay(
    monitor: CameraMonitor, results: Iterable[tuple[int, Observation]]
) -> list[tuple[int, tuple[ZoneStatus, ...]]]:
    """The states after each of a recording's results.

    Args:
        monitor: new.
        results: time of arrival (nanoseconds) and result, in order of arrival.

    Returns:
        The time and the states for each result that was used.
    """
    return [(now, monitor.states(now)) for now, seen in results if monitor.observe(seen, now)]
