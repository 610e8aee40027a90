"""Counterbalance trucks, electric or gas."""

from __future__ import annotations

import numpy as np

from mtv_perception.synthetic.render.assets import BLACK, DARK_STEEL, Assets
from mtv_perception.synthetic.render.mesh import Mesh, box, merge, quad, rounded_box, transform
from mtv_perception.synthetic.render.sweeps import bar, cylinder, extrude, round_corners
from mtv_perception.synthetic.vehicles import forklift_parts as part
from mtv_perception.synthetic.vehicles.forklift_mast import guard, mast
from mtv_perception.synthetic.vehicles.forklift_types import (
    Machine,
    Paint,
    Rng,
    sample_lift,
    sample_paint,
)


def counterbalance(assets: Assets, design: Rng, rng: Rng) -> Machine:
    """A seated counterbalance truck, electric or gas."""
    paint = sample_paint(assets, design, rng)
    scale, width = design.uniform(0.85, 1.25), design.uniform(1.0, 1.35)
    wheel_f, wheel_r = design.uniform(0.28, 0.38) * scale, design.uniform(0.22, 0.3) * scale
    deck, hood, rear = (
        0.58 * scale,
        design.uniform(0.95, 1.15) * scale,
        -design.uniform(1.15, 1.5) * scale,
    )
    tail = design.uniform(0.9, 1.12) * hood
    body = [
        (rear + 0.25, 0.2),
        (0.05, 0.18),
        (0.62, 0.2),
        (0.74, 0.34),
        (0.72, 0.9 * scale),
        (0.58, 0.98 * scale),
        (0.42, deck + 0.04),
        (-0.02, deck),
        (-0.14, hood - 0.12),
        (-0.2, hood),
        (rear * 0.62, hood),
        (rear * 0.7, 0.3),
    ]
    weight = [
        (rear + 0.22, 0.16),
        (rear * 0.55, 0.16),
        (rear * 0.5, tail * 0.72),
        (rear * 0.56, tail),
        (rear * 0.8, tail),
        (rear * 0.94, tail * 0.88),
        (rear, tail * 0.6),
        (rear, 0.42),
        (rear + 0.06, 0.3),
    ]
    hull = width * 0.9
    parts = [
        extrude(round_corners(body), hull - 0.06, paint.body, 0.035),
        extrude(
            round_corners(weight, 3, 0.2),
            hull,
            paint.trim if design.random() < 0.45 else paint.body,
            0.07,
        ),
        box((0.2, 0, 0.3), (1.2, hull * 0.98, 0.16), BLACK),
    ]
    axle_f, axle_r = 0.56, rear * 0.58
    for s in (1, -1):
        parts.append(
            part.wheel(
                (axle_f, s * (width / 2 - 0.06), wheel_f),
                wheel_f,
                0.24 * scale,
                paint.rim,
                design.random() < 0.6,
            )
        )
        parts.append(
            part.wheel((axle_r, s * (hull / 2 - 0.07), wheel_r), wheel_r, 0.2 * scale, paint.rim)
        )
        arch = transform(
            extrude(
                round_corners(
                    np.array(
                        [
                            (-1.3, 0.5),
                            (-1.0, 0.95),
                            (0, 1.22),
                            (1.0, 0.95),
                            (1.18, 0.6),
                            (1.1, 0.55),
                            (0.93, 0.87),
                            (0, 1.13),
                            (-0.95, 0.87),
                            (-1.22, 0.45),
                        ]
                    )
                    * wheel_f,
                    1,
                ),
                0.25,
                paint.trim,
                0.008,
            ),
            np.eye(3),
            (axle_f, s * (width / 2 - 0.07), wheel_f),
        )
        parts.append(arch)
        parts.append(box((0.12, s * (hull / 2 - 0.02), 0.36), (0.4, 0.12, 0.04), BLACK))
    top = design.uniform(2.0, 2.25) * (0.6 + 0.4 * scale)
    frame = paint.trim if design.random() < 0.7 else paint.body
    parts.append(
        guard(
            (0.62, 0.85 * scale),
            (rear * 0.6, hood),
            roof=(design.uniform(0.2, 0.42), rear * design.uniform(0.45, 0.62), top),
            width=hull - 0.08,
            material=frame,
            rng=design,
        )
    )
    parts += [part.seat(-0.42 * scale, 0, hood + 0.16, design), part.steering(0.2, 0, hood + 0.32)]
    if design.random() < 0.55:
        parts.append(part.gas_bottle(rear * 0.78, tail, design))
    else:
        parts.append(
            rounded_box((rear * 0.72, 0, tail + 0.02), (0.3, hull * 0.5, 0.06), 0.02, BLACK)
        )
    parts.append(
        part.lights(
            design,
            rng,
            front=(0.56, hull / 2 - 0.1, top - 0.3),
            rear=(rear * 0.55, hull / 2 - 0.08, top - 0.25),
            top=top,
            beacon_x=rear * 0.4,
        )
    )
    parts.append(
        part.decals(
            (rear * 0.78, rear * 0.38), hull / 2, (tail * 0.62, tail * 0.62 + 0.14), paint.label
        )
    )
    parts.append(
        quad(
            (rear - 0.012, hull * 0.26, tail * 0.55),
            (0, -hull * 0.52, 0),
            (0.0, 0, 0.17),
            paint.label,
        )
    )
    parts.append(_panels(design, paint, rear, hood, hull))
    grille = [
        box((rear + 0.005, 0, z), (0.02, hull * 0.42, 0.022), BLACK)
        for z in np.arange(tail * 0.3, tail * 0.5, 0.045)
    ]
    parts += grille
    if design.random() < 0.25:
        parts.append(_back_window(rear * 0.6, hood, top, hull - 0.1))
    height, lift = design.uniform(1.95, 2.35) * (0.5 + 0.5 * scale), sample_lift(rng, 2.6)
    fork = (design.uniform(0.35, 0.75), design.uniform(0.95, 1.25), design.uniform(0.1, 0.14))
    x = 0.76 + 0.1
    parts.append(
        mast(
            x,
            0.1,
            height=height,
            gauge=design.uniform(0.68, 0.85),
            lift=lift,
            tilt=rng.normal(0.02, 0.03),
            paint=paint,
            stages=int(design.integers(1, 3)),
            fork=fork,
            backrest=design.uniform(0.4, 0.8) if design.random() < 0.75 else 0,
        )
    )
    for s in (1, -1):
        parts.append(
            cylinder((0.6, s * 0.32, deck - 0.05), (x, s * 0.32, deck + 0.1), 0.035, DARK_STEEL, 8)
        )
    return Machine(
        mesh=merge(parts),
        seat=(-0.42 * scale - 0.02, 0, hood + 0.27, 0.0),
        seated=True,
        fork_tip=x + 0.2 + fork[1],
        fork_heel=x + 0.24,
        lift=lift,
        rear=rear,
        half_width=width / 2,
    )


def _panels(design: Rng, paint: Paint, rear: float, hood: float, hull: float) -> Mesh:
    """Gaps, vents and stripes on the flanks, and mirrors."""
    parts, x0 = [], rear * 0.45
    for s in (1, -1):
        y = s * (hull / 2 - 0.028)
        parts.append(box((x0 * 0.5, y, hood * 0.86), (abs(x0) * 0.95, 0.012, 0.012), BLACK))
        if design.random() < 0.6:
            parts += [
                box((x0 * 0.55, y, hood * z), (abs(x0) * 0.5, 0.014, 0.018), BLACK)
                for z in np.arange(0.58, 0.78, 0.045)
            ]
        if design.random() < 0.5:
            parts.append(
                box(
                    (x0 * 0.4, y - s * 0.002, hood * 0.48),
                    (abs(x0) * 1.2, 0.012, design.uniform(0.03, 0.09)),
                    paint.trim,
                )
            )
        parts.append(
            cylinder((0.42, y * 0.9, hood * 1.0), (0.36, y * 0.9, hood * 1.5), 0.014, BLACK, 6)
        )
    return merge(parts)


def _back_window(x: float, low: float, high: float, width: float) -> Mesh:
    frame = [
        bar((x - 0.05, s * width / 2, low), (x + 0.03, s * width / 2, high), 0.05, 0.04, BLACK)
        for s in (1, -1)
    ]
    return merge(
        [
            *frame,
            bar(
                (x, -width / 2, (low + high) / 2),
                (x, width / 2, (low + high) / 2),
                0.04,
                0.04,
                BLACK,
                side=(0, 0, 1),
            ),
        ]
    )
