"""Masts with carriage and forks, and overhead guards."""

from __future__ import annotations

import numpy as np

from mtv_perception.synthetic.render.assets import BLACK, DARK_STEEL, RUBBER, STEEL
from mtv_perception.synthetic.render.mesh import Material, Mesh, box, merge, rotation_y, transform
from mtv_perception.synthetic.render.sweeps import bar, cylinder, tube
from mtv_perception.synthetic.vehicles.forklift_types import Paint


def fork_pair(x: float, z: float, spread: float, length: float, width: float) -> Mesh:
    """Two L-shaped forks whose tines lie at height z and point along +x."""
    parts = []
    for sign in (1, -1):
        y = sign * spread / 2
        parts += [box((x, y, z + 0.28), (0.045, width, 0.56), DARK_STEEL)]
        tine = tube(
            [
                [x - 0.02, y, z + 0.022],
                [x + length * 0.55, y, z + 0.02],
                [x + length * 0.95, y, z + 0.01],
                [x + length, y, z + 0.006],
            ],
            [width * 0.7, width * 0.7, width * 0.6, width * 0.3],
            [0.033, 0.03, 0.012, 0.007],
            (0, 1, 0),
            DARK_STEEL,
            4,
        )
        parts.append(tine)
    return merge(parts)


def mast(
    x: float,
    bottom: float,
    height: float,
    gauge: float,
    lift: float,
    tilt: float,
    paint: Paint,
    stages: int,
    fork: tuple[float, float, float],
    backrest: float,
) -> Mesh:
    """Channels, cylinders, chains, carriage and forks.

    Args:
        x: of the rear face, metres.
        bottom: of the channels.
        height: of the lowered mast.
        gauge: between the channels.
        lift: of the forks above the floor.
        tilt: radians, positive leans back.
        paint: finish.
        stages: nested pairs of channels.
        fork: spread, length, width.
        backrest: height above the carriage, 0 for none.
    """
    rise = max(0.0, lift - 0.06)
    inner_rise = max(0.0, rise - (height - 1.1)) if stages == 1 else rise * 0.5
    parts = []
    for k in range(stages + 1):
        y, up = gauge / 2 - 0.055 * k, inner_rise * k / max(stages, 1)
        material = paint.mast if k == 0 else DARK_STEEL
        for sign in (1, -1):
            parts.append(
                box(
                    (x + 0.05 + 0.012 * k, sign * y, bottom + up + height / 2),
                    (0.13, 0.045, height),
                    material,
                )
            )
            parts.append(
                box(
                    (x + 0.05 + 0.012 * k, sign * (y - 0.026), bottom + up + height / 2),
                    (0.07, 0.02, height),
                    DARK_STEEL,
                )
            )
        for level in (0.06, 0.97) if k == 0 else (0.99,):
            parts.append(
                box((x + 0.01, 0, bottom + up + height * level), (0.05, 2 * y, 0.11), material)
            )
    for sign in (1, -1):
        y = sign * (gauge / 2 - 0.16)
        parts.append(
            cylinder(
                (x + 0.0, y, bottom + 0.1),
                (x + 0.0, y, bottom + height * 0.8),
                0.032,
                paint.mast,
                8,
            )
        )
        parts.append(
            cylinder(
                (x + 0.0, y, bottom + height * 0.8),
                (x + 0.0, y, bottom + height * 0.97 + inner_rise),
                0.02,
                STEEL,
                8,
            )
        )
        parts.append(
            box(
                (x + 0.06, sign * 0.07, bottom + (height + inner_rise + rise) / 2),
                (0.02, 0.03, max(0.3, height + inner_rise - rise)),
                BLACK,
            )
        )
        hose = [
            [x + 0.05, sign * 0.13, bottom + height + inner_rise - 0.1],
            [x + 0.06, sign * 0.14, bottom + (height + rise) / 2],
            [x + 0.09, sign * 0.13, lift + 0.35],
        ]
        parts.append(tube(hose, [0.012] * 3, [0.012] * 3, (0, 1, 0), RUBBER, 6))
    front, width = x + 0.17, gauge + 0.22
    parts += [
        box((front, 0, lift + 0.14), (0.05, width, 0.11), DARK_STEEL),
        box((front, 0, lift + 0.48), (0.05, width, 0.11), DARK_STEEL),
    ]
    parts += [
        box((front - 0.03, s * (gauge / 2 - 0.13), lift + 0.32), (0.06, 0.06, 0.5), DARK_STEEL)
        for s in (1, -1)
    ]
    parts.append(fork_pair(front + 0.045, lift, *fork))
    if backrest > 0:
        top = lift + 0.5 + backrest
        posts = np.linspace(-width / 2, width / 2, 7)
        parts += [bar((front, y, lift + 0.5), (front, y, top), 0.03, 0.03, BLACK) for y in posts]
        parts.append(
            bar(
                (front, -width / 2, top), (front, width / 2, top), 0.05, 0.04, BLACK, side=(0, 0, 1)
            )
        )
    pivot = np.array([x, 0, 0.3])
    lean = rotation_y(-tilt).astype(np.float64)
    return transform(merge(parts), lean, pivot - lean @ pivot)


def guard(
    front: tuple[float, float],
    rear: tuple[float, float],
    roof: tuple[float, float, float],
    width: float,
    material: Material,
    rng: np.random.Generator,
) -> Mesh:
    """Overhead guard: four posts and a barred roof.

    Args:
        front: x, z of the front feet.
        rear: x, z of the rear feet.
        roof: x of the front edge, x of the rear edge, height.
        width: metres.
        material: of posts and frame.
        rng: chooses the bars.
    """
    x0, x1, z = roof
    thick, half = rng.uniform(0.05, 0.08), width / 2
    parts = []
    for s in (1, -1):
        y_top = s * (half - 0.04)
        knee = (x0 + 0.02, y_top, z - 0.05)
        parts.append(
            tube(
                [
                    (front[0], s * half, front[1]),
                    (front[0] * 0.6 + x0 * 0.4, s * half, front[1] * 0.45 + z * 0.55),
                    knee,
                    (x0 - 0.06, y_top, z),
                ],
                [thick / 2] * 4,
                [thick / 2] * 4,
                (0, 1, 0),
                material,
                6,
            )
        )
        parts.append(
            tube(
                [
                    (rear[0], s * half, rear[1]),
                    (rear[0] * 0.5 + x1 * 0.5 - 0.02, s * half, (rear[1] + z) / 2),
                    (x1, y_top, z),
                ],
                [thick / 2] * 3,
                [thick / 2] * 3,
                (0, 1, 0),
                material,
                6,
            )
        )
        parts.append(bar((x0 - 0.06, y_top, z), (x1, y_top, z), thick, thick, material))
    for x in (x0 - 0.05, x1):
        parts.append(
            bar((x, -half + 0.04, z), (x, half - 0.04, z), thick, thick, material, side=(1, 0, 0))
        )
    if rng.random() < 0.7:
        parts += [
            bar((x, -half + 0.04, z), (x, half - 0.04, z), 0.035, 0.05, material, side=(1, 0, 0))
            for x in np.linspace(x0 - 0.1, x1, int(rng.integers(5, 10)))
        ]
    else:
        parts += [
            bar((x0 - 0.05, y, z), (x1, y, z), 0.035, 0.05, material)
            for y in np.linspace(-half + 0.06, half - 0.06, int(rng.integers(4, 8)))
        ]
    return merge(parts)
