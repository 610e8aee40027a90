"""Box codec: offsets of a box from its default box.

Source: Liu et al. 2016 (SSD), equation 2, with the variances of the authors' code. Offsets are
ordered centre x, centre y, width, height.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mtv_perception.geometry.boxes import check_boxes, cxcywh_to_xyxy, xyxy_to_cxcywh


class Variances(NamedTuple):
    """Scale of each offset: encoded = raw / variance."""

    x: float = 0.1
    y: float = 0.1
    width: float = 0.2
    height: float = 0.2


DEFAULT_VARIANCES = Variances()

# exp() of a wild offset must stay a finite box: e^4 = 55 times the default box.
MAX_LOG_SCALE = 4.0


def encode(
    boxes_xyxy: np.ndarray, default_cxcywh: np.ndarray, variances: Variances = DEFAULT_VARIANCES
) -> np.ndarray:
    """Offsets of boxes from their default boxes, both `(..., 4)`, to `(..., 4)`.

    Raises:
        ValueError: a box without width or height, whose logarithm does not exist.
    """
    boxes = xyxy_to_cxcywh(check_boxes(boxes_xyxy))
    if boxes.size and boxes[..., 2:].min() <= 0:
        raise ValueError(
            f"Expected boxes of positive width and height, got a side of {boxes[..., 2:].min()!r}."
        )
    centre = (boxes[..., :2] - default_cxcywh[..., :2]) / default_cxcywh[..., 2:]
    scale = np.log(boxes[..., 2:] / default_cxcywh[..., 2:])
    return np.concatenate([centre, scale], -1) / np.asarray(variances, boxes.dtype)


def decode(
    offsets: np.ndarray, default_cxcywh: np.ndarray, variances: Variances = DEFAULT_VARIANCES
) -> np.ndarray:
    """Corners of the boxes that offsets describe, both `(..., 4)`, to `(..., 4)` in the default boxes' unit."""
    raw = check_boxes(offsets) * np.asarray(variances, offsets.dtype)
    centre = raw[..., :2] * default_cxcywh[..., 2:] + default_cxcywh[..., :2]
    size = np.exp(np.clip(raw[..., 2:], -MAX_LOG_SCALE, MAX_LOG_SCALE)) * default_cxcywh[..., 2:]
    return cxcywh_to_xyxy(np.concatenate([centre, size], -1))
