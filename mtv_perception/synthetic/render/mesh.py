"""Triangle meshes and the primitives that every synthetic asset is made of.

World frame: x forward, y left, z up, metres. Winding does not matter (nothing is culled); normals
point outwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

# Shader branches, see shaders.py.
SOLID, FLOOR, MARKING, STAIN, EMISSIVE, CUTOUT, FABRIC = range(7)


@dataclass(frozen=True)
class Material:
    """How a surface reflects light.

    Attributes:
        color: sRGB albedo in [0, 1]; multiplied with the texture.
        roughness: GGX roughness in [0, 1].
        metallic: 0 dielectric .. 1 metal.
        layer: texture layer, -1 for none.
        kind: shader branch.
        dirt: strength of the procedural dirt and wear in [0, 1].
    """

    color: tuple[float, float, float] = (0.5, 0.5, 0.5)
    roughness: float = 0.6
    metallic: float = 0.0
    layer: int = -1
    kind: int = SOLID
    dirt: float = 0.35

    def row(self) -> Floats:
        """The eight surface attributes of a vertex, float32 (8,)."""
        return np.array(
            [*self.color, self.roughness, self.metallic, self.layer, self.kind, self.dirt],
            np.float32,
        )


@dataclass(frozen=True)
class Mesh:
    """An indexed triangle mesh.

    Attributes:
        positions: (V, 3) metres.
        normals: (V, 3) unit vectors.
        uvs: (V, 2) texture coordinates.
        surface: (V, 8) see `Material.row`.
        triangles: (T, 3) int32 vertex indices.
    """

    positions: Floats
    normals: Floats
    uvs: Floats
    surface: Floats
    triangles: NDArray[np.int32]


def make_mesh(
    positions: ArrayLike,
    normals: ArrayLike,
    uvs: ArrayLike,
    triangles: ArrayLike,
    material: Material,
) -> Mesh:
    """A mesh of one material; normals are normalised here."""
    xyz = np.asarray(positions, np.float32).reshape(-1, 3)
    directions = np.asarray(normals, np.float32).reshape(-1, 3)
    directions = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-9)
    return Mesh(
        xyz,
        directions,
        np.asarray(uvs, np.float32).reshape(-1, 2),
        np.tile(material.row(), (len(xyz), 1)),
        np.asarray(triangles, np.int32).reshape(-1, 3),
    )


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh holding all triangles of several."""
    if not meshes:
        return make_mesh(
            np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 2)), np.empty((0, 3)), Material()
        )
    offsets = np.cumsum([0] + [len(m.positions) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.positions for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.uvs for m in meshes]),
        np.concatenate([m.surface for m in meshes]),
        np.concatenate([m.triangles + np.int32(o) for m, o in zip(meshes, offsets, strict=True)]),
    )


def transform(mesh: Mesh, rotation: ArrayLike, offset: ArrayLike = (0, 0, 0)) -> Mesh:
    """Rotates by a (3, 3) matrix (rigid or mirrored), then moves by offset (3,)."""
    matrix = np.asarray(rotation, np.float32)
    moved = mesh.positions @ matrix.T + np.asarray(offset, np.float32)
    return replace(mesh, positions=moved, normals=mesh.normals @ matrix.T)


def place(mesh: Mesh, xyz: ArrayLike, yaw: float = 0.0) -> Mesh:
    """Turns by yaw (radians about z), then moves to xyz (3,)."""
    return transform(mesh, rotation_z(yaw), xyz)


def rotation_x(angle: float) -> Floats:
    """Rotation (3, 3) about x, radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], np.float32)


def rotation_y(angle: float) -> Floats:
    """Rotation (3, 3) about y, radians; positive tips +z towards +x."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def rotation_z(angle: float) -> Floats:
    """Rotation (3, 3) about z, radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)


_CUBE_NORMALS = np.array(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32
)
_CUBE_U = np.array([[0, 1, 0], [0, -1, 0], [-1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]], np.float32)
_CUBE_V = np.array([[0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 0], [0, -1, 0]], np.float32)
_CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)


def boxes(
    centers: ArrayLike,
    sizes: ArrayLike,
    material: Material,
    uv_per_m: float = 1.0,
    colors: ArrayLike | None = None,
) -> Mesh:
    """Many axis-aligned boxes at once.

    Args:
        centers: (N, 3) metres.
        sizes: (N, 3) full edge lengths in metres, or (3,).
        material: of all boxes.
        uv_per_m: texture repeats per metre; 0 stretches the texture over each face.
        colors: (N, 3) sRGB colours that replace the material's.
    """
    center = np.asarray(centers, np.float32).reshape(-1, 3)
    half = np.broadcast_to(np.asarray(sizes, np.float32), center.shape) / 2
    count = len(center)
    unit = (
        _CUBE_NORMALS[:, None]
        + _CORNERS[None, :, :1] * _CUBE_U[:, None]
        + _CORNERS[None, :, 1:] * _CUBE_V[:, None]
    )
    positions = center[:, None, None] + half[:, None, None] * unit[None]
    normals = np.broadcast_to(_CUBE_NORMALS[None, :, None], positions.shape)
    uvs = np.broadcast_to((_CORNERS * [1, -1] / 2 + 0.5)[None, None], (count, 6, 4, 2))
    if uv_per_m > 0:
        edge_u, edge_v = (half * 2) @ np.abs(_CUBE_U).T, (half * 2) @ np.abs(_CUBE_V).T
        shift = center.sum(1)[:, None, None, None] * 3.7
        uvs = uvs * np.stack([edge_u, edge_v], -1)[:, :, None] * uv_per_m + shift
    quads = np.arange(count * 6, dtype=np.int32)[:, None] * 4
    triangles = (quads[..., None] + np.array([[0, 1, 2], [0, 2, 3]], np.int32)[None]).reshape(-1, 3)
    mesh = make_mesh(positions, normals, uvs, triangles, material)
    if colors is not None:
        mesh.surface[:, :3] = np.repeat(np.asarray(colors, np.float32).reshape(-1, 3), 24, axis=0)
    return mesh


def box(center: ArrayLike, size: ArrayLike, material: Material, uv_per_m: float = 1.0) -> Mesh:
    """One axis-aligned box."""
    return boxes(np.asarray(center, np.float32)[None], size, material, uv_per_m)


def quad(
    origin: ArrayLike,
    edge_u: ArrayLike,
    edge_v: ArrayLike,
    material: Material,
    repeats: tuple[float, float] = (1, 1),
) -> Mesh:
    """A parallelogram from a corner (3,) and two edges (3,).

    The texture's top is at origin + edge_v.
    """
    o, u, v = (np.asarray(a, np.float32) for a in (origin, edge_u, edge_v))
    uvs = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32) * repeats
    return make_mesh(
        [o, o + u, o + u + v, o + v],
        np.tile(np.cross(u, v), (4, 1)),
        uvs,
        [[0, 1, 2], [0, 2, 3]],
        material,
    )


def grid_triangles(rows: int, columns: int) -> NDArray[np.int32]:
    """Triangles (2 (rows-1) (columns-1), 3) of a row-major vertex grid."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
    return np.concatenate(
        [first + np.array([0, 1, columns + 1]), first + np.array([0, columns + 1, columns])]
    ).astype(np.int32)


def rounded_box(
    center: ArrayLike, size: ArrayLike, radius: float, material: Material, uv_per_m: float = 1.0
) -> Mesh:
    """A box with bevelled, smoothly shaded edges."""
    half = np.asarray(size, np.float32) / 2
    bevel = min(radius, float(half.min()) * 0.95)
    parts = []
    for axis, u_axis, v_axis in zip(_CUBE_NORMALS, _CUBE_U, _CUBE_V, strict=True):
        edge_u, edge_v = float(half @ np.abs(u_axis)), float(half @ np.abs(v_axis))
        us = np.array(
            [
                -edge_u,
                -edge_u + bevel * 0.45,
                -edge_u + bevel,
                edge_u - bevel,
                edge_u - bevel * 0.45,
                edge_u,
            ]
        )
        vs = np.array(
            [
                -edge_v,
                -edge_v + bevel * 0.45,
                -edge_v + bevel,
                edge_v - bevel,
                edge_v - bevel * 0.45,
                edge_v,
            ]
        )
        grid_u, grid_v = np.meshgrid(us, vs)
        surface = axis * half + grid_u[..., None] * u_axis + grid_v[..., None] * v_axis
        inner = np.clip(surface, -(half - bevel), half - bevel)
        out = surface - inner
        out = out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-9)
        uvs = (
            np.stack([grid_u, -grid_v], -1) * uv_per_m
            if uv_per_m
            else np.stack([grid_u / edge_u, -grid_v / edge_v], -1) / 2 + 0.5
        )
        parts.append(
            make_mesh(
                np.asarray(center) + inner + bevel * out, out, uvs, grid_triangles(6, 6), material
            )
        )
    return merge(parts)


def polygon_area(points: NDArray[np.float64]) -> float:
    """Signed area of a polygon (N, 2), positive when counter-clockwise."""
    x, y = points.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)
