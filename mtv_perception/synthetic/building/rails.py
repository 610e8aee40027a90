"""Floor-mounted guide rails: a low steel T-rail on a straight, bent or winding path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mtv_perception.synthetic.render.assets import Assets, vary
from mtv_perception.synthetic.render.mesh import Material, Mesh, boxes, make_mesh, merge, place
from mtv_perception.synthetic.render.sweeps import lathe, sweep, triangulate

Path = NDArray[np.float64]


def straight_path(length: float, bends: list[tuple[float, float, float]]) -> Path:
    """A path (P, 3) along +x from the origin with bends of (start, radius, signed angle)."""
    step, heading, run, points = 0.12, 0.0, 0.0, [np.zeros(3)]
    for start, radius, angle in sorted(bends):
        while run < start:
            points.append(points[-1] + step * np.array([np.cos(heading), np.sin(heading), 0]))
            run += step
        pieces = max(3, int(abs(angle) * radius / step))
        for _ in range(pieces):
            heading += angle / pieces
            chord = abs(angle) * radius / pieces
            points.append(points[-1] + chord * np.array([np.cos(heading), np.sin(heading), 0]))
            run += chord
    while run < length:
        points.append(points[-1] + step * np.array([np.cos(heading), np.sin(heading), 0]))
        run += step
    return np.stack(points)


def sample_path(rng: np.random.Generator) -> Path:
    """A path that passes through the view of a camera at the origin looking along +x."""
    length = rng.uniform(6, 45)
    shape = rng.choice(["straight", "arc", "s", "corner"], p=[0.45, 0.25, 0.15, 0.15])
    sign = float(rng.choice([-1, 1]))
    if shape == "straight":
        bends: list[tuple[float, float, float]] = []
    elif shape == "arc":
        bends = [(rng.uniform(0, 5), rng.uniform(3, 14), sign * rng.uniform(0.4, 1.6))]
    elif shape == "s":
        first, angle = rng.uniform(0.5, 6), rng.uniform(0.3, 1.0)
        bends = [
            (first, rng.uniform(2, 6), sign * angle),
            (first + rng.uniform(6, 10), rng.uniform(2, 6), -sign * angle),
        ]
    else:
        bends = [(rng.uniform(2, 8), rng.uniform(0.8, 2.0), sign * np.pi / 2)]
    path = straight_path(length, bends)
    along = rng.random() < 0.45
    if along:  # runs away from the robot
        start = np.array([rng.uniform(-1.0, 1.5), rng.normal(0, 0.8), 0])
        yaw = rng.normal(0, 0.25)
    else:  # crosses the view
        yaw = rng.uniform(0.35, np.pi - 0.35) * rng.choice([-1, 1])
        through = np.array([np.exp(rng.uniform(0.0, 2.2)), 0, 0]) + np.array(
            [0, rng.normal(0, 0.8), 0]
        )
        start = through - rng.uniform(0.25, 0.6) * length * np.array([np.cos(yaw), np.sin(yaw), 0])
    c, s = np.cos(yaw), np.sin(yaw)
    return path @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + start


def make_rail(assets: Assets, path: Path, rng: np.random.Generator) -> Mesh:
    """A rail of the split's pool along a path: flange, web, polished head, fastenings."""
    design = np.random.default_rng([47, int(rng.choice(assets.rail_profiles))])
    section, materials, base_half, base_top = _profile(assets, design, rng)
    parts = [sweep(section, path, materials), _end_caps(section, path, materials[0])]
    spacing = design.uniform(0.35, 1.2)
    stations = np.linspace(0, len(path) - 2, max(2, int(len(path) * 0.12 / spacing))).astype(int)
    if design.random() < 0.75:
        parts += _fastenings(
            path, stations, half=base_half, top=base_top, material=materials[0], design=design
        )
    if rng.random() < 0.5:
        parts += [_end_stop(path, base_half, section, rng)]
    return merge(parts)


def _end_caps(section: NDArray[np.float64], path: Path, material: Material) -> Mesh:
    faces = triangulate(section)
    parts = []
    for end, inner in ((path[0], path[1]), (path[-1], path[-2])):
        outward = (end - inner) / np.linalg.norm(end - inner)
        left = np.array([-outward[1], outward[0], 0])
        points = (
            end + outward * 0.001 + section[:, :1] * left + section[:, 1:] * np.array([0, 0, 1.0])
        )
        parts.append(
            make_mesh(points, np.tile(outward, (len(section), 1)), section, faces, material)
        )
    return merge(parts)


def crossing(a: Path, b: Path) -> bool:
    """Whether two paths touch, so that their rails are one connected thing."""
    gap = np.linalg.norm(a[:, None, :2] - b[None, :, :2], axis=-1)
    return bool(gap.min() < 0.2)


def _profile(
    assets: Assets, design: np.random.Generator, rng: np.random.Generator
) -> tuple[NDArray[np.float64], list[Material], float, float]:
    base, head = design.uniform(0.04, 0.095), design.uniform(0.014, 0.04)
    flange, height = design.uniform(0.005, 0.012), design.uniform(0.035, 0.13)
    web, cap = min(design.uniform(0.004, 0.012), head), design.uniform(0.008, 0.03)
    finish = design.choice(["steel", "rust", "painted", "dusty"], p=[0.4, 0.2, 0.2, 0.2])
    shine = Material(
        (0.95, 0.95, 0.96),
        design.uniform(0.15, 0.35),
        1.0,
        assets.textures.pick("brushed", rng),
        dirt=0.25,
    )
    side = {
        "steel": Material(
            (0.72, 0.72, 0.74), 0.38, 0.9, assets.textures.pick("brushed", rng), dirt=0.5
        ),
        "rust": Material((1.0, 0.85, 0.75), 0.75, 0.2, assets.textures.pick("rust", rng), dirt=0.6),
        "painted": Material(
            vary((0.9, 0.72, 0.08) if design.random() < 0.6 else (0.35, 0.37, 0.4), design),
            0.5,
            0.0,
            dirt=0.6,
        ),
        "dusty": Material(
            (0.72, 0.69, 0.64), 0.85, 0.2, assets.textures.pick("rust", rng), dirt=0.8
        ),
    }[str(finish)]
    top = shine if rng.random() < 0.75 else replace(side, roughness=max(0.2, side.roughness - 0.2))
    slope = design.uniform(0, 0.006)
    half = [
        (base, 0.0),
        (base, flange),
        (web, flange + slope),
        (web, height - cap),
        (head, height - cap + slope),
        (head, height - 0.004),
        (head - 0.004, height),
    ]
    section = np.array(half + [(-x, z) for x, z in reversed(half)])[::-1]
    edges = [side] * (len(section) - 1)
    for k in (5, 6, 7):
        edges[k] = top
    return section, edges, float(base), float(flange)


def _fastenings(
    path: Path,
    stations: NDArray[np.int64],
    half: float,
    top: float,
    material: Material,
    design: np.random.Generator,
) -> list[Mesh]:
    size = design.uniform(0.008, 0.014)
    bolt = lathe(
        [[size, 0], [size, 0.012], [0, 0.013]], replace(material, metallic=0.8, roughness=0.4), 6
    )
    plate = boxes(
        [[0, 0, top * 0.8]], (0.1, half * 2 + design.uniform(0.03, 0.12), top * 1.6), material
    )
    parts = []
    for k in stations[:60]:
        ahead = path[k + 1] - path[k]
        yaw = float(np.arctan2(ahead[1], ahead[0]))
        normal = np.array([-np.sin(yaw), np.cos(yaw), 0])
        parts += [
            place(bolt, path[k] + normal * sign * half * 0.7 + [0, 0, top], yaw) for sign in (1, -1)
        ]
        if design.random() < 0.5:
            parts.append(place(plate, path[k], yaw))
    return parts


def _end_stop(
    path: Path, half: float, section: NDArray[np.float64], rng: np.random.Generator
) -> Mesh:
    ahead = path[-1] - path[-2]
    height = float(section[:, 1].max())
    block = boxes(
        [[0, 0, height * 0.7]],
        (0.06, half * 2, height * 1.4),
        Material(vary((0.8, 0.1, 0.08), rng), 0.6),
    )
    return place(block, path[-1], float(np.arctan2(ahead[1], ahead[0])))
