"""Racks, pallets and goods."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtv_perception.synthetic.render.assets import Assets, pick_color, vary
from mtv_perception.synthetic.render.mesh import Material, Mesh, box, boxes, merge, place
from mtv_perception.synthetic.render.sweeps import bar, lathe

Rng = np.random.Generator


def pallet(assets: Assets, rng: Rng) -> Mesh:
    """A 1.2 x 0.8 m wooden (or plastic) pallet, 0.144 m high."""
    wood = Material(
        vary((0.9, 0.85, 0.8), rng, 0.1), 0.85, layer=assets.textures.pick("planks", rng), dirt=0.5
    )
    if rng.random() < 0.12:
        wood = Material(vary((0.1, 0.2, 0.5), rng, 0.2), 0.6)
    centers, sizes = [], []
    for y in np.linspace(-0.34, 0.34, 5):
        centers.append([0, y, 0.133])
        sizes.append([1.2, 0.12, 0.022])
    for x in (-0.53, 0, 0.53):
        centers.append([x, 0, 0.111])
        sizes.append([0.14, 0.8, 0.022])
        for y in (-0.34, 0, 0.34):
            centers.append([x, y, 0.06])
            sizes.append([0.14, 0.1, 0.08])
    for y in (-0.34, 0, 0.34):
        centers.append([0, y, 0.011])
        sizes.append([1.2, 0.1, 0.022])
    return boxes(centers, sizes, wood, 2.0)


def goods(assets: Assets, rng: Rng, height: float) -> Mesh:
    """Load for a pallet, standing on z = 0: cartons, a wrapped block, sacks or drums."""
    style = rng.choice(
        ["cartons", "wrap", "drums", "crate", "sacks"], p=[0.5, 0.22, 0.08, 0.1, 0.1]
    )
    if style == "wrap":
        film = Material(
            vary((0.95, 0.95, 0.95), rng, 0.08),
            0.3,
            layer=assets.textures.pick("wrap", rng),
            dirt=0.1,
        )
        return box((0, 0, height / 2), (1.14, 0.76, height), film, 0)
    if style == "crate":
        wood = Material(
            vary((0.85, 0.75, 0.62), rng), 0.85, layer=assets.textures.pick("planks", rng)
        )
        levels = np.arange(0.05, height, 0.12)
        slats = boxes(np.stack([0 * levels, 0 * levels, levels], -1), (1.18, 0.78, 0.1), wood, 1.5)
        return merge(
            [
                slats,
                box(
                    (0, 0, height / 2), (1.12, 0.74, height), replace(wood, color=(0.3, 0.25, 0.2))
                ),
            ]
        )
    if style == "drums":
        tone = Material(pick_color(assets.rack_colors, rng), 0.4, 0.2, dirt=0.5)
        drum = lathe(
            [
                [0.26, 0],
                [0.27, 0.02],
                [0.265, 0.28],
                [0.275, 0.3],
                [0.265, 0.32],
                [0.265, 0.58],
                [0.275, 0.6],
                [0.265, 0.62],
                [0.27, 0.86],
                [0.25, 0.88],
                [0, 0.87],
            ],
            tone,
            18,
        )
        return merge(
            [place(drum, (x, y, 0)) for x in (-0.28, 0.28) for y in (-0.14, 0.2)][
                : int(rng.integers(2, 5))
            ]
        )
    if style == "sacks":
        tone = Material(
            vary((0.8, 0.76, 0.66), rng, 0.1), 0.85, layer=assets.textures.pick("garment", rng)
        )
        levels = np.arange(0.07, height, 0.14)
        grid = [
            [x + 0.02 * rng.normal(), y + 0.02 * rng.normal(), z]
            for z in levels
            for x in (-0.3, 0.3)
            for y in (-0.19, 0.19)
        ]
        return boxes(grid, (0.56, 0.36, 0.125), tone, 1.2)
    return _cartons(assets, rng, height)


def _cartons(assets: Assets, rng: Rng, height: float) -> Mesh:
    nx, ny, nz = (
        int(rng.integers(2, 5)),
        int(rng.integers(1, 4)),
        max(1, int(height / rng.uniform(0.2, 0.45))),
    )
    size = np.array([1.16 / nx, 0.78 / ny, height / nz])
    keep = [
        (i, j, k)
        for k in range(nz)
        for i in range(nx)
        for j in range(ny)
        if k < nz - 1 or rng.random() < 0.85
    ]
    centers = (
        (np.array(keep).reshape(-1, 3) + 0.5) * size
        - [0.58, 0.39, 0]
        + rng.normal(0, 0.006, (len(keep), 3)) * [1, 1, 0]
    )
    plain = rng.random() < 0.25
    tone = vary((0.95, 0.95, 0.95) if not plain else (0.9, 0.9, 0.88), rng, 0.08)
    card = Material(
        tone, 0.85, layer=-1 if plain else assets.textures.pick("cardboard", rng), dirt=0.15
    )
    colors = np.clip(np.array(tone) * rng.uniform(0.82, 1.08, (len(keep), 1)), 0, 1)
    return boxes(centers, size * 0.985, card, 0, colors)


def loaded_pallet(assets: Assets, rng: Rng, height: float) -> Mesh:
    """A pallet with goods, or an empty stack of pallets."""
    base = pallet(assets, rng)
    if rng.random() < 0.12:
        return merge(
            [
                place(base, (rng.normal(0, 0.01), rng.normal(0, 0.01), 0.145 * k))
                for k in range(max(1, int(height / 0.15)))
            ]
        )
    return merge([base, place(goods(assets, rng, height), (0, 0, 0.145))])


def rack_row(assets: Assets, rng: Rng, length: float, tall: float) -> Mesh:
    """A pallet rack along +x from the origin.

    Its front face lies at y = 0, its depth towards +y.
    """
    depth, bay = 1.1, float(rng.uniform(1.9, 2.9))
    upright = Material(pick_color(assets.rack_colors, rng), 0.5, dirt=0.4)
    beam = Material(pick_color(assets.rack_colors, rng), 0.5, dirt=0.4)
    levels = np.cumsum([float(rng.uniform(0.05, 0.15))] + [float(rng.uniform(1.2, 1.9))] * 6)
    levels = levels[levels < tall]
    stock = [loaded_pallet(assets, rng, float(rng.uniform(0.45, 1.0))) for _ in range(5)]
    stock = [place(mesh, (0, 0, 0), np.pi / 2) for mesh in stock]
    fill, count = rng.uniform(0.4, 0.97), int(length / bay)
    parts = []
    for k in range(count + 1):
        x = k * bay
        parts.append(
            boxes([[x, 0.05, tall / 2], [x, depth - 0.05, tall / 2]], (0.1, 0.07, tall), upright)
        )
        if k * bay < 25:
            zs = np.arange(0.3, tall - 0.6, 0.75)
            parts += [
                bar(
                    (x, 0.05, z),
                    (x, depth - 0.05, z + 0.6 * (-1) ** i),
                    0.03,
                    0.03,
                    upright,
                    side=(1, 0, 0),
                )
                for i, z in enumerate(zs)
            ]
        if rng.random() < 0.5:
            parts.append(box((x, -0.04, 0.2), (0.16, 0.06, 0.4), Material((0.92, 0.75, 0.06), 0.5)))
        if k == count:
            break
        for z in levels[1:]:
            parts.append(
                boxes(
                    [[x + bay / 2, 0.03, z - 0.06], [x + bay / 2, depth - 0.03, z - 0.06]],
                    (bay - 0.1, 0.05, 0.12),
                    beam,
                )
            )
        for z in levels:
            for slot in np.linspace(0, bay, int(bay / 0.93) + 1)[:-1]:
                if rng.random() < fill:
                    item = stock[int(rng.integers(len(stock)))]
                    parts.append(
                        place(
                            item,
                            (
                                x + slot + bay / int(bay / 0.93) / 2,
                                depth / 2 + rng.normal(0, 0.03),
                                z,
                            ),
                        )
                    )
    return merge(parts)


def carton_pile(assets: Assets, rng: Rng) -> Mesh:
    """A few loose cartons on the floor."""
    card = Material(
        (0.95, 0.95, 0.95), 0.85, layer=assets.textures.pick("cardboard", rng), dirt=0.2
    )
    parts, z = [], 0.0
    for _ in range(int(rng.integers(1, 4))):
        size = rng.uniform([0.25, 0.25, 0.18], [0.6, 0.5, 0.45])
        parts.append(
            place(
                box((0, 0, size[2] / 2), size, card, 0),
                (rng.normal(0, 0.04), rng.normal(0, 0.04), z),
                rng.normal(0, 0.2),
            )
        )
        z += float(size[2])
    return merge(parts)


def screen(assets: Assets, rng: Rng, height: float, width: float) -> Mesh:
    """A wall of cartons or a wrapped block of a given size across the view (y), on z = 0."""
    columns, rows = (
        max(2, round(width / rng.uniform(0.3, 0.6))),
        max(1, round(height / rng.uniform(0.25, 0.45))),
    )
    size = np.array([0.6, width / columns, height / rows])
    grid = [
        (0.0, (c + 0.5) * size[1] - width / 2, (r + 0.5) * size[2])
        for c in range(columns)
        for r in range(rows)
    ]
    group = "cardboard" if rng.random() < 0.75 else "wrap"
    card = Material((0.95, 0.95, 0.95), 0.8, layer=assets.textures.pick(group, rng), dirt=0.15)
    return boxes(
        grid,
        size * 0.99,
        card,
        0,
        np.clip(0.95 * rng.uniform(0.85, 1.05, (len(grid), 1)) * np.ones(3), 0, 1),
    )
