"""Heads with faces, hair, caps and helmets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtv_perception.synthetic.people.outfits import Outfit
from mtv_perception.synthetic.people.poses import Pose
from mtv_perception.synthetic.render.assets import BLACK, vary
from mtv_perception.synthetic.render.mesh import (
    FABRIC,
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


def make_head(
    outfit: Outfit, pose: Pose, trunk: Vector, chest: Vector, rng: np.random.Generator
) -> Mesh:
    """Head, neck and headwear on a trunk whose hips are at the origin.

    Args:
        outfit: looks.
        pose: where the head turns.
        trunk: (3, 3) rotation of the spine.
        chest: (3, 3) rotation of the shoulders.
        rng: chooses hair and cap.
    """
    h = outfit.height
    skin, hair = outfit.skin, outfit.hair
    upright = rotation_y(0.55 * pose.lean).astype(np.float64) @ rotation_x(pose.sway)
    turn = (
        upright
        @ rotation_z(np.clip(pose.head_yaw, -1.1, 1.1) + pose.twist)
        @ rotation_y(pose.head_pitch)
    )
    base = trunk @ np.array([0, 0, 0.285 * h])
    levels = np.array([0.0, 0.006, 0.02, 0.04, 0.062, 0.085, 0.105, 0.12, 0.128]) * h
    width = np.array([0.012, 0.024, 0.035, 0.0405, 0.043, 0.0435, 0.038, 0.023, 0.004]) * h
    depth = np.array([0.012, 0.024, 0.040, 0.047, 0.052, 0.054, 0.048, 0.030, 0.005]) * h
    forward = np.array([0.026, 0.024, 0.014, 0.008, 0.002, -0.002, -0.004, -0.006, -0.006]) * h
    spine = np.stack([forward, 0 * levels, levels], -1)
    parts = [tube(spine, width, depth, (0, 1, 0), skin, 16)]
    nose = np.array([[0.05, 0, 0.062], [0.058, 0, 0.052], [0.062, 0, 0.044], [0.05, 0, 0.04]]) * h
    parts.append(
        tube(
            nose,
            np.array([0.004, 0.006, 0.009, 0.006]) * h,
            np.array([0.004, 0.006, 0.007, 0.004]) * h,
            (0, 1, 0),
            skin,
            6,
        )
    )
    dark = Material((0.08, 0.06, 0.05), roughness=0.3, dirt=0)
    for sign in (1, -1):
        parts.append(
            ellipsoid(
                np.array([-0.002, sign * 0.044, 0.055]) * h,
                np.array([0.011, 0.006, 0.017]) * h,
                skin,
                5,
                6,
            )
        )
        parts.append(
            ellipsoid(
                np.array([0.0465, sign * 0.0185, 0.066]) * h,
                np.array([0.004, 0.0065, 0.0035]) * h,
                dark,
                5,
                6,
            )
        )
        parts.append(
            ellipsoid(
                np.array([0.049, sign * 0.0185, 0.0755]) * h,
                np.array([0.0035, 0.0105, 0.002]) * h,
                hair,
                5,
                6,
            )
        )
    parts.append(
        ellipsoid(
            np.array([0.05, 0, 0.026]) * h,
            np.array([0.004, 0.012, 0.003]) * h,
            Material((0.6, 0.3, 0.27), 0.5, dirt=0),
            5,
            6,
        )
    )
    parts.append(_headwear(outfit, rng))
    throat = turn @ (np.array([-0.008, 0, 0.028]) * h) + base + turn[:, 2] * 0.018 * h
    neck = tube(
        [base - trunk[:, 2] * 0.02 * h, base, throat],
        np.array([0.036, 0.031, 0.03]) * h,
        np.array([0.036, 0.033, 0.032]) * h,
        (0, 1, 0),
        skin,
        12,
    )
    return merge([transform(merge(parts), turn, base + turn[:, 2] * 0.022 * h), neck])


def _headwear(outfit: Outfit, rng: np.random.Generator) -> Mesh:
    h = outfit.height
    parts = []
    style = rng.random()
    if style > 0.1:
        long = rng.random() < 0.25
        parts.append(
            ellipsoid(
                np.array([-0.008, 0, 0.083]) * h, np.array([0.054, 0.0475, 0.052]) * h, outfit.hair
            )
        )
        parts.append(
            ellipsoid(
                np.array([-0.026, 0, 0.05 if not long else 0.025]) * h,
                np.array([0.036, 0.043, 0.05 if not long else 0.075]) * h,
                outfit.hair,
            )
        )
    if style > 0.85:
        parts.append(
            ellipsoid(
                np.array([0.03, 0, 0.02]) * h, np.array([0.024, 0.031, 0.026]) * h, outfit.hair
            )
        )
    if outfit.helmet is not None:
        dome = (
            np.array(
                [
                    [0.063, 0.0],
                    [0.0635, 0.012],
                    [0.06, 0.028],
                    [0.05, 0.046],
                    [0.034, 0.056],
                    [0.014, 0.061],
                    [0.0, 0.062],
                ]
            )
            * h
        )
        spine = np.outer(dome[:, 1], [0, 0, 1.0]) + np.array([-0.004, 0, 0.082]) * h
        shell = tube(spine, dome[:, 0] * 0.9, dome[:, 0] * 1.06, (0, 1, 0), outfit.helmet, 16)
        brim = ellipsoid(
            np.array([0.034, 0, 0.083]) * h,
            np.array([0.052, 0.048, 0.004]) * h,
            outfit.helmet,
            5,
            14,
        )
        ridge = box(
            np.array([-0.004, 0, 0.14]) * h, np.array([0.09, 0.014, 0.012]) * h, outfit.helmet
        )
        parts += [shell, brim, ridge]
    elif style < 0.3:
        cap = Material(vary((0.2, 0.22, 0.3), rng, 0.2), roughness=0.9, kind=FABRIC)
        parts.append(
            ellipsoid(np.array([-0.006, 0, 0.09]) * h, np.array([0.057, 0.05, 0.05]) * h, cap)
        )
        parts.append(
            ellipsoid(
                np.array([0.06, 0, 0.088]) * h, np.array([0.038, 0.036, 0.005]) * h, cap, 5, 12
            )
        )
    if not parts:
        parts.append(
            ellipsoid(np.array([-0.01, 0, 0.08]) * h, np.array([0.01, 0.01, 0.01]) * h, BLACK, 3, 4)
        )
    return merge(parts)
