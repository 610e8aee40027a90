"""Forklifts built from parameters: counterbalance trucks, reach trucks, stackers and pallet trucks.

A machine faces +x with its forks ahead and stands on z = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mtv_perception.data.synthetic import forklift_parts as part
from mtv_perception.data.synthetic.assets import BLACK, DARK_STEEL, Assets, pick_color, vary
from mtv_perception.data.synthetic.forklift_parts import Paint
from mtv_perception.data.synthetic.mesh import EMISSIVE, Material, Mesh, box, merge, quad, rounded_box, transform
from mtv_perception.data.synthetic.sweeps import bar, cylinder, extrude, round_corners, tube

Rng = np.random.Generator


@dataclass(frozen=True)
class Machine:
    """A built forklift.

    Attributes:
        mesh: all of it but load and driver.
        seat: x, y, z of a seated pelvis or of standing feet, and yaw; None where nobody can ride.
        seated: whether the driver sits.
        fork_tip: x of the forks' end, metres.
        fork_heel: x of the forks' root.
        lift: height of the forks.
        rear: x of the back end.
        half_width: metres.
    """

    mesh: Mesh
    seat: tuple[float, float, float, float] | None
    seated: bool
    fork_tip: float
    fork_heel: float
    lift: float
    rear: float
    half_width: float


def _paint(assets: Assets, design: Rng, rng: Rng) -> Paint:
    wear = float(rng.choice([0.15, 0.35, 0.7]))
    body = Material(pick_color(assets.machine_colors, design), 0.38, dirt=wear)
    dark = Material(vary((0.12, 0.12, 0.13), design, 0.1), 0.5, dirt=wear)
    trim = dark if design.random() < 0.6 else (replace(body, color=vary((0.55, 0.55, 0.56), design)) if design.random() < 0.5 else body)
    mast = dark if design.random() < 0.7 else body
    rim = Material((0.85, 0.84, 0.8) if design.random() < 0.4 else body.color, 0.5, dirt=0.6)
    return Paint(body, trim, mast, rim, Material((1, 1, 1), 0.5, layer=assets.textures.pick("label", design), dirt=0.2))


def _lift(rng: Rng, highest: float) -> float:
    if rng.random() < 0.55:
        return float(rng.uniform(0.04, 0.3))
    return float(rng.uniform(0.3, highest))


def counterbalance(assets: Assets, design: Rng, rng: Rng) -> Machine:
    """A seated counterbalance truck, electric or gas."""
    paint = _paint(assets, design, rng)
    scale, width = design.uniform(0.85, 1.25), design.uniform(1.0, 1.35)
    wheel_f, wheel_r = design.uniform(0.28, 0.38) * scale, design.uniform(0.22, 0.3) * scale
    deck, hood, rear = 0.58 * scale, design.uniform(0.95, 1.15) * scale, -design.uniform(1.15, 1.5) * scale
    tail = design.uniform(0.9, 1.12) * hood
    body = [(rear + 0.25, 0.2), (0.05, 0.18), (0.62, 0.2), (0.74, 0.34), (0.72, 0.9 * scale), (0.58, 0.98 * scale), (0.42, deck + 0.04), (-0.02, deck), (-0.14, hood - 0.12), (-0.2, hood), (rear * 0.62, hood), (rear * 0.7, 0.3)]
    weight = [(rear + 0.22, 0.16), (rear * 0.55, 0.16), (rear * 0.5, tail * 0.72), (rear * 0.56, tail), (rear * 0.8, tail), (rear * 0.94, tail * 0.88), (rear, tail * 0.6), (rear, 0.42), (rear + 0.06, 0.3)]
    hull = width * 0.9
    parts = [
        extrude(round_corners(body), hull - 0.06, paint.body, 0.035),
        extrude(round_corners(weight, 3, 0.2), hull, paint.trim if design.random() < 0.45 else paint.body, 0.07),
        box((0.2, 0, 0.3), (1.2, hull * 0.98, 0.16), BLACK),
    ]
    axle_f, axle_r = 0.56, rear * 0.58
    for s in (1, -1):
        parts.append(part.wheel((axle_f, s * (width / 2 - 0.06), wheel_f), wheel_f, 0.24 * scale, paint.rim, design.random() < 0.6))
        parts.append(part.wheel((axle_r, s * (hull / 2 - 0.07), wheel_r), wheel_r, 0.2 * scale, paint.rim))
        arch = transform(extrude(round_corners(np.array([(-1.3, 0.5), (-1.0, 0.95), (0, 1.22), (1.0, 0.95), (1.18, 0.6), (1.1, 0.55), (0.93, 0.87), (0, 1.13), (-0.95, 0.87), (-1.22, 0.45)]) * wheel_f, 1), 0.25, paint.trim, 0.008), np.eye(3), (axle_f, s * (width / 2 - 0.07), wheel_f))
        parts.append(arch)
        parts.append(box((0.12, s * (hull / 2 - 0.02), 0.36), (0.4, 0.12, 0.04), BLACK))
    top = design.uniform(2.0, 2.25) * (0.6 + 0.4 * scale)
    frame = paint.trim if design.random() < 0.7 else paint.body
    parts.append(part.guard((0.62, 0.85 * scale), (rear * 0.6, hood), (design.uniform(0.2, 0.42), rear * design.uniform(0.45, 0.62), top), hull - 0.08, frame, design))
    parts += [part.seat(-0.42 * scale, 0, hood + 0.16, design), part.steering(0.2, 0, hood + 0.32)]
    if design.random() < 0.55:
        parts.append(part.gas_bottle(rear * 0.78, tail, design))
    else:
        parts.append(rounded_box((rear * 0.72, 0, tail + 0.02), (0.3, hull * 0.5, 0.06), 0.02, BLACK))
    parts.append(_lights(design, rng, (0.56, hull / 2 - 0.1, top - 0.3), (rear * 0.55, hull / 2 - 0.08, top - 0.25), top, rear * 0.4))
    parts.append(part.decals((rear * 0.78, rear * 0.38), hull / 2, (tail * 0.62, tail * 0.62 + 0.14), paint.label))
    parts.append(quad((rear - 0.012, hull * 0.26, tail * 0.55), (0, -hull * 0.52, 0), (0.0, 0, 0.17), paint.label))
    parts.append(_panels(design, paint, rear, hood, hull))
    grille = [box((rear + 0.005, 0, z), (0.02, hull * 0.42, 0.022), BLACK) for z in np.arange(tail * 0.3, tail * 0.5, 0.045)]
    parts += grille
    if design.random() < 0.25:
        parts.append(_back_window(rear * 0.6, hood, top, hull - 0.1))
    height, lift = design.uniform(1.95, 2.35) * (0.5 + 0.5 * scale), _lift(rng, 2.6)
    fork = (design.uniform(0.35, 0.75), design.uniform(0.95, 1.25), design.uniform(0.1, 0.14))
    x = 0.76 + 0.1
    parts.append(part.mast(x, 0.1, height, design.uniform(0.68, 0.85), lift, rng.normal(0.02, 0.03), paint, int(design.integers(1, 3)), fork, design.uniform(0.4, 0.8) if design.random() < 0.75 else 0))
    for s in (1, -1):
        parts.append(cylinder((0.6, s * 0.32, deck - 0.05), (x, s * 0.32, deck + 0.1), 0.035, DARK_STEEL, 8))
    return Machine(merge(parts), (-0.42 * scale - 0.02, 0, hood + 0.27, 0.0), True, x + 0.2 + fork[1], x + 0.24, lift, rear, width / 2)


def _panels(design: Rng, paint: Paint, rear: float, hood: float, hull: float) -> Mesh:
    """Gaps, vents and stripes on the flanks, and mirrors."""
    parts, x0 = [], rear * 0.45
    for s in (1, -1):
        y = s * (hull / 2 - 0.028)
        parts.append(box((x0 * 0.5, y, hood * 0.86), (abs(x0) * 0.95, 0.012, 0.012), BLACK))
        if design.random() < 0.6:
            parts += [box((x0 * 0.55, y, hood * z), (abs(x0) * 0.5, 0.014, 0.018), BLACK) for z in np.arange(0.58, 0.78, 0.045)]
        if design.random() < 0.5:
            parts.append(box((x0 * 0.4, y - s * 0.002, hood * 0.48), (abs(x0) * 1.2, 0.012, design.uniform(0.03, 0.09)), paint.trim))
        parts.append(cylinder((0.42, y * 0.9, hood * 1.0), (0.36, y * 0.9, hood * 1.5), 0.014, BLACK, 6))
    return merge(parts)


def _back_window(x: float, low: float, high: float, width: float) -> Mesh:
    frame = [bar((x - 0.05, s * width / 2, low), (x + 0.03, s * width / 2, high), 0.05, 0.04, BLACK) for s in (1, -1)]
    return merge([*frame, bar((x, -width / 2, (low + high) / 2), (x, width / 2, (low + high) / 2), 0.04, 0.04, BLACK, side=(0, 0, 1))])


def _lights(design: Rng, rng: Rng, front: tuple[float, float, float], rear: tuple[float, float, float], top: float, beacon_x: float) -> Mesh:
    on = 5.0 if rng.random() < 0.4 else 0.8
    parts = []
    for s in (1, -1):
        if design.random() < 0.8:
            parts.append(part.lamp((front[0], s * front[1], front[2]), 1, (1, 0.97, 0.9), on))
        parts.append(part.lamp((rear[0], s * rear[1], rear[2]), -1, (0.8, 0.08, 0.04), on * 0.5))
    if design.random() < 0.6:
        amber = Material((2.0, 0.75, 0.05) if rng.random() < 0.5 else (0.7, 0.3, 0.03), kind=EMISSIVE)
        parts.append(cylinder((beacon_x, 0, top + 0.02), (beacon_x, 0, top + 0.15), 0.05, amber, 10))
    return merge(parts)


def reach_truck(assets: Assets, design: Rng, rng: Rng) -> Machine:
    """A narrow-aisle reach truck with straddle legs and a driver seated sideways."""
    paint = _paint(assets, design, rng)
    width, rear, hood = design.uniform(1.15, 1.35), -design.uniform(1.0, 1.25), design.uniform(0.85, 1.05)
    top = design.uniform(2.1, 2.35)
    body = [(rear, 0.12), (0.1, 0.12), (0.12, hood * 0.55), (-0.15, hood * 0.6), (-0.2, hood * 0.5), (rear * 0.55, hood * 0.48), (rear * 0.6, hood * 1.1), (rear * 0.92, hood * 1.12), (rear, hood * 0.9)]
    parts = [extrude(round_corners(body), width * 0.96, paint.body, 0.05), box((rear * 0.45, 0, 0.2), (abs(rear) * 0.85, width * 0.99, 0.14), BLACK)]
    parts.append(rounded_box((-0.02, -width * 0.2, hood * 0.75), (0.22, width * 0.5, hood * 0.5), 0.05, paint.trim))
    parts.append(rounded_box((0.0, 0, 0.5), (0.3, width * 0.9, 0.7), 0.04, paint.trim))
    reach_x = rng.uniform(0.15, 0.75)
    for s in (1, -1):
        parts.append(box((0.75, s * (width / 2 - 0.09), 0.24), (1.5, 0.14, 0.16), paint.body))
        parts.append(part.wheel((1.35, s * (width / 2 - 0.09), 0.16), 0.16, 0.11, paint.rim, False))
    parts.append(part.wheel((rear * 0.6, width * 0.2, 0.17), 0.17, 0.12, paint.rim, False))
    frame = paint.trim
    for x, y in ((0.05, width / 2 - 0.06), (0.05, -width / 2 + 0.06), (rear * 0.85, -width / 2 + 0.06), (rear * 0.85, width / 2 - 0.06)):
        parts.append(bar((x, y, hood * 0.55), (x, y, top), 0.06, 0.09, frame))
    parts += [bar((x, -width / 2 + 0.05, top), (x, width / 2 - 0.05, top), 0.05, 0.06, frame, side=(1, 0, 0)) for x in np.linspace(rear * 0.87, 0.06, int(design.integers(5, 10)))]
    parts += [bar((rear * 0.87, y, top), (0.08, y, top), 0.06, 0.07, frame) for y in (-width / 2 + 0.05, width / 2 - 0.05)]
    parts += [part.seat(rear * 0.5, -0.1, hood * 0.62 + 0.1, design), part.steering(rear * 0.15, 0.2, hood + 0.05)]
    parts.append(_lights(design, rng, (0.09, width / 2 - 0.08, top - 0.2), (rear * 0.9, width / 2 - 0.1, top - 0.2), top, rear * 0.5))
    parts.append(part.decals((rear * 0.9, rear * 0.4), width * 0.48, (hood * 0.2, hood * 0.2 + 0.16), paint.label))
    parts.append(quad((rear - 0.012, width * 0.3, hood * 0.5), (0, -width * 0.6, 0), (0, 0, 0.18), paint.label))
    lift, fork = _lift(rng, 4.0), (design.uniform(0.4, 0.6), design.uniform(1.0, 1.2), 0.11)
    parts.append(part.mast(reach_x + 0.05, 0.08, design.uniform(2.2, 2.9), design.uniform(0.62, 0.8), lift, rng.normal(0, 0.02), paint, 2, fork, design.uniform(0.3, 0.7) if design.random() < 0.6 else 0))
    return Machine(merge(parts), (rear * 0.5, -0.1, hood * 0.62 + 0.2, float(np.pi / 2 * rng.uniform(0.5, 1.0))), True, reach_x + 0.25 + fork[1], reach_x + 0.29, lift, rear, width / 2)


def _low_forks(width: float, length: float, lift: float) -> list[Mesh]:
    parts = []
    for s in (1, -1):
        y = s * (width / 2 - 0.09)
        parts.append(tube([(0.0, y, lift), (length * 0.9, y, lift), (length, y, lift - 0.01)], [0.11, 0.11, 0.06], [0.045, 0.045, 0.02], (0, 1, 0), DARK_STEEL, 4))
        parts.append(part.wheel((length * 0.85, y, 0.045), 0.045, 0.09, BLACK, False))
    return parts


def _tiller(x: float, z: float, angle: float, color: Material, length: float = 0.85) -> Mesh:
    tip = np.array([x - length * np.sin(angle), 0, z + length * np.cos(angle)])
    shaft = bar((x, 0, z), tip, 0.07, 0.05, color)
    loop = [tip, tip + [-0.03, 0.13, 0.05], tip + [-0.06, 0.14, 0.16], tip + [-0.07, 0, 0.18], tip + [-0.06, -0.14, 0.16], tip + [-0.03, -0.13, 0.05], tip]
    grip = tube(loop, [0.017] * 7, [0.017] * 7, (1, 0, 0.2), BLACK, 6)
    return merge([shaft, grip, rounded_box(tip + [-0.03, 0, 0.07], (0.08, 0.12, 0.12), 0.03, color)])


def pallet_truck(assets: Assets, design: Rng, rng: Rng) -> Machine:
    """An electric pallet truck, walked behind or ridden standing."""
    paint = _paint(assets, design, rng)
    width, height, depth = design.uniform(0.62, 0.78), design.uniform(0.62, 0.95), design.uniform(0.4, 0.75)
    fork_length, lift = design.uniform(1.1, 1.6), float(rng.uniform(0.085, 0.2))
    body = [(-depth, 0.06), (-0.02, 0.06), (0.0, height * 0.7), (-0.08, height), (-depth * 0.55, height * 0.97), (-depth * 0.95, height * 0.6)]
    parts = [extrude(round_corners(body, 3), width, paint.body, 0.05), rounded_box((-depth * 0.5, 0, 0.14), (depth * 1.05, width * 1.02, 0.16), 0.05, paint.trim)]
    parts += _low_forks(0.56, fork_length, lift)
    parts += [box((0.01, 0, height * 0.35), (0.04, width * 0.92, height * 0.6), BLACK), part.decals((-depth * 0.75, -depth * 0.2), width / 2, (height * 0.45, height * 0.62), paint.label)]
    parts.append(_tiller(-depth * 0.75, height * 0.55, rng.uniform(0.1, 1.1), paint.trim))
    seat = None
    if design.random() < 0.5:
        parts += [box((-depth - 0.22, 0, 0.12), (0.44, width * 0.85, 0.05), BLACK)]
        parts += [tube([(-depth - 0.05, s * width / 2, 0.5), (-depth - 0.05, s * width / 2, 1.05), (-depth - 0.35, s * width / 2, 1.05), (-depth - 0.35, s * width / 2, 0.2)], [0.018] * 4, [0.018] * 4, (0, 1, 0), paint.trim, 6) for s in (1, -1)]
        seat = (-depth - 0.22, 0.0, 0.145, 0.0)
    return Machine(merge(parts), seat, False, fork_length, 0.02, lift, -depth - (0.45 if seat else 0.15), width / 2)


def stacker(assets: Assets, design: Rng, rng: Rng) -> Machine:
    """A pedestrian stacker: a pallet truck with a mast."""
    paint = _paint(assets, design, rng)
    width, height, depth = design.uniform(0.75, 0.9), design.uniform(0.75, 0.95), design.uniform(0.5, 0.75)
    body = [(-depth, 0.06), (0, 0.06), (0, height), (-depth * 0.6, height), (-depth, height * 0.6)]
    parts = [extrude(round_corners(body, 2), width, paint.body, 0.05), rounded_box((-depth * 0.5, 0, 0.14), (depth * 1.04, width * 1.03, 0.18), 0.05, paint.trim)]
    lift, fork = _lift(rng, 2.2), (0.4, design.uniform(1.0, 1.15), 0.15)
    parts.append(part.mast(0.0, 0.06, design.uniform(1.75, 2.2), 0.62, lift, 0.0, paint, 1, fork, design.uniform(0.3, 0.6) if design.random() < 0.5 else 0))
    for s in (1, -1):
        parts += [box((0.65, s * 0.32, 0.09), (1.2, 0.12, 0.09), paint.trim), part.wheel((1.1, s * 0.32, 0.06), 0.06, 0.08, BLACK, False)]
    mesh_guard = Material((0.9, 0.9, 0.9), 0.5, layer=assets.textures.pick("grid", rng), dirt=0)
    parts.append(box((-0.01, 0, 1.35), (0.012, 0.5, 0.8), replace(mesh_guard, color=(0.2, 0.2, 0.2)), 3.0))
    parts += [part.decals((-depth * 0.8, -depth * 0.2), width / 2, (height * 0.5, height * 0.66), paint.label), _tiller(-depth * 0.8, height * 0.6, rng.uniform(0.1, 1.0), BLACK)]
    return Machine(merge(parts), None, False, 0.2 + fork[1], 0.24, lift, -depth - 0.2, width / 2)


KINDS: dict[str, tuple[Callable[[Assets, Rng, Rng], Machine], float]] = {
    "counterbalance": (counterbalance, 0.6),
    "reach": (reach_truck, 0.18),
    "pallet_truck": (pallet_truck, 0.12),
    "stacker": (stacker, 0.1),
}


def make_forklift(assets: Assets, rng: Rng, kind: str | None = None) -> Machine:
    """A machine of one of the split's designs.

    Raises:
        ValueError: for an unknown kind.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"Expected a forklift kind of {sorted(KINDS)}, got {kind!r}.")
    names = list(KINDS)
    chosen = kind or str(rng.choice(names, p=[KINDS[n][1] for n in names]))
    design = np.random.default_rng([11, int(rng.choice(assets.designs))])
    return KINDS[chosen][0](assets, design, rng)


