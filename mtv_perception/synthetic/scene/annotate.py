"""From the instance-id image to the class mask and COCO annotations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CATEGORIES = [{"id": 1, "name": "rail"}, {"id": 2, "name": "person"}, {"id": 3, "name": "forklift"}]
MIN_PIXELS = 40
MIN_VISIBLE = 0.15


def class_mask(instances: NDArray[np.int32], class_ids: list[int]) -> NDArray[np.uint8]:
    """The mask (H, W) of class ids; `class_ids[k]` belongs to instance k + 1."""
    return np.array([0, *class_ids], np.uint8)[instances]


def annotate(
    instances: NDArray[np.int32], class_ids: list[int], full_pixels: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """One COCO annotation, without ids, for each instance that can be seen.

    An instance of fewer than MIN_PIXELS pixels, or of which less than MIN_VISIBLE shows, is kept as
    iscrowd 1, so that neither training nor evaluation counts it.

    Args:
        instances: (H, W) ids, 0 for none.
        class_ids: of instance 1, 2, ...
        full_pixels: (len(class_ids),) pixels without anything in front.
    """
    result = []
    for k, class_id in enumerate(class_ids):
        hit = instances == k + 1
        area = int(np.count_nonzero(hit))
        if area == 0:
            continue
        rows, columns = np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        seen = area / max(float(full_pixels[k]), float(area))
        result.append(
            {
                "category_id": int(class_id),
                "bbox": [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1],
                "area": area,
                "iscrowd": int(area < MIN_PIXELS or seen < MIN_VISIBLE),
                "visible": round(seen, 3),
            }
        )
    return result
