"""Joint angles of people at work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Limb:
    """One arm or leg; radians, positive = forward or outward.

    Attributes:
        flex: of the shoulder or hip, forward.
        spread: sideways, away from the body.
        bend: of the elbow (forward) or the knee (backward).
        turn: rotation of the forearm inwards about the upper arm.
    """

    flex: float
    spread: float
    bend: float
    turn: float = 0.0


@dataclass(frozen=True)
class Pose:
    """A whole body.

    Attributes:
        legs: left, right.
        arms: left, right.
        lean: forward bend of the trunk, radians.
        sway: sideways bend.
        twist: shoulders against hips about the spine.
        head_yaw: radians.
        head_pitch: radians, positive looks down.
        carries: a box between the hands.
        seated: pelvis rests on a seat.
    """

    legs: tuple[Limb, Limb]
    arms: tuple[Limb, Limb]
    lean: float = 0.0
    sway: float = 0.0
    twist: float = 0.0
    head_yaw: float = 0.0
    head_pitch: float = 0.1
    carries: bool = False
    seated: bool = False


def _loose_arm(rng: np.random.Generator) -> Limb:
    return Limb(
        rng.normal(0.05, 0.15), rng.uniform(0.08, 0.3), rng.uniform(0.1, 0.6), rng.uniform(0, 0.5)
    )


def _straight_leg(rng: np.random.Generator) -> Limb:
    flex = rng.normal(0, 0.08)
    return Limb(flex, rng.uniform(0.02, 0.14), max(0.0, rng.normal(0.05, 0.05)))


def stand(rng: np.random.Generator) -> Pose:
    """Standing, perhaps with a gesture."""
    arms = [_loose_arm(rng), _loose_arm(rng)]
    gesture = rng.random()
    if gesture < 0.2:  # phone or scanner
        arms[int(rng.integers(2))] = Limb(rng.uniform(0.3, 0.7), 0.1, rng.uniform(1.5, 2.1), 0.5)
    elif gesture < 0.32:  # hands on hips
        arms = [Limb(-0.35, 0.75, 1.5, 1.4)] * 2
    elif gesture < 0.42:  # pointing
        arms[int(rng.integers(2))] = Limb(
            rng.uniform(1.1, 1.8), rng.uniform(0, 0.8), rng.uniform(0, 0.4)
        )
    elif gesture < 0.52:  # folded arms
        arms = [Limb(0.35, 0.15, 1.65, 1.1), Limb(0.42, 0.15, 1.6, 1.1)]
    return Pose(
        (_straight_leg(rng), _straight_leg(rng)),
        (arms[0], arms[1]),
        rng.normal(0.03, 0.05),
        rng.normal(0, 0.03),
        rng.normal(0, 0.15),
        rng.normal(0, 0.5),
        rng.normal(0.12, 0.2),
    )


def walk(rng: np.random.Generator) -> Pose:
    """A moment of a gait cycle."""
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.55)
    legs, arms = [], []
    for side in (0.0, np.pi):
        swing = np.sin(phase + side)
        knee = 0.12 + 0.9 * stride * max(0.0, np.cos(phase + side)) * 1.6
        legs.append(Limb(stride * swing + 0.1, 0.03, knee))
        arms.append(Limb(-0.8 * stride * swing, rng.uniform(0.1, 0.2), rng.uniform(0.2, 0.7), 0.3))
    return Pose(
        (legs[0], legs[1]),
        (arms[0], arms[1]),
        rng.uniform(0, 0.12),
        0.0,
        0.25 * np.sin(phase) * stride,
        rng.normal(0, 0.3),
        rng.normal(0.1, 0.15),
    )


def carry(rng: np.random.Generator) -> Pose:
    """Walking or standing with a box."""
    base = walk(rng) if rng.random() < 0.6 else stand(rng)
    arm = Limb(rng.uniform(0.25, 0.5), 0.12, rng.uniform(1.1, 1.5), 0.1)
    return Pose(
        base.legs,
        (arm, arm),
        rng.uniform(-0.1, 0.05),
        0.0,
        0.0,
        rng.normal(0, 0.2),
        0.1,
        carries=True,
    )


def reach(rng: np.random.Generator) -> Pose:
    """Arms up, as if at a shelf."""
    up = Limb(rng.uniform(1.6, 2.7), rng.uniform(0.0, 0.3), rng.uniform(0.0, 0.6))
    other = up if rng.random() < 0.5 else _loose_arm(rng)
    return Pose(
        (_straight_leg(rng), _straight_leg(rng)),
        (up, other),
        rng.normal(0, 0.05),
        rng.normal(0, 0.06),
        0.0,
        rng.normal(0, 0.2),
        rng.uniform(-0.5, 0),
    )


def stoop(rng: np.random.Generator) -> Pose:
    """Bent forward."""
    lean = rng.uniform(0.6, 1.4)
    leg = Limb(rng.uniform(0.1, 0.5), 0.12, rng.uniform(0.2, 0.9))
    arm = Limb(lean + rng.uniform(-0.5, 0.4), 0.12, rng.uniform(0.1, 0.7))
    return Pose((leg, leg), (arm, arm), lean, 0.0, 0.0, rng.normal(0, 0.2), rng.uniform(-0.3, 0.2))


def crouch(rng: np.random.Generator) -> Pose:
    """Squatting or kneeling."""
    hip, knee = rng.uniform(1.5, 1.9), rng.uniform(1.9, 2.3)
    legs = (Limb(hip, 0.2, knee), Limb(hip - rng.uniform(0, 0.9), 0.15, knee))
    arm = Limb(rng.uniform(0.5, 1.2), 0.15, rng.uniform(0.2, 0.9), 0.3)
    return Pose(legs, (arm, arm), rng.uniform(0.2, 0.6), 0.0, 0.0, rng.normal(0, 0.3), 0.2)


def push(rng: np.random.Generator) -> Pose:
    """Walking with both hands on a handle."""
    base = walk(rng)
    arm = Limb(rng.uniform(0.5, 0.9), 0.1, rng.uniform(0.4, 0.9), 0.1)
    return Pose(base.legs, (arm, arm), rng.uniform(0.15, 0.4), 0.0, 0.0, rng.normal(0, 0.2), 0.0)


def sit(rng: np.random.Generator) -> Pose:
    """Seated, hands at a steering wheel."""
    legs = tuple(
        Limb(rng.uniform(1.25, 1.5), rng.uniform(0.08, 0.25), rng.uniform(1.1, 1.6))
        for _ in range(2)
    )
    arms = (
        Limb(rng.uniform(0.4, 0.8), 0.15, rng.uniform(0.7, 1.2), 0.25),
        Limb(rng.uniform(0.2, 0.8), 0.2, rng.uniform(0.6, 1.3), 0.2),
    )
    return Pose(
        (legs[0], legs[1]),
        arms,
        rng.uniform(-0.12, 0.15),
        rng.normal(0, 0.04),
        rng.normal(0, 0.12),
        rng.normal(0, 0.6),
        rng.normal(0.1, 0.15),
        seated=True,
    )


UPRIGHT = {
    "stand": (stand, 0.36),
    "walk": (walk, 0.34),
    "carry": (carry, 0.1),
    "reach": (reach, 0.06),
    "stoop": (stoop, 0.05),
    "crouch": (crouch, 0.04),
    "push": (push, 0.05),
}


def sample_pose(rng: np.random.Generator) -> Pose:
    """A pose of somebody on the floor."""
    names = list(UPRIGHT)
    weights = np.array([UPRIGHT[n][1] for n in names])
    return UPRIGHT[names[int(rng.choice(len(names), p=weights / weights.sum()))]][0](rng)
