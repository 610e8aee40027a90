"""Parts that several kinds of forklift share.

Wheels, mast, carriage, guard, seat, steering, markings.
"""

from __future__ import annotations

import numpy as np

from mtv_perception.synthetic.render.assets import BLACK, DARK_STEEL, RUBBER
from mtv_perception.synthetic.render.mesh import (
    EMISSIVE,
    Material,
    Mesh,
    box,
    boxes,
    merge,
    quad,
    rotation_x,
    rotation_y,
    rounded_box,
    transform,
)
from mtv_perception.synthetic.render.sweeps import bar, cylinder, lathe, torus


def wheel(
    center: tuple[float, float, float],
    radius: float,
    width: float,
    rim: Material,
    tread: bool = True,
) -> Mesh:
    """A tyred wheel on an axle along y; the outer face looks away from y = 0."""
    half, inner = width / 2, radius * 0.62
    tyre = [
        [inner, -half * 0.9],
        [radius * 0.9, -half],
        [radius * 0.97, -half * 0.8],
        [radius, -half * 0.5],
        [radius, half * 0.5],
        [radius * 0.97, half * 0.8],
        [radius * 0.9, half],
        [inner, half * 0.9],
    ]
    disc = [
        [inner, half * 0.9],
        [inner * 0.92, half * 0.55],
        [inner * 0.6, half * 0.4],
        [inner * 0.45, half * 0.75],
        [inner * 0.3, half * 0.85],
        [0, half * 0.85],
    ]
    parts = [
        lathe(tyre, RUBBER, 24),
        lathe(disc, rim, 24),
        lathe([[inner, -half * 0.85], [0, -half * 0.85]], BLACK, 16),
    ]
    angles = np.linspace(0, 2 * np.pi, 5, endpoint=False)
    bolts = np.stack([np.cos(angles), np.sin(angles), 0 * angles], -1) * inner * 0.72 + [
        0,
        0,
        half * 0.5,
    ]
    parts.append(boxes(bolts, (0.03, 0.03, 0.03), DARK_STEEL))
    if tread:
        angles = np.linspace(0, 2 * np.pi, 30, endpoint=False)
        parts += [
            transform(
                box((radius * 0.99, 0, 0), (0.02, radius * 0.08, width * 0.97), RUBBER), _turn_z(a)
            )
            for a in angles
        ]
    outward = rotation_x(-np.pi / 2 if center[1] >= 0 else np.pi / 2)
    return transform(merge(parts), outward, center)


def _turn_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def seat(x: float, y: float, z: float, rng: np.random.Generator) -> Mesh:
    """Cushion and back rest; z is the cushion's top."""
    cover = Material(
        (0.06, 0.06, 0.065) if rng.random() < 0.8 else (0.25, 0.1, 0.08), 0.7, dirt=0.3
    )
    back = transform(
        rounded_box((0, 0, 0.26), (0.12, 0.44, 0.52), 0.05, cover),
        rotation_y(-0.18),
        (x - 0.24, y, z - 0.02),
    )
    return merge(
        [
            rounded_box((x, y, z - 0.07), (0.48, 0.48, 0.14), 0.05, cover),
            back,
            box((x - 0.02, y, z - 0.2), (0.34, 0.34, 0.18), BLACK),
        ]
    )


def steering(x: float, y: float, z: float) -> Mesh:
    """Column, wheel and levers; x, y, z is the hub."""
    ring = transform(torus(0.17, 0.016, BLACK), rotation_y(0.6 - np.pi / 2 + np.pi / 2), (x, y, z))
    spokes = [
        bar(
            (x, y, z),
            (x + 0.12 * np.cos(a), y + 0.16 * np.sin(a), z - 0.1 * np.cos(a)),
            0.03,
            0.015,
            BLACK,
            side=(0.3, 0.5, 1),
        )
        for a in (0.5, 2.6, 4.7)
    ]
    levers = [
        cylinder(
            (x + 0.1, y - 0.2 - 0.07 * k, z - 0.2),
            (x + 0.06, y - 0.2 - 0.07 * k, z),
            0.012,
            BLACK,
            6,
        )
        for k in range(3)
    ]
    return merge(
        [ring, *spokes, *levers, cylinder((x, y, z), (x + 0.2, y, z - 0.45), 0.035, BLACK, 8)]
    )


def lamp(
    center: tuple[float, float, float], facing: float, color: tuple[float, float, float], lit: float
) -> Mesh:
    """A round lamp that faces +x or -x."""
    glow = Material(tuple(np.clip(np.array(color) * lit, 0, 8)), kind=EMISSIVE)  # type: ignore[arg-type]
    x, y, z = center
    return merge(
        [
            cylinder((x - facing * 0.06, y, z), center, 0.065, BLACK, 10),
            cylinder(center, (x + facing * 0.012, y, z), 0.055, glow, 10),
        ]
    )


def decals(
    x: tuple[float, float], half_width: float, z: tuple[float, float], material: Material
) -> Mesh:
    """The same marking on both flanks."""
    (x0, x1), (z0, z1) = x, z
    right = quad((x0, -half_width - 0.004, z0), (x1 - x0, 0, 0), (0, 0, z1 - z0), material)
    left = quad((x1, half_width + 0.004, z0), (x0 - x1, 0, 0), (0, 0, z1 - z0), material)
    return merge([right, left])


def gas_bottle(x: float, z: float, rng: np.random.Generator) -> Mesh:
    """An LPG bottle lying across the counterweight."""
    tone = Material(
        (0.72, 0.73, 0.74) if rng.random() < 0.6 else tuple(rng.uniform(0.2, 0.8, 3)),
        0.35,
        0.6,
        dirt=0.4,
    )
    r, half = 0.155, 0.38
    profile = [
        [0, -half],
        [r * 0.6, -half + 0.02],
        [r * 0.9, -half + 0.07],
        [r, -half + 0.13],
        [r, half - 0.13],
        [r * 0.9, half - 0.07],
        [r * 0.6, half - 0.02],
        [r * 0.45, half],
        [r * 0.45, half + 0.06],
        [0, half + 0.06],
    ]
    bottle = transform(lathe(profile, tone, 20), rotation_x(np.pi / 2), (x, 0, z + r + 0.02))
    straps = [
        transform(
            lathe([[r + 0.006, y - 0.02], [r + 0.006, y + 0.02]], BLACK, 20),
            rotation_x(np.pi / 2),
            (x, 0, z + r + 0.02),
        )
        for y in (-0.17, 0.17)
    ]
    return merge([bottle, *straps, box((x, 0, z + 0.02), (0.26, 0.5, 0.06), BLACK)])


def lights(
    design: np.random.Generator,
    rng: np.random.Generator,
    front: tuple[float, float, float],
    rear: tuple[float, float, float],
    top: float,
    beacon_x: float,
) -> Mesh:
    """Head lamps, tail lamps and a beacon, lit or not; front and rear are a lamp's x, |y|, z."""
    on = 5.0 if rng.random() < 0.4 else 0.8
    parts = []
    for s in (1, -1):
        if design.random() < 0.8:
            parts.append(lamp((front[0], s * front[1], front[2]), 1, (1, 0.97, 0.9), on))
        parts.append(lamp((rear[0], s * rear[1], rear[2]), -1, (0.8, 0.08, 0.04), on * 0.5))
    if design.random() < 0.6:
        amber = Material(
            (2.0, 0.75, 0.05) if rng.random() < 0.5 else (0.7, 0.3, 0.03), kind=EMISSIVE
        )
        parts.append(
            cylinder((beacon_x, 0, top + 0.02), (beacon_x, 0, top + 0.15), 0.05, amber, 10)
        )
    return merge(parts)
