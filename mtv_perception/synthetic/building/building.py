"""Halls and yards: walls, doors, windows, columns, ceilings, sky."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from mtv_perception.synthetic.render.assets import DARK_STEEL, Assets, pick_color, vary
from mtv_perception.synthetic.render.mesh import (
    EMISSIVE,
    FLOOR,
    Material,
    Mesh,
    box,
    boxes,
    merge,
    quad,
)

Rng = np.random.Generator


@dataclass(frozen=True)
class Hall:
    """A rectangular hall in its own frame; the camera stands at the origin.

    Attributes:
        x: rear and front wall, metres.
        y: right and left wall.
        height: of the ceiling, metres; 0 outdoors.
        daylight: brightness of what doors and windows show.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    height: float
    daylight: float


def floor_mesh() -> Mesh:
    """The floor, large enough to reach the horizon.

    Subdivided so that interpolation stays accurate.
    """
    reach, parts = 130.0, []
    edges = np.array([-reach, -30, -8, 0, 8, 30, reach])
    material = Material(kind=FLOOR)
    for x0, x1 in pairwise(edges):
        for y0, y1 in pairwise(edges):
            parts.append(quad((x0, y0, 0), (x1 - x0, 0, 0), (0, y1 - y0, 0), material))
    return merge(parts)


def wall_material(assets: Assets, rng: Rng) -> Material:
    """Sheet metal, masonry or plaster."""
    gray, hue = rng.uniform(0.35, 0.85), rng.normal(0, 0.018 if rng.random() < 0.75 else 0.035, 3)
    tone = vary((gray + hue[0], gray + hue[1], gray + hue[2]), rng, 0.03)
    group = rng.choice(["corrugated", "masonry", "none"])
    layer = -1 if group == "none" else assets.textures.pick(str(group), rng)
    return Material(tone, 0.7, layer=layer, dirt=float(rng.uniform(0.2, 0.8)))


def walls(assets: Assets, hall: Hall, rng: Rng) -> Mesh:
    """Four walls with base boards, doors, windows and pipes."""
    height = hall.height or float(rng.uniform(4, 9))
    (x0, x1), (y0, y1) = hall.x, hall.y
    sides = [
        ((x1, y0), (0, y1 - y0)),
        ((x0, y1), (x1 - x0, 0)),
        ((x0, y0), (x1 - x0, 0)),
        ((x0, y0), (0, y1 - y0)),
    ]
    if hall.height == 0:
        sides = [sides[k] for k in range(3) if k == 0 or rng.random() < 0.35]
    material, parts = wall_material(assets, rng), []
    band = replace(
        material,
        color=vary(np.array(material.color) * rng.uniform(0.4, 0.8) + rng.normal(0, 0.05, 3), rng),
        layer=-1,
    )  # type: ignore[arg-type]
    banded, scale = rng.random() < 0.4, rng.uniform(0.35, 0.8)
    for (x, y), (dx, dy) in sides:
        length = float(np.hypot(dx, dy))
        parts.append(
            quad((x, y, 0), (dx, dy, 0), (0, 0, height), material, (length * scale, height * scale))
        )
        inward = np.array([-dy, dx]) / length
        inward = inward * np.sign(inward @ -np.array([x + dx / 2, y + dy / 2]) + 1e-9)
        if banded:
            low = rng.uniform(0.8, 1.6)
            parts.append(
                quad((*(np.array([x, y]) + inward * 0.01), 0), (dx, dy, 0), (0, 0, low), band)
            )
        for _ in range(int(rng.integers(1, 2 + int(length / 9)))):
            parts.append(
                _opening(
                    assets,
                    hall,
                    corner=np.array([x, y]),
                    along=np.array([dx, dy]) / length,
                    inward=inward,
                    length=length,
                    height=height,
                    rng=rng,
                )
            )
    return merge(parts)


def _opening(
    assets: Assets,
    hall: Hall,
    corner: np.ndarray,
    along: np.ndarray,
    inward: np.ndarray,
    length: float,
    height: float,
    rng: Rng,
) -> Mesh:
    kind = rng.choice(["roller", "open", "window", "door", "pipe"], p=[0.32, 0.16, 0.2, 0.17, 0.15])
    width, top, bottom = {
        "roller": (3.4, 3.6, 0),
        "open": (3.6, 3.8, 0),
        "window": (3.0, 0.0, 0.0),
        "door": (1.0, 2.1, 0),
        "pipe": (length - 1, 0, 0),
    }[str(kind)]
    start = corner + along * rng.uniform(0.3, max(0.5, length - width - 0.3)) + inward * 0.03
    if kind == "pipe":
        z, tone = (
            rng.uniform(2.2, max(2.4, height - 0.5)),
            Material(vary((0.5, 0.5, 0.5), rng, 0.2), 0.4, 0.5),
        )
        return quad((*start, z), (*(along * width), 0), (0, 0, 0.15), tone)
    if kind == "window":
        bottom, top = min(2.4, height * 0.5), min(3.8, height * 0.8)
    top = min(top, height - 0.1)
    sky = Material(tuple(np.array([0.85, 0.95, 1.05]) * hall.daylight), kind=EMISSIVE)  # type: ignore[arg-type]
    face = {
        "roller": Material(
            vary((0.7, 0.72, 0.72), rng, 0.12),
            0.5,
            0.2,
            assets.textures.pick("corrugated", rng),
            dirt=0.5,
        ),
        "open": sky,
        "window": sky,
        "door": Material(pick_color(assets.rack_colors, rng), 0.5),
    }[str(kind)]
    parts = [
        quad(
            (*start, bottom),
            (*(along * width), 0),
            (0, 0, top - bottom),
            face,
            (width * 0.5, top * 0.5),
        )
    ]
    frame = Material(
        vary((0.3, 0.3, 0.3), rng, 0.2),
        0.5,
        layer=assets.textures.pick("hazard", rng)
        if kind == "roller" and rng.random() < 0.4
        else -1,
    )
    for offset in (0.0, width):
        spot = start + along * offset + inward * 0.04
        parts.append(box((*spot, (top + bottom) / 2), (0.14, 0.14, top - bottom), frame, 2.0))
    parts.append(
        quad((*(start + inward * 0.06), top - 0.06), (*(along * width), 0), (0, 0, 0.14), frame)
    )
    if kind == "window":
        for offset in np.linspace(0, width, 4)[1:-1]:
            parts.append(
                box(
                    (*(start + along * offset), (top + bottom) / 2),
                    (0.06, 0.06, top - bottom),
                    DARK_STEEL,
                )
            )
    return merge(parts)


def ceiling(assets: Assets, hall: Hall, lamp_on: float, rng: Rng) -> Mesh:
    """Roof sheets, beams and lamps."""
    (x0, x1), (y0, y1) = hall.x, hall.y
    tone = Material(
        vary((0.6, 0.6, 0.6) if rng.random() < 0.7 else (0.2, 0.2, 0.2), rng, 0.1),
        0.8,
        layer=assets.textures.pick("corrugated", rng),
    )
    parts = [
        quad(
            (x0, y0, hall.height),
            (x1 - x0, 0, 0),
            (0, y1 - y0, 0),
            tone,
            ((x1 - x0) * 0.4, (y1 - y0) * 0.4),
        )
    ]
    steel = Material(vary((0.45, 0.45, 0.46), rng, 0.2), 0.6)
    xs = np.arange(x0 + 1, x1, rng.uniform(3.5, 7))
    parts.append(
        boxes(
            np.stack(
                [xs, np.full_like(xs, (y0 + y1) / 2), np.full_like(xs, hall.height - 0.25)], -1
            ),
            (0.22, y1 - y0, 0.4),
            steel,
        )
    )
    glow = Material((4.0 * lamp_on, 4.0 * lamp_on, 3.9 * lamp_on), kind=EMISSIVE)
    rows = np.linspace(y0, y1, int(rng.integers(3, 7)))[1:-1]
    size = (rng.uniform(1.0, 2.4), 0.18, 0.06) if rng.random() < 0.6 else (0.45, 0.45, 0.2)
    spots = [
        [x, y, hall.height - 0.6] for x in np.arange(x0 + 2, x1, rng.uniform(2.5, 6)) for y in rows
    ]
    parts.append(boxes(spots, size, glow))
    return merge(parts)


def columns(assets: Assets, hall: Hall, spots: list[tuple[float, float]], rng: Rng) -> Mesh:
    """Building columns, some with a painted base."""
    width = rng.uniform(0.2, 0.5)
    body = Material(vary((0.6, 0.6, 0.58), rng, 0.15), 0.7, dirt=0.6)
    base = (
        Material((0.9, 0.8, 0.2), 0.6, layer=assets.textures.pick("hazard", rng))
        if rng.random() < 0.5
        else replace(body, color=vary((0.85, 0.7, 0.1), rng))
    )
    parts = [box((x, y, hall.height / 2), (width, width, hall.height), body) for x, y in spots]
    if rng.random() < 0.6:
        parts += [box((x, y, 0.6), (width + 0.02, width + 0.02, 1.2), base) for x, y in spots]
    return merge(parts) if parts else merge([])


def sky(assets: Assets, brightness: float, rng: Rng) -> Mesh:
    """A distant backdrop for outdoor scenes: trees, roofs, clouds."""
    layer = assets.textures.pick("horizon", rng)
    tone = Material((brightness, brightness, brightness), kind=EMISSIVE, layer=layer)
    zenith = (assets.textures.pixels[layer, :3].mean(axis=(0, 1)) / 255) ** 2.2 * brightness
    top = Material((float(zenith[0]), float(zenith[1]), float(zenith[2])), kind=EMISSIVE)
    height, repeats = float(rng.uniform(18, 45)), (float(rng.uniform(1.5, 4)), 1.0)
    sides = [quad((80, 90, -1), (0, -180, 0), (0, 0, height), tone, repeats)]
    sides += [quad((-20, s * 90, -1), (100, 0, 0), (0, 0, height), tone, repeats) for s in (1, -1)]
    return merge([*sides, quad((-20, -90, height - 1), (100, 0, 0), (0, 180, 0), top)])
