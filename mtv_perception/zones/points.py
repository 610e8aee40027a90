"""Zone states as points above the floor, for consumers that know point clouds only (Nav2's collision_monitor)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mtv_perception.geometry.polygons import grid_inside, outline_points
from mtv_perception.zones.config import FLOOR, CameraConfig, ZonesConfig
from mtv_perception.zones.status import ZoneStatus

# collision_monitor ignores fewer points than its min_points (default 4) in a polygon.
_AROUND = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]) / 4


def obstacle_points(
    camera: CameraConfig, states: Iterable[ZoneStatus], config: ZonesConfig
) -> np.ndarray:
    """Points of occupied places, and of zones as a whole that are unknown or may hold nearer objects.

    Args:
        camera: whose zones.
        states: of these zones, in the same order.
        config: height and spacing of the points.

    Returns:
        `(N, 3)` float32, floor frame, m. Every occupied place is at least five points.
    """
    parts = [np.empty((0, 2))]
    for zone, state in zip(camera.zones, states, strict=True):
        if zone.space != FLOOR:
            continue
        if (not state.valid or state.is_doubtful) and config.unknown_as_points:
            # The outline leaves no gap in a zone narrower than the grid.
            for sample in (grid_inside, outline_points):
                parts.append(sample(zone.corners, config.point_spacing))
        if state.valid and state.occupied:
            parts.append((state.points_xy[:, None] + _AROUND * config.point_spacing).reshape(-1, 2))
    points = np.concatenate(parts)
    return np.column_stack([points, np.full(len(points), config.point_height)]).astype(np.float32)
