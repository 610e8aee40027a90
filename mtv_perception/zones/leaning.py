"""Where objects stand that lean in the image.

Beside the middle of a wide lens, and in the image of a camera that is rolled, what stands upright
leans. Its feet are then not below the middle of its box, nor on the box's lower edge.
"""

from __future__ import annotations

import numpy as np

from mtv_perception.geometry.camera import FloorCamera

# A box that ends this near to an edge of the image goes on beyond it, pixels.
CUT_OFF = 2.0
# A person who leans by less stands in the middle half of the box's lower edge: the tangent is a
# person's width over height.
_SMALL = np.deg2rad(15.0)
# Towards 45 degrees a box tells less and less of the width of what leans.
_OPEN = np.deg2rad(22.0)
_LARGEST = np.deg2rad(45.0)
_POINTS = 4
# Newton's method: most rounds, the steps of its derivative and the longest move, m, and the error of
# a box, pixels, after which one more round is enough.
_ROUNDS = 6
_STEPS = np.vstack([np.zeros(4), np.diag([0.01, 0.01, 0.005, 0.02])])
_LONGEST_MOVE = 1.0
_CLOSE = 0.5


def leaning_places(camera: FloorCamera, boxes_xyxy: np.ndarray) -> np.ndarray:
    """Floor points where objects may stand that are upright and fill boxes.

    Args:
        camera: where from.
        boxes_xyxy: `(N, 4)` pixels.

    Returns:
        `(N, K, 2)` m, floor frame; NaN where there is nothing to tell.
    """
    feet = _feet_of_rectangles(camera, boxes_xyxy)
    places = camera.pixels_to_floor(feet.reshape(-1, 2)).reshape(feet.shape)
    return np.concatenate([places, _places_of_boards(camera, boxes_xyxy)[:, None]], 1)


def _places_of_boards(camera: FloorCamera, boxes_xyxy: np.ndarray) -> np.ndarray:
    """The middles of the lower edges of upright boards that face the camera and fill boxes.

    Args:
        camera: where from.
        boxes_xyxy: `(N, 4)` pixels.

    Returns:
        `(N, 2)` m; NaN where the image cuts a box off, or no board was found.
    """
    x0, y0, x1, y1 = boxes_xyxy.T
    largest_xy = np.array(camera.intrinsics.size_hw[::-1]) - CUT_OFF
    is_whole = ((boxes_xyxy[:, :2] > CUT_OFF) & (boxes_xyxy[:, 2:] < largest_xy)).all(1)
    ends = camera.pixels_to_floor(boxes_xyxy[:, [0, 3, 2, 3]].reshape(-1, 2)).reshape(-1, 2, 2)
    width = np.hypot(*(ends[:, 1] - ends[:, 0]).T)
    height = width * (y1 - y0) / np.maximum(x1 - x0, 1)
    boards = np.column_stack([ends.mean(1), width / 3, height])
    boards[~is_whole] = np.nan
    scale = _STEPS.sum(0)
    for _ in range(_ROUNDS):
        boxes = _boxes_of_boards(camera, boards[:, None] + _STEPS)
        error = boxes_xyxy - boxes[:, 0]
        is_near = np.abs(error).max(1) < _CLOSE
        slopes = (boxes[:, 1:] - boxes[:, :1]).transpose(0, 2, 1) / scale
        move = np.linalg.pinv(np.nan_to_num(slopes)) @ np.nan_to_num(error)[..., None]
        boards = boards + np.clip(move[..., 0], -_LONGEST_MOVE, _LONGEST_MOVE)
        if (is_near | np.isnan(boards).any(1)).all():
            break
    return np.where(is_near[:, None], boards[:, :2], np.nan)


def _boxes_of_boards(camera: FloorCamera, boards: np.ndarray) -> np.ndarray:
    """The boxes around boards, `(N, M, 4)` to `(N, M, 4)` pixels.

    A board is the place of the middle of its lower edge, half its width, and its height, m.
    """
    place, half, height = boards[..., None, :2], boards[..., 2:3, None], boards[..., 3:]
    toward = place - camera.nadir_xy
    across = toward[..., ::-1] * (-1.0, 1.0) / np.linalg.norm(toward, axis=-1, keepdims=True)
    ends = place + across * half * [[-1.0], [1.0], [-1.0], [1.0]]
    heights = height * (0.0, 0.0, 1.0, 1.0)
    points = np.concatenate([ends, heights[..., None]], -1)
    pixels = camera.points_to_pixels(points.reshape(-1, 3)).reshape(*points.shape[:-1], 2)
    return np.concatenate([pixels.min(-2), pixels.max(-2)], -1)


def _feet_of_rectangles(camera: FloorCamera, boxes_xyxy: np.ndarray) -> np.ndarray:
    """The middles of the lower edges of rectangles in the image that lean as upright things do.

    They tell where the feet may be of what the image cuts off, or what leans by nearly 45 degrees.
    A rectangle of width w and height h that leans by an angle a fills a box of w cos a + h sin a by
    w sin a + h cos a. One end of its lower edge is on the box's lower edge, the other on the side
    that it leans away from. Where the box does not tell w, all that are possible are taken.

    Args:
        camera: where from.
        boxes_xyxy: `(N, 4)` pixels.

    Returns:
        `(N, 8, 2)` pixels: four of what leans to the right, four to the left; NaN where objects in
        the box do not lean that way.
    """
    corners = boxes_xyxy[:, [[0, 3], [2, 3]]]
    inward = np.array([1.0, -1.0])
    up = camera.upward(corners.reshape(-1, 2)).reshape(corners.shape)
    lean = np.arctan2(up[..., 0] * inward, -up[..., 1])
    is_small = np.maximum(lean, -lean[:, ::-1]) <= _SMALL
    lean = np.where(lean > 0, np.minimum(lean, _LARGEST), np.nan)
    least, most = _base_widths(boxes_xyxy, lean, is_small, camera.intrinsics.size_hw)
    half = np.linspace(least, most, _POINTS, axis=-1) / 2
    along = np.stack([np.cos(lean) * inward, -np.sin(lean)], -1)
    feet = corners[:, :, None] + half[..., None] * along[:, :, None]
    return feet.reshape(len(corners), 2 * _POINTS, 2)


def _base_widths(
    boxes_xyxy: np.ndarray, lean: np.ndarray, is_small: np.ndarray, image_hw: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest width of the rectangles, each `(N, 2)` pixels.

    NaN where the lower edge is below the image, and at a small lean also where the box is cut off
    above, which hides how tall the rectangle is. A lean is small that is so at both lower corners.
    """
    x0, y0, x1, y1 = boxes_xyxy.T[..., None]
    wide, tall, cos, sin = x1 - x0, y1 - y0, np.cos(lean), np.sin(lean)
    is_open = lean > _OPEN
    cos_twice = np.where(is_open, 1.0, cos**2 - sin**2)
    solved = np.where(is_open, 0.0, (wide * cos - tall * sin) / cos_twice)
    solved = solved.clip(0, np.minimum(wide / cos, tall / sin))
    cut_above, cut_below = y0 <= CUT_OFF, y1 >= image_hw[0] - CUT_OFF
    cut_aside = (x0 <= CUT_OFF) | (x1 >= image_hw[1] - CUT_OFF)
    least = np.where(cut_above, 0.0, solved)
    widest = np.minimum(2 * wide / cos, tall / sin)
    most = np.where(is_open | (cut_aside & ~is_small), widest, solved)
    untold = cut_below | (cut_above & is_small)
    return np.where(untold, np.nan, least), np.where(untold, np.nan, most)
