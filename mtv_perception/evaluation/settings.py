"""The settings under which every figure of this project is measured."""

from __future__ import annotations

from mtv_perception.runtime.settings import PerceiverConfig

SCORE_THRESHOLD = 0.01
"""AP integrates over all scores, so nearly nothing is cut off."""

IOU_THRESHOLD = 0.8
"""IoU allowed by soft suppression, where boxes fade from 0.4 on (research/experiments.md, "Soft
suppression")."""

PEER_IOU_THRESHOLD = 0.55
"""IoU allowed by the plain suppression of peers, as of all figures before soft suppression."""

MAX_DETECTIONS = 100
"""In an image, and of one class: COCO counts no more."""

SCORING = PerceiverConfig(
    score_threshold=SCORE_THRESHOLD,
    mask_threshold=0.0,
    iou_threshold=IOU_THRESHOLD,
    max_detections=MAX_DETECTIONS,
    max_per_class=MAX_DETECTIONS,
)

COLLECTING = PerceiverConfig(
    score_threshold=SCORE_THRESHOLD,
    iou_threshold=1.0,
    max_detections=1000,
    max_per_class=1000,
    max_candidates=5000,
    mask_size="network",
)
"""For tuning: everything that another setting might keep must come through."""
