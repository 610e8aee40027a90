"""Polygons in the plane: what lies inside, what touches, how far away.

Their outline belongs to them.

A polygon is `(M, 2)`, its corners in order, not closed; one of two corners is a segment, of one a
point.
"""

from __future__ import annotations

import cv2
import numpy as np

_TOUCH = 1e-9


def check_polygon(polygon: np.ndarray) -> np.ndarray:
    """The polygon as float64.

    ValueError unless it has three different finite corners or more, an area, and no edge across
    another.
    """
    corners = np.asarray(polygon, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ValueError(f"Expected a polygon of three or more corners, got {corners.tolist()}.")
    if not np.isfinite(corners).all():
        raise ValueError(f"Expected a polygon of finite corners, got {corners.tolist()}.")
    different, counts = np.unique(corners, axis=0, return_counts=True)
    if len(different) < len(corners):
        twice = different[np.argmax(counts > 1)].tolist()
        raise ValueError(
            f"Expected each corner of a polygon once, got {twice} again; leave it out, also where it "
            "closes the polygon."
        )
    if crosses_itself(corners):
        raise ValueError(
            "Expected a polygon whose edges do not cross, its corners in the order in which they follow "
            f"each other around it, got {corners.tolist()}."
        )
    if polygon_area(corners) <= _TOUCH:
        raise ValueError(
            f"Expected a polygon with an area, got corners on a line: {corners.tolist()}."
        )
    return corners


def polygon_area(polygon: np.ndarray) -> float:
    """The area, in the square of the coordinates' unit."""
    x, y = polygon.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def crosses_itself(polygon: np.ndarray) -> bool:
    """Whether two edges that are no neighbours meet."""
    count = len(polygon)
    starts, ends = polygon, np.roll(polygon, -1, 0)
    meet = segments_meet(starts, ends, starts, ends)
    index = np.arange(count)
    gap = (index[None] - index[:, None]) % count
    return bool((meet & (gap > 1) & (gap < count - 1)).any())


def points_inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which points lie in the polygon or on its outline, `(M, 2)` and `(N, 2)` to `(N,)` bool.

    NaN never.

    Source: even-odd rule; Shimrat, "Algorithm 112" (1962).
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    x, y = points[:, None, 0], points[:, None, 1]
    (x0, y0), (x1, y1) = polygon.T, np.roll(polygon, -1, 0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = (y0 > y) != (y1 > y)
        left = x < (x1 - x0) * (y - y0) / (y1 - y0) + x0
    odd = np.logical_xor.reduce(crossing & left, axis=1)
    return (odd & np.isfinite(points).all(1)) | (_outline_distances(polygon, points) <= _TOUCH)


def _outline_distances(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    starts = polygon[None]
    edges = np.roll(polygon, -1, 0)[None] - starts
    offset = points[:, None] - starts
    length = (edges**2).sum(2)
    share = np.divide(
        (offset * edges).sum(2), length, out=np.zeros(offset.shape[:2]), where=length > 0
    )
    gap = offset - np.clip(share, 0, 1)[..., None] * edges
    return np.sqrt((gap**2).sum(2)).min(1)


def segments_meet(
    a_starts: np.ndarray, a_ends: np.ndarray, b_starts: np.ndarray, b_ends: np.ndarray
) -> np.ndarray:
    """Which segments share a point, `(N, 2)` twice and `(M, 2)` twice to `(N, M)` bool."""

    def side(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> np.ndarray:
        along, across = end - start, point - start
        turn = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
        return np.sign(
            np.where(np.abs(turn) <= _TOUCH * np.hypot(*np.moveaxis(along, -1, 0)), 0.0, turn)
        )

    a0, a1, b0, b1 = a_starts[:, None], a_ends[:, None], b_starts[None], b_ends[None]
    low_a, high_a = np.minimum(a0, a1), np.maximum(a0, a1)
    low_b, high_b = np.minimum(b0, b1), np.maximum(b0, b1)
    near = ((low_a <= high_b + _TOUCH) & (low_b <= high_a + _TOUCH)).all(2)
    return (
        near
        & (side(a0, a1, b0) * side(a0, a1, b1) <= 0)
        & (side(b0, b1, a0) * side(b0, b1, a1) <= 0)
    )


def segments_touch_polygon(polygon: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Which segments have a point in common with the polygon, `(M, 2)`, `(N, 2)` twice to `(N,)` bool."""
    meet = segments_meet(starts, ends, polygon, np.roll(polygon, -1, 0)).any(1)
    return meet | points_inside(polygon, starts)


def shared_points(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Corners of either polygon that lie in the other, and where their outlines cross, `(K, 2)`.

    They are the corners of what the two have in common; empty exactly when they have nothing in
    common.
    """
    if (a.max(0) < b.min(0) - _TOUCH).any() or (b.max(0) < a.min(0) - _TOUCH).any():
        return np.empty((0, 2))
    within = [a[points_inside(b, a)], b[points_inside(a, b)] if len(a) > 2 else b[:0]]
    starts, ends = a, np.roll(a, -1, 0)
    others, other_ends = b, np.roll(b, -1, 0)
    rows, columns = np.nonzero(segments_meet(starts, ends, others, other_ends))
    along, across = (ends - starts)[rows], (other_ends - others)[columns]
    turn = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
    gap = others[columns] - starts[rows]
    share = np.divide(
        gap[:, 0] * across[:, 1] - gap[:, 1] * across[:, 0],
        turn,
        out=np.zeros_like(turn),
        where=turn != 0,
    )
    crossings = starts[rows] + np.clip(share, 0, 1)[:, None] * along
    return np.concatenate([*within, crossings])


def widened(convex: np.ndarray, margin: float) -> np.ndarray:
    """The hull of a convex polygon, segment or point and of all within a margin of it.

    Args:
        convex: corners in any order, `(M, 2)`.
        margin: in the coordinates' unit, 0 or more.

    Returns:
        Corners, `(K, 2)`; `convex` itself for margin 0. Octagons round them: all within `margin` is
        inside, and nothing beyond 1.09 times `margin`.
    """
    if not margin:
        return convex
    angles = np.arange(8) * np.pi / 4
    octagon = np.column_stack([np.cos(angles), np.sin(angles)]) * margin / np.cos(np.pi / 8)
    return hull((np.asarray(convex, np.float64)[:, None] + octagon).reshape(-1, 2))


def hull(points: np.ndarray) -> np.ndarray:
    """The corners of the smallest convex polygon around points, `(N, 2)` to `(K, 2)`, in order."""
    outline = cv2.convexHull(points.astype(np.float32), returnPoints=False)
    return points[outline[:, 0]]


def rasterise(polygon: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """The pixels whose centre lies in the polygon (in pixels), `(H, W)` bool."""
    height, width = size_hw
    inside = np.zeros(size_hw, bool)
    low = np.clip(np.floor(polygon.min(0)).astype(int), 0, (width, height))
    high = np.clip(np.ceil(polygon.max(0)).astype(int), 0, (width, height))
    columns = np.arange(low[0], high[0]) + 0.5
    for row in range(low[1], high[1]):
        points = np.column_stack([columns, np.full(len(columns), row + 0.5)])
        inside[row, low[0] : high[0]] = points_inside(polygon, points)
    return inside


def grid_inside(polygon: np.ndarray, spacing: float) -> np.ndarray:
    """Points of a square grid inside the polygon and its corners, `(K, 2)`.

    A polygon narrower than the grid may hold its corners alone: see `outline_points`.

    Args:
        polygon: `(M, 2)`.
        spacing: of the grid, in the coordinates' unit; widened where the grid would have more than
            10,000 points.
    """
    low, high = polygon.min(0), polygon.max(0)
    spacing = max(spacing, float(np.sqrt(np.prod(high - low) / 10_000)))
    x, y = (np.arange(a + spacing / 2, b, spacing) for a, b in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    return np.concatenate([grid[points_inside(polygon, grid)], polygon])


def outline_points(polygon: np.ndarray, spacing: float) -> np.ndarray:
    """Points along the outline of a polygon, its corners among them, `(K, 2)`.

    Args:
        polygon: `(M, 2)`.
        spacing: the largest distance of neighbours, in the coordinates' unit; widened where there
            would be more than 10,000 points.
    """
    edges = np.roll(polygon, -1, 0) - polygon
    lengths = np.hypot(*edges.T)
    spacing = max(spacing, float(lengths.sum() / 10_000))
    counts = np.maximum(np.ceil(lengths / spacing), 1).astype(int)
    return np.concatenate(
        [
            corner + edge * (np.arange(count) / count)[:, None]
            for corner, edge, count in zip(polygon, edges, counts, strict=True)
        ]
    )
