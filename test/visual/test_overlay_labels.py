"""Labels in a crowd: what can be read is read, nothing is painted over. Colours that everyone tells
apart.
"""

import itertools

import cv2
import numpy as np
import pytest

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
    overlay.draw_overlay(
        image, Result(found, Segmentation(mask, mask), (480, 640)), WAREHOUSE, "9 ms"
    )
    assert len(plates) > 10
    for index, one in enumerate(plates):
        assert not any(overlay._overlap(one, other) for other in plates[:index])
        assert one[0] >= 0 and one[1] >= 0 and one[2] <= 640 and one[3] <= 480


# Machado, Oliveira and Fernandes (2009), "A physiologically-based model for simulation of color
# vision deficiency", full severity, on linear RGB.
SIGHTS = {
    "usual": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("sight", SIGHTS)
def test_classes_differ_for_every_kind_of_sight(sight):
    """Distances in CIELAB; from about 2.3 on a difference is seen, 20 is plain."""
    rgb = np.array([WAREHOUSE.colour(index) for index in range(len(WAREHOUSE))]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHTS[sight]).T, 0, 1).astype(np.float32)
    lab = cv2.cvtColor(seen[None], cv2.COLOR_LRGB2LAB)[0]
    for one, other in itertools.combinations(lab, 2):
        assert np.linalg.norm(one - other) > 20
