"""What lies flat on the floor.

Painted lanes, boxes, crossings, hazard tape, stains and tyre marks.
"""

from __future__ import annotations

import numpy as np

from mtv_perception.synthetic.render.assets import Assets, vary
from mtv_perception.synthetic.render.mesh import (
    MARKING,
    STAIN,
    Material,
    Mesh,
    make_mesh,
    merge,
    quad,
)

Rng = np.random.Generator
_PAINTS = (
    (0.92, 0.78, 0.08),
    (0.9, 0.9, 0.88),
    (0.85, 0.12, 0.08),
    (0.1, 0.35, 0.7),
    (0.1, 0.5, 0.25),
)


def _decal(
    x: float, y: float, length: float, width: float, yaw: float, z: float, material: Material
) -> Mesh:
    c, s = np.cos(yaw), np.sin(yaw)
    along, across = np.array([c, s, 0]) * length, np.array([-s, c, 0]) * width
    pieces = max(1, int(length / 6))
    start = np.array([x, y, z]) - across / 2
    return merge(
        [
            quad(
                start + along * k / pieces,
                along / pieces,
                across,
                material,
                (length / pieces / max(width, 0.01), 1),
            )
            for k in range(pieces)
        ]
    )


def floor_markings(assets: Assets, rng: Rng) -> Mesh:
    """Painted lanes, boxes, crossings and hazard tape; flat, so none of it is a rail."""
    parts = []
    for _ in range(int(rng.integers(0, 6))):
        paint = Material(
            vary(_PAINTS[int(rng.integers(len(_PAINTS)))], rng),
            float(rng.uniform(0.4, 0.8)),
            kind=MARKING,
            dirt=float(rng.uniform(0.1, 0.5)),
        )
        x, y, yaw, width = (
            rng.uniform(0, 7),
            rng.normal(0, 2.5),
            rng.choice([0, np.pi / 2]) + rng.normal(0, 0.25),
            rng.uniform(0.05, 0.16),
        )
        style = rng.choice(["line", "double", "box", "tape", "zebra", "dashes"])
        if style in ("line", "double"):
            x -= 12 * abs(np.cos(yaw))
            y -= 12 * np.sin(yaw)
            offsets = (0.0,) if style == "line" else (0.0, rng.uniform(0.12, 1.8))
            parts += [
                _decal(x - np.sin(yaw) * o, y + np.cos(yaw) * o, 30, width, yaw, 0.0025, paint)
                for o in offsets
            ]
        elif style == "tape":
            tape = Material(
                (1, 1, 1),
                0.6,
                layer=assets.textures.pick("hazard", rng),
                kind=MARKING,
                dirt=float(rng.uniform(0.1, 0.4)),
            )
            parts.append(
                _decal(
                    x - 6 * np.cos(yaw),
                    y - 6 * np.sin(yaw),
                    12,
                    rng.uniform(0.07, 0.3),
                    yaw,
                    0.003,
                    tape,
                )
            )
        elif style == "zebra":
            parts += [
                _decal(
                    x - np.sin(yaw) * k * 0.9,
                    y + np.cos(yaw) * k * 0.9,
                    rng.uniform(2, 3),
                    0.45,
                    yaw,
                    0.0035,
                    paint,
                )
                for k in range(6)
            ]
        elif style == "dashes":
            parts += [
                _decal(
                    x + np.cos(yaw) * k * 1.6,
                    y + np.sin(yaw) * k * 1.6,
                    0.8,
                    width,
                    yaw,
                    0.0025,
                    paint,
                )
                for k in range(10)
            ]
        else:
            a, b = rng.uniform(1.2, 3.5, 2)
            parts += [
                _decal(x, y, a, width, 0, 0.003, paint),
                _decal(x, y + b, a, width, 0, 0.003, paint),
            ]
            parts += [
                _decal(x, y, b, width, np.pi / 2, 0.003, paint),
                _decal(x + a, y, b, width, np.pi / 2, 0.003, paint),
            ]
    return merge(parts)


def stains(rng: Rng) -> Mesh:
    """Oil, water and tyre marks."""
    parts: list[Mesh] = []
    for _ in range(int(rng.integers(2, 14))):
        size = rng.uniform(0.2, 2.2)
        x, y = rng.uniform(0.3, 12), rng.normal(0, 3)
        wet = rng.random() < 0.25
        tone = Material(
            vary((0.18, 0.17, 0.16) if rng.random() < 0.7 else (0.5, 0.47, 0.42), rng, 0.1),
            0.08 if wet else 0.7,
            kind=STAIN,
            dirt=float(rng.uniform(0.25, 0.9)),
        )
        stretch = rng.uniform(0.5, 2.5)
        parts.append(
            quad(
                (x - size / 2, y - size * stretch / 2, 0.0012 + 0.0001 * len(parts)),
                (size, 0, 0),
                (0, size * stretch, 0),
                tone,
            )
        )
    for _ in range(int(rng.integers(0, 4))):
        parts.append(_tyre_marks(rng))
    return merge(parts)


def _tyre_marks(rng: Rng) -> Mesh:
    radius, yaw, start = (
        rng.uniform(4, 25) * rng.choice([-1, 1]),
        rng.uniform(0, 2 * np.pi),
        np.array([rng.uniform(1, 8), rng.normal(0, 2)]),
    )
    s = np.linspace(0, rng.uniform(3, 10), 24)
    heading = yaw + s / radius
    line = start + np.cumsum(
        np.stack([np.cos(heading), np.sin(heading)], -1) * (s[1] - s[0]), axis=0
    )
    left = np.stack([-np.sin(heading), np.cos(heading)], -1)
    tone = Material((0.1, 0.1, 0.1), 0.6, kind=STAIN, dirt=float(rng.uniform(0.15, 0.5)))
    parts = []
    for offset in (0.0, rng.uniform(0.7, 1.1)):
        a, b = line + left * offset, line + left * (offset + 0.13)
        xyz = np.stack(
            [np.column_stack([a, np.full(24, 0.0022)]), np.column_stack([b, np.full(24, 0.0022)])],
            1,
        ).reshape(-1, 3)
        uvs = np.stack([np.tile([0.42, 0.58], 24), np.repeat(np.linspace(0.25, 0.75, 24), 2)], -1)
        quads = np.arange(23)[:, None] * 2
        triangles = np.concatenate([quads + np.array([0, 1, 3]), quads + np.array([0, 3, 2])])
        parts.append(make_mesh(xyz, np.tile([0, 0, 1], (48, 1)), uvs, triangles, tone))
    return merge(parts)
