"""Things that are not targets: drains, cones, ladders, posters, bollards, bins, carts, cables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtv_perception.synthetic.render.assets import (
    BLACK,
    DARK_STEEL,
    RUBBER,
    STEEL,
    Assets,
    pick_color,
    vary,
)
from mtv_perception.synthetic.render.mesh import (
    Material,
    Mesh,
    box,
    boxes,
    merge,
    quad,
    rotation_y,
    rounded_box,
    transform,
)
from mtv_perception.synthetic.render.sweeps import bar, cylinder, lathe, tube

Rng = np.random.Generator


def drain(assets: Assets, rng: Rng) -> Mesh:
    """A slot drain or a grate, flush with the floor."""
    if rng.random() < 0.5:
        length, width = rng.uniform(3, 12), rng.uniform(0.08, 0.25)
        bars = np.arange(0.02, length, 0.06)
        slots = boxes(
            np.stack([bars, 0 * bars, 0 * bars + 0.002], -1), (0.03, width * 0.8, 0.006), DARK_STEEL
        )
        return merge([box((length / 2, 0, 0.0), (length, width, 0.004), STEEL), slots])
    size = rng.uniform(0.4, 0.9)
    grate = Material((0.6, 0.6, 0.6), 0.5, 0.7, layer=assets.textures.pick("grid", rng))
    return box((0, 0, 0.0), (size, size, 0.008), grate, 3.0)


def cone(assets: Assets, rng: Rng) -> Mesh:
    """A traffic cone."""
    orange, white = Material(vary((0.95, 0.3, 0.05), rng), 0.6), Material((0.9, 0.9, 0.9), 0.4)
    h = rng.uniform(0.45, 0.9)
    levels = np.array([0.0, 0.35, 0.55, 0.7, 0.85, 1.0])
    radii = 0.16 * h / 0.75 * (1 - 0.85 * levels)
    parts = [
        lathe(
            np.stack([radii[k : k + 2], levels[k : k + 2] * h], -1),
            white if k in (1, 3) else orange,
            16,
        )
        for k in range(5)
    ]
    return merge(
        [*parts, rounded_box((0, 0, 0.015), (0.36 * h / 0.75, 0.36 * h / 0.75, 0.03), 0.01, orange)]
    )


def ladder(assets: Assets, rng: Rng) -> Mesh:
    """A step ladder: person-high and thin."""
    h, spread = rng.uniform(1.3, 2.6), 0.5
    tone = (
        Material((0.75, 0.76, 0.78), 0.35, 0.9, dirt=0.3)
        if rng.random() < 0.7
        else Material(vary((0.9, 0.65, 0.05), rng), 0.5)
    )
    parts = []
    for s in (1, -1):
        parts += [
            bar((0.0, s * 0.24, 0), (0.3, s * 0.16, h), 0.03, 0.07, tone),
            bar((0.3 + spread, s * 0.24, 0), (0.3, s * 0.16, h), 0.03, 0.05, tone),
        ]
    parts += [
        box((0.3 * f, 0, h * f), (0.09, 0.46 - 0.14 * f, 0.03), tone)
        for f in np.arange(0.12, 1.0, 0.25 / h)
    ]
    return merge(parts)


def bollard(assets: Assets, rng: Rng) -> Mesh:
    """A striped protective post."""
    h, r = rng.uniform(0.7, 1.2), rng.uniform(0.06, 0.1)
    tone = Material(vary((0.93, 0.75, 0.05), rng), 0.5, dirt=0.5)
    rings = [lathe([[r + 0.002, z], [r + 0.002, z + 0.1]], BLACK, 14) for z in (h * 0.35, h * 0.7)]
    return merge([lathe([[r, 0], [r, h - 0.03], [r * 0.6, h], [0, h]], tone, 14), *rings])


def bin_(assets: Assets, rng: Rng) -> Mesh:
    """A waste container."""
    tone = Material(vary(tuple(rng.uniform(0.05, 0.6, 3)), rng), 0.5)  # type: ignore[arg-type]
    w, h = rng.uniform(0.45, 1.1), rng.uniform(0.8, 1.2)
    return merge(
        [
            rounded_box((0, 0, h / 2 + 0.04), (w, w * 0.8, h), 0.04, tone),
            rounded_box((0.02, 0, h + 0.06), (w * 1.06, w * 0.86, 0.06), 0.03, tone),
        ]
    )


def fire_point(assets: Assets, rng: Rng) -> Mesh:
    """A red extinguisher on a stand or beside its sign."""
    red = Material(vary((0.75, 0.05, 0.04), rng, 0.04), 0.3, dirt=0.2)
    bottle = lathe(
        [
            [0.08, 0],
            [0.085, 0.03],
            [0.085, 0.42],
            [0.05, 0.5],
            [0.025, 0.52],
            [0.025, 0.57],
            [0, 0.58],
        ],
        red,
        14,
    )
    return merge(
        [
            transform(bottle, np.eye(3), (0, 0, 0.05)),
            tube(
                [(0.02, 0, 0.6), (0.12, 0, 0.5), (0.1, 0, 0.2)],
                [0.012] * 3,
                [0.012] * 3,
                (0, 1, 0),
                RUBBER,
                6,
            ),
            bar((-0.1, 0, 0), (-0.1, 0, 1.6), 0.04, 0.04, STEEL),
            box((-0.08, 0, 1.45), (0.01, 0.25, 0.3), red),
        ]
    )


def cart(assets: Assets, rng: Rng) -> Mesh:
    """A platform trolley or roll cage; has wheels but is no forklift."""
    tone = Material(pick_color(assets.rack_colors, rng), 0.5)
    parts = [box((0, 0, 0.2), (0.9, 0.6, 0.04), tone)]
    parts += [
        transform(
            lathe([[0.07, -0.02], [0.07, 0.02], [0, 0.02]], RUBBER, 12),
            np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0.0]]),
            (x, y, 0.07),
        )
        for x in (-0.38, 0.38)
        for y in (-0.26, 0.26)
    ]
    top = 0.95 if rng.random() < 0.5 else 1.7
    parts += [cylinder((-0.44, y, 0.2), (-0.44, y, top), 0.017, STEEL, 8) for y in (-0.28, 0.28)]
    parts.append(cylinder((-0.44, -0.28, top), (-0.44, 0.28, top), 0.017, STEEL, 8))
    if top > 1:
        parts += [
            cylinder((-0.44, y, z), (0.44, y, z), 0.008, STEEL, 6)
            for y in (-0.29, 0.29)
            for z in np.arange(0.4, top, 0.22)
        ]
        parts += [cylinder((0.44, y, 0.2), (0.44, y, top), 0.014, STEEL, 6) for y in (-0.28, 0.28)]
    return merge(parts)


def sign_board(assets: Assets, rng: Rng) -> Mesh:
    """A poster on a stand, sometimes with a figure on it."""
    paper = Material((1, 1, 1), 0.6, layer=assets.textures.pick("poster", rng), dirt=0.1)
    w, h, low = rng.uniform(0.4, 1.0), rng.uniform(0.6, 1.2), rng.uniform(0.1, 0.9)
    face = quad((0, w / 2, low), (0, -w, 0), (0, 0, h), paper)
    return merge(
        [
            face,
            box((0.02, 0, low + h / 2), (0.03, w + 0.04, h + 0.04), DARK_STEEL),
            bar((0.05, 0, 0), (0.05, 0, low + h), 0.04, 0.04, DARK_STEEL),
            box((0.05, 0, 0.01), (0.4, 0.4, 0.02), DARK_STEEL),
        ]
    )


def machine(assets: Assets, rng: Rng) -> Mesh:
    """A piece of equipment: cabinet, panel, pipes."""
    tone = Material(pick_color(assets.rack_colors, rng), 0.45)
    w, d, h = rng.uniform([0.6, 0.6, 0.9], [1.8, 1.2, 2.2])
    parts = [
        rounded_box((0, 0, h / 2), (d, w, h), 0.03, tone),
        box((-d / 2 - 0.01, w * 0.1, h * 0.7), (0.02, w * 0.4, h * 0.2), BLACK),
        box((0, 0, 0.05), (d * 1.02, w * 1.02, 0.1), BLACK),
    ]
    parts += [
        cylinder(
            (rng.uniform(-d, d) * 0.3, y, h), (0, y, h + rng.uniform(0.3, 1.5)), 0.04, STEEL, 8
        )
        for y in rng.uniform(-w / 3, w / 3, 2)
    ]
    parts.append(
        quad(
            (-d / 2 - 0.012, w * 0.4, h * 0.3),
            (0, -w * 0.3, 0),
            (0, 0, 0.15),
            Material((1, 1, 1), 0.5, layer=assets.textures.pick("label", rng)),
        )
    )
    return merge(parts)


def cable(assets: Assets, rng: Rng) -> Mesh:
    """A cable or hose lying on the floor: thin and curved like a rail, but round and soft."""
    steps = np.cumsum(rng.normal(0, 0.25, 40))
    heading = rng.uniform(0, 2 * np.pi) + steps * 0.4
    line = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], -1) * 0.12, axis=0)
    r = rng.uniform(0.006, 0.02)
    tone = Material(
        vary(((0.06, 0.06, 0.06), (0.85, 0.4, 0.05), (0.1, 0.2, 0.6))[int(rng.integers(3))], rng),
        0.5,
    )
    return tube(
        np.column_stack([line - line.mean(0), np.full(40, r)]),
        [r] * 40,
        [r] * 40,
        (0, 0, 1),
        tone,
        8,
    )


def leaning_plank(assets: Assets, rng: Rng) -> Mesh:
    """A plank that leans on nothing in particular."""
    wood = Material((0.9, 0.85, 0.8), 0.8, layer=assets.textures.pick("planks", rng))
    plank = box((0, 0, 1.0), (0.04, 0.2, 2.0), wood)
    return transform(plank, rotation_y(rng.uniform(0.1, 0.4)))


KINDS: dict[str, tuple[Callable[[Assets, Rng], Mesh], float]] = {
    "cone": (cone, 0.25),
    "ladder": (ladder, 0.5),
    "bollard": (bollard, 0.15),
    "bin": (bin_, 0.5),
    "fire_point": (fire_point, 0.25),
    "cart": (cart, 0.6),
    "sign": (sign_board, 0.4),
    "machine": (machine, 0.9),
    "cable": (cable, 0.1),
    "drain": (drain, 0.1),
    "plank": (leaning_plank, 0.4),
}
