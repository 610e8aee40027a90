"""Curved primitives: tubes, lathes, extrusions and swept sections."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtv_perception.synthetic.render.mesh import (
    Material,
    Mesh,
    grid_triangles,
    make_mesh,
    merge,
    polygon_area,
)


def tube(
    centers: ArrayLike,
    widths: ArrayLike,
    depths: ArrayLike,
    side: ArrayLike,
    material: Material,
    segments: int = 12,
    stretch_uv: bool = False,
) -> Mesh:
    """A closed tube of elliptical rings.

    Args:
        centers: (P, 3) ring centres in metres.
        widths: (P,) half axes along `side`.
        depths: (P,) half axes across `side` and the tube's direction.
        side: (3,) or (P, 3) preferred direction of the width axis.
        material: of the tube.
        segments: vertices around.
        stretch_uv: texture runs once around and along instead of in metres.
    """
    center = np.asarray(centers, np.float64)
    count = len(center)
    along = np.gradient(center, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    side_axis = np.broadcast_to(np.asarray(side, np.float64), (count, 3))
    side_axis = side_axis - (side_axis * along).sum(1, keepdims=True) * along
    side_axis = side_axis / np.maximum(np.linalg.norm(side_axis, axis=1, keepdims=True), 1e-9)
    depth_axis = np.cross(along, side_axis)
    width, depth = (
        np.broadcast_to(np.asarray(a, np.float64), (count,))[:, None, None]
        for a in (widths, depths)
    )
    angle = np.linspace(0, 2 * np.pi, segments + 1)[None, :, None]
    rim = np.cos(angle) * width * side_axis[:, None] + np.sin(angle) * depth * depth_axis[:, None]
    positions = center[:, None] + rim
    around = np.gradient(positions, axis=1)
    around[:, 0] = around[:, -1] = (positions[:, 1] - positions[:, -2]) / 2
    lengthwise = np.gradient(positions, axis=0)
    normals = np.cross(around, lengthwise)
    degenerate = np.linalg.norm(normals, axis=-1, keepdims=True) < 1e-9
    normals = np.where(
        degenerate,
        along[:, None] * np.where(np.arange(count) < count / 2, -1, 1)[:, None, None],
        normals,
    )
    flip = np.sign((normals * rim).sum(-1, keepdims=True))
    normals = normals * np.where(flip == 0, 1, flip)
    run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(center, axis=0), axis=1))])
    u, v = np.linspace(0, 1, segments + 1), run / max(run[-1], 1e-9)
    if not stretch_uv:
        u, v = u * 2 * np.pi * float(np.mean(width)), run
    uvs = np.stack(np.broadcast_arrays(u[None], v[:, None]), -1)
    return make_mesh(positions, normals, uvs, grid_triangles(count, segments + 1), material)


def cylinder(
    start: ArrayLike, end: ArrayLike, radius: float, material: Material, segments: int = 10
) -> Mesh:
    """A round bar with flat ends."""
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    axis = b - a
    side = np.cross(axis, [0.31, 0.87, 0.21])
    u = side / np.linalg.norm(side)
    v = np.cross(axis / np.linalg.norm(axis), u)
    body = tube([a, b], [radius, radius], [radius, radius], side, material, segments)
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    rim = radius * (np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v)
    fan = np.array([[0, i + 1, (i + 1) % segments + 1] for i in range(segments)])
    caps = [
        make_mesh(
            np.vstack([p, p + rim]),
            np.tile(n, (segments + 1, 1)),
            np.zeros((segments + 1, 2)),
            fan,
            material,
        )
        for p, n in ((a, -axis), (b, axis))
    ]
    return merge([body, *caps])


def bar(
    start: ArrayLike,
    end: ArrayLike,
    width: float,
    depth: float,
    material: Material,
    side: ArrayLike = (0, 1, 0),
) -> Mesh:
    """A rectangular bar from start to end; `width` is measured along `side`."""
    a, b, s = (np.asarray(p, np.float64) for p in (start, end, side))
    along = (b - a) / np.linalg.norm(b - a)
    s = s - (s @ along) * along
    s = s / np.linalg.norm(s)
    t = np.cross(along, s)
    ring = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    corners = [[p + s * i * width / 2 + t * j * depth / 2 for i, j in ring] for p in (a, b)]
    faces = [
        ([corners[0][k], corners[0][(k + 1) % 4], corners[1][(k + 1) % 4], corners[1][k]], n)
        for k, n in enumerate((-t, s, t, -s))
    ]
    faces += [(corners[0], -along), (corners[1], along)]
    length = float(np.linalg.norm(b - a))
    uvs = np.array([[0, 0], [width, 0], [width, length], [0, length]])
    halves = [[0, 1, 2], [0, 2, 3]]
    return merge(
        [make_mesh(np.array(p), np.tile(n, (4, 1)), uvs, halves, material) for p, n in faces]
    )


def lathe(profile: ArrayLike, material: Material, segments: int = 20) -> Mesh:
    """A surface of revolution about z with flat-shaded profile segments.

    Args:
        profile: (P, 2) radius and height in metres.
        material: of the surface.
        segments: vertices around.
    """
    points = np.asarray(profile, np.float64)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    starts, ends = points[:-1], points[1:]
    normal = np.stack([ends[:, 1] - starts[:, 1], starts[:, 0] - ends[:, 0]], -1)
    bands = np.stack([starts, ends], 1)
    shape = (len(starts), 2, segments + 1)
    positions = np.concatenate(
        [bands[:, :, None, :1] * circle, np.broadcast_to(bands[:, :, None, 1:], (*shape, 1))], -1
    )
    normals = np.concatenate(
        [
            np.broadcast_to(normal[:, None, None, :1] * circle, (*shape, 2)),
            np.broadcast_to(normal[:, None, None, 1:], (*shape, 1)),
        ],
        -1,
    )
    uvs = np.broadcast_to(np.stack([angle / 2 / np.pi, angle * 0], -1), (*shape, 2))
    strip = grid_triangles(2, segments + 1)
    triangles = (np.arange(len(starts))[:, None, None] * 2 * (segments + 1) + strip[None]).reshape(
        -1, 3
    )
    return make_mesh(positions, normals, uvs, triangles, material)


def ellipsoid(
    center: ArrayLike, radii: ArrayLike, material: Material, rows: int = 9, segments: int = 12
) -> Mesh:
    """An axis-aligned ellipsoid."""
    polar = np.linspace(0, np.pi, rows)[:, None]
    angle = np.linspace(0, 2 * np.pi, segments + 1)[None]
    unit = np.stack(
        np.broadcast_arrays(
            np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)
        ),
        -1,
    )
    r = np.asarray(radii, np.float64)
    uvs = np.stack(np.broadcast_arrays(angle / 2 / np.pi, polar / np.pi), -1)
    return make_mesh(
        np.asarray(center) + unit * r, unit / r, uvs, grid_triangles(rows, segments + 1), material
    )


def torus(radius: float, thickness: float, material: Material, segments: int = 18) -> Mesh:
    """A ring about z."""
    a = np.linspace(0, 2 * np.pi, segments + 1)[:, None]
    b = np.linspace(0, 2 * np.pi, 7)[None]
    normal = np.stack(
        np.broadcast_arrays(np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b) + 0 * a), -1
    )
    ring = np.stack(np.broadcast_arrays(np.cos(a), np.sin(a), 0 * a), -1) * radius
    return make_mesh(
        ring + normal * thickness,
        normal,
        np.zeros((segments + 1, 7, 2)),
        grid_triangles(segments + 1, 7),
        material,
    )


def round_corners(polygon: ArrayLike, rounds: int = 2, cut: float = 0.16) -> NDArray[np.float64]:
    """Cuts the corners of a closed polygon (N, 2) `rounds` times. Source: Chaikin 1974."""
    points = np.asarray(polygon, np.float64)
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        points = np.stack(
            [points * (1 - cut) + following * cut, points * cut + following * (1 - cut)], 1
        ).reshape(-1, 2)
    return points


def triangulate(polygon: NDArray[np.float64]) -> list[tuple[int, int, int]]:
    """Ear clipping of a simple polygon (N, 2)."""
    order = list(range(len(polygon)))
    if polygon_area(polygon) < 0:
        order.reverse()
    triangles = []
    while len(order) > 3:
        for i in range(len(order)):
            a, b, c = order[i - 1], order[i], order[(i + 1) % len(order)]
            if _is_ear(polygon, a, b, c, order):
                break
        triangles.append((a, b, c))
        order.remove(b)
    return [*triangles, (order[0], order[1], order[2])]


def _cross(o: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float((a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]))


def _is_ear(points: NDArray[np.float64], a: int, b: int, c: int, order: list[int]) -> bool:
    pa, pb, pc = points[a], points[b], points[c]
    if _cross(pa, pb, pc) <= 1e-12:
        return False
    rest = points[[i for i in order if i not in (a, b, c)]]
    sides = [
        (q[0] - p[0]) * (rest[:, 1] - p[1]) - (q[1] - p[1]) * (rest[:, 0] - p[0])
        for p, q in ((pa, pb), (pb, pc), (pc, pa))
    ]
    return not bool(np.any(np.all(np.stack(sides) >= 0, axis=0)))


def extrude(profile: ArrayLike, width: float, material: Material, bevel: float = 0.03) -> Mesh:
    """A side profile (N, 2) of (x, z) drawn out along y, centred on y = 0, with bevelled flanks."""
    points = np.asarray(profile, np.float64)
    if polygon_area(points) < 0:
        points = points[::-1]
    tangent = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    outward = np.stack([tangent[:, 1], -tangent[:, 0]], -1)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    inset, half = points - outward * bevel, width / 2
    rings = [(inset, -half), (points, -half + bevel), (points, half - bevel), (inset, half)]
    closed = [np.vstack([p, p[:1]]) for p, _ in rings]
    flat = np.vstack([outward, outward[:1]])
    run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed[1], axis=0), axis=1))])
    parts = []
    for first, second, tilt in ((0, 1, -1.0), (1, 2, 0.0), (2, 3, 1.0)):
        positions = np.stack(
            [
                np.stack([closed[k][:, 0], np.full(len(flat), rings[k][1]), closed[k][:, 1]], -1)
                for k in (first, second)
            ]
        )
        normals = np.broadcast_to(
            np.stack([flat[:, 0], np.full(len(flat), tilt), flat[:, 1]], -1), positions.shape
        )
        uvs = np.stack(
            np.broadcast_arrays(run[None], np.array([[rings[first][1]], [rings[second][1]]])), -1
        )
        parts.append(make_mesh(positions, normals, uvs, grid_triangles(2, len(flat)), material))
    faces = triangulate(inset)
    for y, direction in ((-half, -1.0), (half, 1.0)):
        positions = np.stack([inset[:, 0], np.full(len(inset), y), inset[:, 1]], -1)
        parts.append(
            make_mesh(
                positions,
                np.tile([0, direction, 0], (len(inset), 1)),
                inset * [1, -1],
                faces,
                material,
            )
        )
    return merge(parts)


def sweep(section: ArrayLike, path: ArrayLike, materials: list[Material]) -> Mesh:
    """A cross-section drawn along a floor path with one flat face and material per section edge.

    Args:
        section: (S, 2) points of (left offset, height) in metres.
        path: (P, 3) metres.
        materials: S - 1 materials, one per edge.
    """
    outline, line = np.asarray(section, np.float64), np.asarray(path, np.float64)
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    left = np.stack([-along[:, 1], along[:, 0], 0 * along[:, 0]], -1)
    up = np.array([0.0, 0, 1])
    run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    parts = []
    for (a, b), material in zip(pairwise(outline), materials, strict=True):
        positions = np.stack([line + left * p[0] + up * p[1] for p in (a, b)], 1)
        normals = np.repeat((left * (b[1] - a[1]) - up * (b[0] - a[0]))[:, None], 2, axis=1)
        uvs = np.stack(
            np.broadcast_arrays(np.array([[0.0, float(np.hypot(*(b - a)))]]), run[:, None]), -1
        )
        parts.append(make_mesh(positions, normals, uvs, grid_triangles(len(line), 2), material))
    return merge(parts)
