"""What moves in a drive: people with a walk cycle, machines with driver and load."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mtv_perception.synthetic.drive.route import Route
from mtv_perception.synthetic.people.outfits import Outfit
from mtv_perception.synthetic.people.people import make_person
from mtv_perception.synthetic.people.poses import Limb, Pose
from mtv_perception.synthetic.render.mesh import Mesh, place

# Poses of one gait cycle; at 10 frames a second a walker shows at most as many.
_PHASES = 12
# Length of a cycle (two steps) per stature. Source: Winter, "Biomechanics and Motor Control of
# Human Movement", chapter 1: 0.83 statures at a natural cadence.
_CYCLE_PER_STATURE = 0.83
_STANDING = 0.08


@dataclass(frozen=True)
class Extent:
    """The box around a body in its own frame (x ahead, y left, z up), metres.

    Attributes:
        low: `(3,)` smallest coordinates.
        high: `(3,)` largest.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]


class Actor(Protocol):
    """A labelled thing that moves."""

    @property
    def class_id(self) -> int:
        """What it is labelled as."""

    @property
    def route(self) -> Route:
        """Where it moves."""

    def body(self, t: float) -> Mesh:
        """The mesh in its own frame at a time."""


def extent_of(body: Mesh) -> Extent:
    """The box around a mesh."""
    points = body.positions.astype(np.float64)
    return Extent(points.min(0), points.max(0))


def placed(actor: Actor, t: float) -> Mesh:
    """The mesh in the map frame."""
    at = actor.route.at(t)
    return place(actor.body(t), (at.x, at.y, 0.0), at.yaw)


@dataclass
class Walker:
    """A person on foot.

    Attributes:
        class_id: of people.
        route: where.
        outfit: looks.
        seed: of what differs from person to person.
    """

    class_id: int
    route: Route
    outfit: Outfit
    seed: int
    _meshes: dict[int, Mesh] = field(default_factory=dict)

    def body(self, t: float) -> Mesh:
        """A moment of the gait, or standing."""
        key = self._phase(t)
        if key not in self._meshes:
            rng = np.random.default_rng([31, self.seed])
            pose = _standing(rng) if key < 0 else gait(2 * np.pi * key / _PHASES, rng)
            self._meshes[key], _ = make_person(
                self.outfit, pose, np.random.default_rng([32, self.seed])
            )
        return self._meshes[key]

    def _phase(self, t: float) -> int:
        if np.linalg.norm(self.route.velocity(t)) < _STANDING:
            return -1
        cycles = self.route.distance(t) / (_CYCLE_PER_STATURE * self.outfit.height)
        return int(cycles * _PHASES) % _PHASES


@dataclass(frozen=True)
class RigidActor:
    """A machine, its driver or its load: one mesh that does not change."""

    class_id: int
    route: Route
    mesh: Mesh

    def body(self, t: float) -> Mesh:
        """The mesh."""
        del t
        return self.mesh


def gait(phase: float, rng: np.random.Generator) -> Pose:
    """A walking pose at a phase of the cycle, radians.

    The same generator state gives the same walk.
    """
    stride, arm_bend, lean = rng.uniform(0.34, 0.48), rng.uniform(0.25, 0.6), rng.uniform(0.0, 0.1)
    legs, arms = [], []
    for side in (0.0, np.pi):
        swing = float(np.sin(phase + side))
        lifting = max(0.0, float(np.cos(phase + side)))
        legs.append(Limb(stride * swing + 0.08, 0.03, 0.12 + 1.45 * stride * lifting))
        arms.append(Limb(-0.75 * stride * swing, 0.13, arm_bend, 0.3))
    twist = 0.25 * float(np.sin(phase)) * stride
    return Pose((legs[0], legs[1]), (arms[0], arms[1]), lean, 0.0, twist, rng.normal(0, 0.2), 0.1)


def _standing(rng: np.random.Generator) -> Pose:
    arm = Limb(rng.normal(0.05, 0.08), rng.uniform(0.08, 0.2), rng.uniform(0.1, 0.4), 0.2)
    leg = Limb(0.02, rng.uniform(0.03, 0.1), 0.04)
    return Pose((leg, leg), (arm, arm), 0.03, 0.0, 0.0, rng.normal(0, 0.4), 0.1)
