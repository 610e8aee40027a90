"""Where on the floor the objects of one result stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtv_perception.geometry.camera import FloorCamera
from mtv_perception.geometry.polygons import hull
from mtv_perception.zones.leaning import CUT_OFF, leaning_places

# How far the direction of an object is followed whose distance is unknown, m.
_FAR = 1000.0
# Every so many image columns the mask is looked at; a person 10 m away is about 25 columns wide at
# 640.
_COLUMN_STEP = 4
_FOOT_POINTS = 3
_NOWHERE = np.empty((0, 2))


@dataclass(frozen=True)
class Footprint:
    """Where one object stands, or may stand.

    Attributes:
        corners: `(K, 2)`, a convex polygon (or a line) in the floor frame, m.
        placed: True when the object is there; False when it is somewhere along `corners`, which
            then reach far away.
        reach: `(M, 2)`, a convex polygon around `corners`: where the object may stand as its box
            may end too high or too low.
    """

    corners: np.ndarray
    placed: bool
    reach: np.ndarray


def foot_pixels(boxes_xyxy: np.ndarray, foot_width: float) -> np.ndarray:
    """Points on the boxes' lower edges, left to right, `(N, 4)` to `(N, 3, 2)` pixels.

    Args:
        boxes_xyxy: pixels.
        foot_width: share of the edge, about its middle.
    """
    x0, _, x1, y1 = boxes_xyxy.T[..., None]
    x = (x0 + x1) / 2 + (x1 - x0) / 2 * foot_width * np.linspace(-1, 1, _FOOT_POINTS)
    return np.stack([x, np.broadcast_to(y1, x.shape)], -1)


def footprints_of(
    camera: FloorCamera, boxes_xyxy: np.ndarray, foot_width: float, edge_error: float = 0.0
) -> list[Footprint]:
    """The footprint of each box.

    A box cut off by the lower edge of the image stands somewhere between the camera and the edge,
    and counts as standing on all of it; one cut off by a side may stand as far as that side. Where
    things lean in the image, as beside the middle of a wide lens, the footprint reaches to where a
    leaning object in this box stands, and to all of the box where nothing stands upright. A box
    that ends above the horizon (legs hidden, or the camera shaken) has a direction only.

    Args:
        camera: where from.
        boxes_xyxy: `(N, 4)` pixels.
        foot_width: share of a box's lower edge, about its middle, that stands on the floor.
        edge_error: by how much of its height a box may end too high or too low.
    """
    if not len(boxes_xyxy):
        return []
    height, width = camera.intrinsics.size_hw
    sides = boxes_xyxy[:, [0, 2]]
    cut = np.column_stack([sides[:, 0] <= CUT_OFF, sides[:, 1] >= width - CUT_OFF])
    edges = foot_pixels(boxes_xyxy, foot_width)
    edges[:, [0, -1], 0] = np.where(cut, sides, edges[:, [0, -1], 0])
    outlines = boxes_xyxy[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    is_upright = np.all(camera.is_upright(outlines[:, 2:].reshape(-1, 2)).reshape(-1, 2), axis=1)
    floor = camera.pixels_to_floor(edges.reshape(-1, 2)).reshape(edges.shape)
    leaning = leaning_places(camera, boxes_xyxy)
    heights = boxes_xyxy[:, 3] - boxes_xyxy[:, 1]
    places = np.concatenate([floor, leaning], axis=1)
    nearby = _shifted(camera, places, edge_error * heights) if edge_error else places
    goes_on = boxes_xyxy[:, 3] >= height - CUT_OFF
    return [
        _footprint(camera, edges[i], floor[i], leaning[i], nearby[i], goes_on[i])
        if is_upright[i]
        else _footprint(camera, outlines[i], camera.pixels_to_floor(outlines[i]))
        for i in range(len(boxes_xyxy))
    ]


def _shifted(camera: FloorCamera, places: np.ndarray, by_pixels: np.ndarray) -> np.ndarray:
    """Floor points of what the image shows so much lower and higher.

    Args:
        camera: where from.
        places: `(N, K, 2)` m.
        by_pixels: `(N,)`.

    Returns:
        `(N, 2 K, 2)` m; far away where the image shows no floor any more, NaN where places are.
    """
    pixels = camera.floor_to_pixels(places.reshape(-1, 2)).reshape(places.shape)
    down = np.zeros((len(pixels), 1, 2))
    down[:, 0, 1] = by_pixels
    moved = np.concatenate([pixels + down, pixels - down], axis=1)
    flat = moved.reshape(-1, 2)
    floor, far = camera.pixels_to_floor(flat), camera.nadir_xy + _FAR * camera.headings(flat)
    return np.where(np.isfinite(floor), floor, far).reshape(moved.shape)


def _footprint(
    camera: FloorCamera,
    pixels: np.ndarray,
    floor: np.ndarray,
    others: np.ndarray = _NOWHERE,
    nearby: np.ndarray = _NOWHERE,
    goes_on: bool = False,
) -> Footprint:
    """What stands on `floor`, the places of `pixels`, or on one of `others`.

    Where the image cuts it off below, it goes on to the camera.
    """
    if not np.isfinite(floor).all():
        return _direction_only(camera, pixels)
    parts = [floor, others[np.isfinite(others).all(1)]]
    if goes_on:
        parts.append(camera.nadir_xy[None])
    corners = hull(np.concatenate(parts))
    reach = hull(np.concatenate([corners, nearby[np.isfinite(nearby).all(1)]]))
    return Footprint(corners, True, reach)


def _direction_only(camera: FloorCamera, pixels: np.ndarray) -> Footprint:
    headings = camera.headings(pixels)
    if not np.isfinite(headings).all():
        everywhere = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        corners = camera.nadir_xy + _FAR * everywhere
    else:
        far = camera.nadir_xy + _FAR * headings
        corners = hull(np.concatenate([camera.nadir_xy[None], far]))
    return Footprint(corners, False, corners)


@dataclass(frozen=True)
class Contacts:
    """Where the pixels of some classes meet the floor.

    Attributes:
        starts: `(N, 2)` floor points, m: the contact, or the point below the camera where the image
            cuts it off.
        ends: `(N, 2)` floor points, m: the contact.
    """

    starts: np.ndarray
    ends: np.ndarray


def contacts_of(camera: FloorCamera, mask: np.ndarray, class_ids: tuple[int, ...]) -> Contacts:
    """The lower ends of the classes' pixels in every fourth column.

    Args:
        camera: where from.
        mask: `(H, W)` uint8 class ids, of the source image or scaled.
        class_ids: which classes.
    """
    wanted = np.isin(mask[:, ::_COLUMN_STEP], np.array(class_ids, np.uint8))
    lower = wanted.copy()
    lower[:-1] &= ~wanted[1:]
    rows, columns = np.nonzero(lower)
    scale_y, scale_x = (
        source / own for source, own in zip(camera.intrinsics.size_hw, mask.shape, strict=True)
    )
    pixels = np.column_stack([(columns * _COLUMN_STEP + 0.5) * scale_x, (rows + 1) * scale_y])
    floor = camera.pixels_to_floor(pixels)
    good = np.isfinite(floor).all(1)
    cut_off = (rows >= len(mask) - 1)[good]
    ends = floor[good]
    return Contacts(np.where(cut_off[:, None], camera.nadir_xy, ends), ends)
