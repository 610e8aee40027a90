"""Coordinate frames over time: where one frame sits in another, as /tf and /tf_static tell it.

No ROS here.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

MOST_FRAMES = 1000
"""More are not kept."""
# Of one frame: ten seconds at 100 Hz, which is what tf2 keeps.
_MOST_SAMPLES = 1000
_LONGEST_CHAIN = 100
# As tf2: a quaternion further from length 1 is an error of its publisher.
_UNIT_TOLERANCE = 0.01
# A stamp further back than this (ns) is a new timeline, as when a bag begins again.
_TIME_JUMP_NS = 1_000_000_000


class FrameError(ValueError):
    """There is no usable transform; the text says why."""


@dataclass(frozen=True)
class Rigid:
    """A frame seen from another.

    Attributes:
        translation: `(3,)` float64, its origin, m.
        quaternion: `(4,)` float64, x, y, z, w, of length 1.
    """

    translation: np.ndarray
    quaternion: np.ndarray

    @classmethod
    def of(cls, translation: tuple[float, ...], quaternion: tuple[float, ...]) -> Rigid:
        """From numbers as messages hold them.

        FrameError where they are not finite or no rotation.
        """
        place, turn = np.array(translation, np.float64), np.array(quaternion, np.float64)
        length = float(np.linalg.norm(turn))
        if not np.isfinite(place).all() or not abs(length - 1) <= _UNIT_TOLERANCE:
            raise FrameError(
                f"expected finite numbers and a quaternion of length 1, got {translation}, {quaternion}"
            )
        return cls(place, turn / length)

    @property
    def rotation(self) -> np.ndarray:
        """`(3, 3)`, turns vectors of the frame into the other."""
        x, y, z, w = self.quaternion
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )

    def then(self, inner: Rigid) -> Rigid:
        """A frame `inner` that is given in this frame, seen from outside."""
        return Rigid(
            self.rotation @ inner.translation + self.translation,
            _product(self.quaternion, inner.quaternion),
        )

    def inverse(self) -> Rigid:
        """The outer frame, seen from this one."""
        back = Rigid(np.zeros(3), self.quaternion * (-1.0, -1.0, -1.0, 1.0))
        return Rigid(-(back.rotation @ self.translation), back.quaternion)

    def towards(self, other: Rigid, share: float) -> Rigid:
        """Between this (0) and another (1): straight, and turning evenly (slerp)."""
        place = (1 - share) * self.translation + share * other.translation
        dot = float(self.quaternion @ other.quaternion)
        end = other.quaternion if dot >= 0 else -other.quaternion
        angle = math.acos(min(1.0, abs(dot)))
        if angle < 1e-9:
            return Rigid(place, self.quaternion)
        turn = math.sin((1 - share) * angle) * self.quaternion + math.sin(share * angle) * end
        return Rigid(place, turn / np.linalg.norm(turn))

    def differs(self, other: Rigid, metres: float, degrees: float) -> bool:
        """Whether the other is further away than `metres`, or turned by more than `degrees`."""
        turned = 2 * math.acos(min(1.0, abs(float(self.quaternion @ other.quaternion))))
        moved = float(np.linalg.norm(self.translation - other.translation))
        return not (moved <= metres and math.degrees(turned) <= degrees)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    scalar = a[3] * b[3] - a[:3] @ b[:3]
    vector = a[3] * b[:3] + b[3] * a[:3] + np.cross(a[:3], b[:3])
    return np.array([*vector, scalar])


@dataclass
class _Frame:
    parent: str
    fixed: Rigid | None = None
    fault: str = ""
    stamps: list[int] = field(default_factory=list)
    samples: list[Rigid] = field(default_factory=list)

    def add(self, stamp_ns: int, place: Rigid) -> None:
        if self.stamps and stamp_ns < self.stamps[-1] - _TIME_JUMP_NS:
            self.stamps.clear()
            self.samples.clear()
        index = bisect_right(self.stamps, stamp_ns)
        if index and self.stamps[index - 1] == stamp_ns:
            self.samples[index - 1] = place
            return
        insort(self.stamps, stamp_ns)
        self.samples.insert(index, place)
        del self.stamps[:-_MOST_SAMPLES], self.samples[:-_MOST_SAMPLES]

    def at(self, name: str, stamp_ns: int, longest_ns: int) -> Rigid:
        """The place at a time, between two samples or at most `longest_ns` after the last."""
        if self.fault:
            raise FrameError(f"the transform {self.parent} -> {name} can't be used: {self.fault}")
        if self.fixed is not None:
            return self.fixed
        index = bisect_right(self.stamps, stamp_ns)
        if not index:
            ahead = (self.stamps[0] - stamp_ns) / 1e9
            raise FrameError(
                f"the transform {self.parent} -> {name} begins {ahead:.2f} s after the image"
            )
        if index < len(self.stamps):
            before, after = self.stamps[index - 1], self.stamps[index]
            share = (stamp_ns - before) / (after - before)
            return self.samples[index - 1].towards(self.samples[index], share)
        if stamp_ns - self.stamps[-1] > longest_ns:
            age = (stamp_ns - self.stamps[-1]) / 1e9
            raise FrameError(
                f"the transform {self.parent} -> {name} is {age:.2f} s older than the image"
            )
        return self.samples[-1]


class FrameTree:
    """All frames that were heard of, each with its parent."""

    def __init__(self) -> None:
        self._frames: dict[str, _Frame] = {}

    def add(
        self, parent: str, child: str, stamp_ns: int, place: Rigid | str, is_static: bool
    ) -> None:
        """Take a transform in.

        Args:
            parent: frame in which the child is given.
            child: frame.
            stamp_ns: when it holds; of no meaning for a static one.
            place: of the child in its parent; or why it can't be used, which holds until a usable
                one comes.
            is_static: whether it holds at all times.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        frame = self._frames.get(child)
        if frame is None or frame.parent != parent or (frame.fixed is not None) != is_static:
            if frame is None and len(self._frames) >= MOST_FRAMES:
                return
            frame = self._frames[child] = _Frame(parent)
        if isinstance(place, str):
            frame.fault = place
            return
        frame.fault = ""
        if is_static:
            frame.fixed = place
        else:
            frame.add(stamp_ns, place)

    def lookup(self, target: str, source: str, stamp_ns: int, longest_ns: int) -> Rigid:
        """Where `source` sits in `target`.

        Args:
            target: frame of the answer.
            source: frame asked for.
            stamp_ns: at which time.
            longest_ns: how much older than this the newest transform on the way may be.

        Raises:
            FrameError: the frames are not connected, or not at that time.
        """
        target, source = target.lstrip("/"), source.lstrip("/")
        ups, downs = list(self._upwards(source)), list(self._upwards(target))
        shared = next((name for name in ups if name in downs), None)
        if shared is None:
            raise FrameError(self._gap(target, source))
        up = self._chain(ups[: ups.index(shared)], stamp_ns, longest_ns)
        down = self._chain(downs[: downs.index(shared)], stamp_ns, longest_ns)
        return down.inverse().then(up)

    def way(self, target: str, source: str) -> list[str]:
        """The frames with a place on the way between two frames.

        Where they are not connected, those above either.
        """
        ups, downs = (
            list(self._upwards(source.lstrip("/"))),
            list(self._upwards(target.lstrip("/"))),
        )
        passed = (name for name in (*ups, *downs) if (name in ups) != (name in downs))
        return [name for name in passed if name in self._frames]

    def static_frames(self, target: str, source: str) -> list[str]:
        """The frames on the way between two connected frames that a static transform places."""
        return [n for n in self.way(target, source) if self._frames[n].fixed is not None]

    def _upwards(self, name: str) -> Iterator[str]:
        for _ in range(_LONGEST_CHAIN):
            yield name
            if name not in self._frames:
                return
            name = self._frames[name].parent
        raise FrameError(f"the frames above {name!r} form a circle")

    def _chain(self, names: list[str], stamp_ns: int, longest_ns: int) -> Rigid:
        """The frame `names[0]`, seen from the parent of the last."""
        place = Rigid(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))
        for name in names:
            place = self._frames[name].at(name, stamp_ns, longest_ns).then(place)
        return place

    def _gap(self, target: str, source: str) -> str:
        known = set(self._frames) | {frame.parent for frame in self._frames.values()}
        if not source:
            return "the image's header names no frame"
        missing = [name for name in (source, target) if name not in known]
        if missing:
            return (
                f"no transform {target} -> {source}: no frame {missing[0]!r} on /tf or /tf_static"
            )
        return f"no transform {target} -> {source}: the two frames are not connected"
