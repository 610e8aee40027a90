"""Where on the floor the objects of one result stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtv_perception.geometry.camera import FloorCamera

# A box that ends this near to the image's lower edge goes on below it, pixels.
_CUT_OFF = 2.0
# How far the direction of an object is followed whose distance is unknown, m.
_FAR = 1000.0
# Every so many image columns the mask is looked at; a person 10 m away is about 25 columns wide at
# 640.
_COLUMN_STEP = 4
_FOOT_POINTS = 3


@dataclass(frozen=True)
class Footprint:
    """Where one object stands, or may stand.

    Attributes:
        corners: `(K, 2)`, a convex polygon (or a line) in the floor frame, m.
        placed: True when the object is there; False when it is somewhere along `corners`, which
            then reach far away.
    """

    corners: np.ndarray
    placed: bool


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
    camera: FloorCamera, boxes_xyxy: np.ndarray, foot_width: float
) -> list[Footprint]:
    """The footprint of each box, `(N, 4)` pixels.

    A box cut off by the lower edge of the image stands somewhere between the camera and the edge,
    and counts as standing on all of it. A box that ends above the horizon (legs hidden, or the
    camera shaken) has a direction only.
    """
    pixels = foot_pixels(boxes_xyxy, foot_width)
    floor = camera.pixels_to_floor(pixels.reshape(-1, 2)).reshape(pixels.shape)
    cut_off = boxes_xyxy[:, 3] >= camera.intrinsics.size_hw[0] - _CUT_OFF
    return [_footprint(camera, *item) for item in zip(pixels, floor, cut_off.tolist(), strict=True)]


def _footprint(
    camera: FloorCamera, pixels: np.ndarray, floor: np.ndarray, cut_off: bool
) -> Footprint:
    if not np.isfinite(floor).all():
        return _direction_only(camera, pixels)
    if cut_off:
        return Footprint(np.concatenate([camera.nadir_xy[None], floor]), True)
    return Footprint(floor, True)


def _direction_only(camera: FloorCamera, pixels: np.ndarray) -> Footprint:
    headings = camera.headings(pixels)
    if not np.isfinite(headings).all():
        everywhere = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        return Footprint(camera.nadir_xy + _FAR * everywhere, False)
    return Footprint(
        np.concatenate([camera.nadir_xy[None], camera.nadir_xy + _FAR * headings]), False
    )


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
