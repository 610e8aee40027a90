"""Labels in a crowd: what can be read is read, nothing is painted over."""

import numpy as np

from mtv_perception.labels import WAREHOUSE
from mtv_perception.types import Detections, Result, Segmentation
from mtv_perception.visual import overlay


def test_labels_do_not_cover_each_other(monkeypatch):
    plates = []
    draw = overlay._plate

    def plate(canvas, text, corner_xy, colour, scale):
        plates.append(draw(canvas, text, corner_xy, colour, scale))
        return plates[-1]

    monkeypatch.setattr(overlay, "_plate", plate)
    chance = np.random.default_rng(1)
    corners = chance.uniform(100, 300, (40, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + 40], 1)
    found = Detections(boxes, np.linspace(1, 0.3, 40, dtype=np.float32), np.full(40, 2, np.int32))
    mask = np.zeros((480, 640), np.uint8)
    image = np.zeros((480, 640, 3), np.uint8)
    overlay.draw_overlay(image, Result(found, Segmentation(mask, mask), (480, 640)), WAREHOUSE, "9 ms")
    assert len(plates) > 10
    for index, one in enumerate(plates):
        assert not any(overlay._overlap(one, other) for other in plates[:index])
        assert one[0] >= 0 and one[1] >= 0 and one[2] <= 640 and one[3] <= 480
