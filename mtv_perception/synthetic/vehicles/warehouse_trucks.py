"""Reach trucks, pallet trucks and stackers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtv_perception.synthetic.render.assets import BLACK, DARK_STEEL, Assets
from mtv_perception.synthetic.render.mesh import Material, Mesh, box, merge, quad, rounded_box
from mtv_perception.synthetic.render.sweeps import bar, extrude, round_corners, tube
from mtv_perception.synthetic.vehicles import forklift_parts as part
from mtv_perception.synthetic.vehicles.forklift_mast import mast
from mtv_perception.synthetic.vehicles.forklift_types import Machine, Rng, sample_lift, sample_paint


def reach_truck(assets: Assets, design: Rng, rng: Rng) -> Machine:
    """A narrow-aisle reach truck with straddle legs and a driver seated sideways."""
    paint = sample_paint(assets, design, rng)
    width, rear, hood = (
        design.uniform(1.15, 1.35),
        -design.uniform(1.0, 1.25),
        design.uniform(0.85, 1.05),
    )
    top = design.uniform(2.1, 2.35)
    body = [
        (rear, 0.12),
        (0.1, 0.12),
        (0.12, hood * 0.55),
        (-0.15, hood * 0.6),
        (-0.2, hood * 0.5),
        (rear * 0.55, hood * 0.48),
        (rear * 0.6, hood * 1.1),
        (rear * 0.92, hood * 1.12),
        (rear, hood * 0.9),
    ]
    parts = [
        extrude(round_corners(body), width * 0.96, paint.body, 0.05),
        box((rear * 0.45, 0, 0.2), (abs(rear) * 0.85, width * 0.99, 0.14), BLACK),
    ]
    parts.append(
        rounded_box(
            (-0.02, -width * 0.2, hood * 0.75), (0.22, width * 0.5, hood * 0.5), 0.05, paint.trim
        )
    )
    parts.append(rounded_box((0.0, 0, 0.5), (0.3, width * 0.9, 0.7), 0.04, paint.trim))
    reach_x = rng.uniform(0.15, 0.75)
    for s in (1, -1):
        parts.append(box((0.75, s * (width / 2 - 0.09), 0.24), (1.5, 0.14, 0.16), paint.body))
        parts.append(part.wheel((1.35, s * (width / 2 - 0.09), 0.16), 0.16, 0.11, paint.rim, False))
    parts.append(part.wheel((rear * 0.6, width * 0.2, 0.17), 0.17, 0.12, paint.rim, False))
    frame = paint.trim
    for x, y in (
        (0.05, width / 2 - 0.06),
        (0.05, -width / 2 + 0.06),
        (rear * 0.85, -width / 2 + 0.06),
        (rear * 0.85, width / 2 - 0.06),
    ):
        parts.append(bar((x, y, hood * 0.55), (x, y, top), 0.06, 0.09, frame))
    parts += [
        bar(
            (x, -width / 2 + 0.05, top),
            (x, width / 2 - 0.05, top),
            0.05,
            0.06,
            frame,
            side=(1, 0, 0),
        )
        for x in np.linspace(rear * 0.87, 0.06, int(design.integers(5, 10)))
    ]
    parts += [
        bar((rear * 0.87, y, top), (0.08, y, top), 0.06, 0.07, frame)
        for y in (-width / 2 + 0.05, width / 2 - 0.05)
    ]
    parts += [
        part.seat(rear * 0.5, -0.1, hood * 0.62 + 0.1, design),
        part.steering(rear * 0.15, 0.2, hood + 0.05),
    ]
    parts.append(
        part.lights(
            design,
            rng,
            front=(0.09, width / 2 - 0.08, top - 0.2),
            rear=(rear * 0.9, width / 2 - 0.1, top - 0.2),
            top=top,
            beacon_x=rear * 0.5,
        )
    )
    parts.append(
        part.decals(
            (rear * 0.9, rear * 0.4), width * 0.48, (hood * 0.2, hood * 0.2 + 0.16), paint.label
        )
    )
    parts.append(
        quad(
            (rear - 0.012, width * 0.3, hood * 0.5), (0, -width * 0.6, 0), (0, 0, 0.18), paint.label
        )
    )
    lift, fork = sample_lift(rng, 4.0), (design.uniform(0.4, 0.6), design.uniform(1.0, 1.2), 0.11)
    parts.append(
        mast(
            reach_x + 0.05,
            0.08,
            height=design.uniform(2.2, 2.9),
            gauge=design.uniform(0.62, 0.8),
            lift=lift,
            tilt=rng.normal(0, 0.02),
            paint=paint,
            stages=2,
            fork=fork,
            backrest=design.uniform(0.3, 0.7) if design.random() < 0.6 else 0,
        )
    )
    return Machine(
        mesh=merge(parts),
        seat=(rear * 0.5, -0.1, hood * 0.62 + 0.2, float(np.pi / 2 * rng.uniform(0.5, 1.0))),
        seated=True,
        fork_tip=reach_x + 0.25 + fork[1],
        fork_heel=reach_x + 0.29,
        lift=lift,
        rear=rear,
        half_width=width / 2,
    )


def _low_forks(width: float, length: float, lift: float) -> list[Mesh]:
    parts = []
    for s in (1, -1):
        y = s * (width / 2 - 0.09)
        parts.append(
            tube(
                [(0.0, y, lift), (length * 0.9, y, lift), (length, y, lift - 0.01)],
                [0.11, 0.11, 0.06],
                [0.045, 0.045, 0.02],
                (0, 1, 0),
                DARK_STEEL,
                4,
            )
        )
        parts.append(part.wheel((length * 0.85, y, 0.045), 0.045, 0.09, BLACK, False))
    return parts


def _tiller(x: float, z: float, angle: float, color: Material, length: float = 0.85) -> Mesh:
    tip = np.array([x - length * np.sin(angle), 0, z + length * np.cos(angle)])
    shaft = bar((x, 0, z), tip, 0.07, 0.05, color)
    loop = [
        tip,
        tip + np.array([-0.03, 0.13, 0.05]),
        tip + np.array([-0.06, 0.14, 0.16]),
        tip + np.array([-0.07, 0, 0.18]),
        tip + np.array([-0.06, -0.14, 0.16]),
        tip + np.array([-0.03, -0.13, 0.05]),
        tip,
    ]
    grip = tube(loop, [0.017] * 7, [0.017] * 7, (1, 0, 0.2), BLACK, 6)
    return merge(
        [
            shaft,
            grip,
            rounded_box(tip + np.array([-0.03, 0, 0.07]), (0.08, 0.12, 0.12), 0.03, color),
        ]
    )


def pallet_truck(assets: Assets, design: Rng, rng: Rng) -> Machine:
    """An electric pallet truck, walked behind or ridden standing."""
    paint = sample_paint(assets, design, rng)
    width, height, depth = (
        design.uniform(0.62, 0.78),
        design.uniform(0.62, 0.95),
        design.uniform(0.4, 0.75),
    )
    fork_length, lift = design.uniform(1.1, 1.6), float(rng.uniform(0.085, 0.2))
    body = [
        (-depth, 0.06),
        (-0.02, 0.06),
        (0.0, height * 0.7),
        (-0.08, height),
        (-depth * 0.55, height * 0.97),
        (-depth * 0.95, height * 0.6),
    ]
    parts = [
        extrude(round_corners(body, 3), width, paint.body, 0.05),
        rounded_box((-depth * 0.5, 0, 0.14), (depth * 1.05, width * 1.02, 0.16), 0.05, paint.trim),
    ]
    parts += _low_forks(0.56, fork_length, lift)
    parts += [
        box((0.01, 0, height * 0.35), (0.04, width * 0.92, height * 0.6), BLACK),
        part.decals(
            (-depth * 0.75, -depth * 0.2), width / 2, (height * 0.45, height * 0.62), paint.label
        ),
    ]
    parts.append(_tiller(-depth * 0.75, height * 0.55, rng.uniform(0.1, 1.1), paint.trim))
    seat = None
    if design.random() < 0.5:
        parts += [box((-depth - 0.22, 0, 0.12), (0.44, width * 0.85, 0.05), BLACK)]
        parts += [
            tube(
                [
                    (-depth - 0.05, s * width / 2, 0.5),
                    (-depth - 0.05, s * width / 2, 1.05),
                    (-depth - 0.35, s * width / 2, 1.05),
                    (-depth - 0.35, s * width / 2, 0.2),
                ],
                [0.018] * 4,
                [0.018] * 4,
                (0, 1, 0),
                paint.trim,
                6,
            )
            for s in (1, -1)
        ]
        seat = (-depth - 0.22, 0.0, 0.145, 0.0)
    return Machine(
        mesh=merge(parts),
        seat=seat,
        seated=False,
        fork_tip=fork_length,
        fork_heel=0.02,
        lift=lift,
        rear=-depth - (0.45 if seat else 0.15),
        half_width=width / 2,
    )


def stacker(assets: Assets, design: Rng, rng: Rng) -> Machine:
    """A pedestrian stacker: a pallet truck with a mast."""
    paint = sample_paint(assets, design, rng)
    width, height, depth = (
        design.uniform(0.75, 0.9),
        design.uniform(0.75, 0.95),
        design.uniform(0.5, 0.75),
    )
    body = [(-depth, 0.06), (0, 0.06), (0, height), (-depth * 0.6, height), (-depth, height * 0.6)]
    parts = [
        extrude(round_corners(body, 2), width, paint.body, 0.05),
        rounded_box((-depth * 0.5, 0, 0.14), (depth * 1.04, width * 1.03, 0.18), 0.05, paint.trim),
    ]
    lift, fork = sample_lift(rng, 2.2), (0.4, design.uniform(1.0, 1.15), 0.15)
    parts.append(
        mast(
            0.0,
            0.06,
            height=design.uniform(1.75, 2.2),
            gauge=0.62,
            lift=lift,
            tilt=0.0,
            paint=paint,
            stages=1,
            fork=fork,
            backrest=design.uniform(0.3, 0.6) if design.random() < 0.5 else 0,
        )
    )
    for s in (1, -1):
        parts += [
            box((0.65, s * 0.32, 0.09), (1.2, 0.12, 0.09), paint.trim),
            part.wheel((1.1, s * 0.32, 0.06), 0.06, 0.08, BLACK, False),
        ]
    mesh_guard = Material((0.9, 0.9, 0.9), 0.5, layer=assets.textures.pick("grid", rng), dirt=0)
    parts.append(
        box((-0.01, 0, 1.35), (0.012, 0.5, 0.8), replace(mesh_guard, color=(0.2, 0.2, 0.2)), 3.0)
    )
    parts += [
        part.decals(
            (-depth * 0.8, -depth * 0.2), width / 2, (height * 0.5, height * 0.66), paint.label
        ),
        _tiller(-depth * 0.8, height * 0.6, rng.uniform(0.1, 1.0), BLACK),
    ]
    return Machine(
        mesh=merge(parts),
        seat=None,
        seated=False,
        fork_tip=0.2 + fork[1],
        fork_heel=0.24,
        lift=lift,
        rear=-depth - 0.2,
        half_width=width / 2,
    )
