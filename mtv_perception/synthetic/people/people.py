"""People: articulated bodies of tubes and ellipsoids in work clothes.

A body faces +x and stands with its lowest point at z = 0 (seated: pelvis at the origin).
Source of the segment lengths: Winter, "Biomechanics and Motor Control of Human Movement", fig. 4.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtv_perception.synthetic.people.heads import make_head
from mtv_perception.synthetic.people.outfits import Outfit
from mtv_perception.synthetic.people.poses import Limb, Pose
from mtv_perception.synthetic.render.assets import vary
from mtv_perception.synthetic.render.mesh import (
    Material,
    Mesh,
    box,
    merge,
    rotation_x,
    rotation_y,
    rotation_z,
    transform,
)
from mtv_perception.synthetic.render.sweeps import ellipsoid, tube

Vector = NDArray[np.float64]


def make_person(outfit: Outfit, pose: Pose, rng: np.random.Generator) -> tuple[Mesh, Mesh | None]:
    """A posed body and, apart from it, what it carries."""
    h = outfit.height
    trunk = rotation_y(pose.lean).astype(np.float64) @ rotation_x(pose.sway)
    chest = trunk @ rotation_z(pose.twist)
    parts = [_torso(outfit, trunk, chest), make_head(outfit, pose, trunk, chest, rng)]
    hands = []
    for sign, leg, arm in zip((1, -1), pose.legs, pose.arms, strict=True):
        parts.append(
            _leg(outfit, leg, np.array([0, sign * 0.052 * h * outfit.girth**0.5, 0]), sign)
        )
        shoulder = trunk @ np.array([0, 0, 0.27 * h]) + chest @ np.array(
            [-0.004 * h, sign * 0.108 * h * outfit.girth**0.35, 0]
        )
        limb, hand = _arm(outfit, arm, shoulder, chest, sign)
        parts.append(limb)
        hands.append(hand)
    body = merge(parts)
    lift = 0.0 if pose.seated else -float(body.positions[:, 2].min())
    load = _carried(hands, rng) if pose.carries else None
    up = (0, 0, lift)
    return transform(body, np.eye(3), up), None if load is None else transform(load, np.eye(3), up)


def _direction(flex: float, spread: float, sign: int) -> Vector:
    return np.array(
        [np.sin(flex) * np.cos(spread), sign * np.sin(spread), -np.cos(flex) * np.cos(spread)]
    )


def _leg(outfit: Outfit, leg: Limb, hip: Vector, sign: int) -> Mesh:
    h, g, loose = outfit.height, outfit.girth**0.7, outfit.loose
    knee = hip + 0.245 * h * _direction(leg.flex, leg.spread, sign)
    shin = _direction(leg.flex - leg.bend, leg.spread * 0.6, sign)
    ankle = knee + 0.232 * h * shin
    fractions = np.array([-0.08, 0.1, 0.3, 0.6, 0.88, 1.0])
    thigh_r = np.array([0.049, 0.054, 0.051, 0.042, 0.034, 0.033]) * h * g + loose
    calf_f = np.array([0.0, 0.12, 0.32, 0.6, 0.85, 1.02])
    calf_r = np.array([0.033, 0.033, 0.0335, 0.028, 0.025, 0.027]) * h * g**0.6 + loose * 1.3
    centers = np.vstack(
        [hip + np.outer(fractions, knee - hip), (knee + np.outer(calf_f, ankle - knee))[1:]]
    )
    radii = np.concatenate([thigh_r, calf_r[1:]])
    centers[4:7] = (
        centers[4:7] * 2 + np.roll(centers, 1, axis=0)[4:7] + np.roll(centers, -1, axis=0)[4:7]
    ) / 4
    side = (0, 1, 0)
    trouser = tube(centers, radii * 0.95, radii * 1.05, side, outfit.trousers)
    toe = float(np.clip(leg.flex - leg.bend, -1.2, 0.6)) * 0.6
    forward = np.array([np.cos(toe), sign * 0.18, np.sin(toe)])
    heel = ankle - forward * 0.028 * h + np.array([0, 0, -0.022 * h])
    length = np.array([0.0, 0.08, 0.3, 0.55, 0.8, 0.95, 1.0])[:, None] * forward * 0.152 * h
    width, height = (
        np.array([0.012, 0.023, 0.025, 0.028, 0.030, 0.022, 0.006]) * h,
        np.array([0.01, 0.024, 0.027, 0.021, 0.016, 0.012, 0.005]) * h,
    )
    centers_shoe = heel + length + np.outer(height - height.max(), [0, 0, 1.0])
    return merge([trouser, tube(centers_shoe, width, height, side, outfit.shoes)])


def _arm(
    outfit: Outfit, arm: Limb, shoulder: Vector, chest: Vector, sign: int
) -> tuple[Mesh, Vector]:
    h, g, loose = outfit.height, outfit.girth**0.6, outfit.loose
    upper = chest @ _direction(arm.flex, arm.spread, sign)
    elbow = shoulder + 0.172 * h * upper
    forward = _direction(arm.flex + arm.bend, arm.spread * np.cos(arm.bend), sign)
    forward = forward + np.array([0, -sign * np.sin(arm.turn), 0])
    fore = chest @ (forward / np.linalg.norm(forward))
    wrist = elbow + 0.15 * h * fore
    steps = np.array([-0.09, 0.06, 0.3, 0.6, 0.9, 1.0])
    radii = np.array([0.016, 0.032, 0.031, 0.027, 0.024, 0.0235]) * h * g
    fore_r = np.array([0.0235, 0.0245, 0.0225, 0.019, 0.0165, 0.0155]) * h * g**0.6
    centers = np.vstack(
        [
            shoulder + np.outer(steps, elbow - shoulder),
            (elbow + np.outer(np.linspace(0, 1.02, 6), wrist - elbow))[1:],
        ]
    )
    radius = np.concatenate([radii, fore_r[1:]])
    run = np.concatenate([np.clip(steps, 0, 1) * 0.53, 0.53 + np.linspace(0, 0.47, 6)[1:]])
    side = np.cross(upper, fore) + np.array([1e-3, 0, 0])
    covered = run <= outfit.sleeve + 0.02
    parts = [
        tube(
            centers[covered], radius[covered] + loose, radius[covered] + loose, side, outfit.top, 10
        )
    ]
    if not covered.all():
        bare = np.flatnonzero(~covered)[0] - 1
        parts.append(tube(centers[bare:], radius[bare:], radius[bare:], side, outfit.skin, 10))
    hand = wrist + 0.05 * h * fore
    flat = np.array([0.6, 1.0, 0.95, 0.7, 0.25]) * 0.021 * h
    palm = wrist + np.outer(np.array([-0.05, 0.25, 0.55, 0.85, 1.0]), 0.105 * h * fore)
    parts.append(tube(palm, flat * 0.55, flat, (0, 1, 0.2), outfit.skin, 8))
    thumb = wrist + 0.04 * h * fore + chest @ np.array([0.02 * h, -sign * 0.006 * h, 0.0])
    parts.append(ellipsoid(thumb, np.array([0.012, 0.008, 0.016]) * h, outfit.skin, 5, 6))
    return merge(parts), hand


def _torso(outfit: Outfit, trunk: Vector, chest: Vector) -> Mesh:
    h, g = outfit.height, outfit.girth
    levels = np.array([-0.035, -0.01, 0.03, 0.08, 0.13, 0.18, 0.22, 0.25, 0.272, 0.287, 0.297])
    width = (
        np.array([0.055, 0.088, 0.095, 0.090, 0.088, 0.094, 0.103, 0.108, 0.098, 0.07, 0.035])
        * h
        * g**0.6
    )
    depth = (
        np.array([0.04, 0.062, 0.066, 0.063, 0.060, 0.064, 0.066, 0.060, 0.050, 0.038, 0.03])
        * h
        * g
    )
    belly = max(0.0, g - 1.0) * 0.16 * h * np.exp(-(((levels - 0.1) / 0.06) ** 2))
    depth = depth + belly / 2
    blend = np.clip(levels / 0.27, 0, 1)[:, None]
    axis = np.outer(levels * h, trunk[:, 2]) + np.outer(belly / 2, trunk[:, 0])
    axis[levels < 0] = np.outer(levels[levels < 0] * h, [0, 0, 1.0])
    side = (1 - blend) * np.array([0, 1.0, 0]) + blend * chest[:, 1]
    hem = 3 if outfit.loose > 0.012 else 4
    parts = [
        tube(
            axis[: hem + 2],
            width[: hem + 2] + outfit.loose,
            depth[: hem + 2] + outfit.loose,
            side[: hem + 2],
            outfit.trousers,
            16,
        ),
        tube(
            axis[1:],
            width[1:] + outfit.loose * 1.5,
            depth[1:] + outfit.loose * 1.5,
            side[1:],
            outfit.top,
            16,
        )
        if hem == 3
        else tube(
            axis[3:], width[3:] + outfit.loose, depth[3:] + outfit.loose, side[3:], outfit.top, 16
        ),
    ]
    for sign in (1, -1):
        cap = trunk @ np.array([0, 0, 0.257 * h]) + chest @ np.array(
            [-0.004 * h, sign * 0.097 * h * g**0.35, 0]
        )
        parts.append(
            ellipsoid(cap, np.array([0.034, 0.031, 0.034]) * h * g**0.4 + outfit.loose, outfit.top)
        )
    if outfit.vest is not None:
        wide, deep = width[2:9] + outfit.loose * 2 + 0.012, depth[2:9] + outfit.loose * 2 + 0.014
        wide[-1], deep[-1] = wide[-1] * 0.86, deep[-1] * 1.05
        parts.append(tube(axis[2:9], wide, deep, side[2:9], outfit.vest, 20, stretch_uv=True))
        for sign in (1, -1):
            strap = [
                trunk @ np.array([0, 0, z * h]) + chest @ np.array([x * h, sign * 0.06 * h, 0])
                for x, z in ((0.06, 0.255), (0.035, 0.29), (-0.03, 0.297), (-0.065, 0.26))
            ]
            parts.append(tube(strap, [0.028 * h] * 4, [0.012] * 4, chest[:, 1], outfit.vest, 8))
    return merge(parts)


def _carried(hands: list[Vector], rng: np.random.Generator) -> Mesh:
    middle = (hands[0] + hands[1]) / 2
    width = max(float(abs(hands[0][1] - hands[1][1])) - 0.04, 0.2)
    depth, height = rng.uniform(0.22, 0.4), rng.uniform(0.15, 0.4)
    tone = Material(vary((0.68, 0.52, 0.35), rng, 0.08), roughness=0.85)
    return box(middle + np.array([depth * 0.35, 0, height * 0.25]), (depth, width, height), tone)
