"""The settings under which every figure of this project is measured."""

from __future__ import annotations

from mtv_perception.runtime.perceiver import PerceiverConfig

SCORE_THRESHOLD = 0.01
"""AP integrates over all scores, so nearly nothing is cut off."""

IOU_THRESHOLD = 0.55
"""IoU allowed by non-maximum suppression: of those tried with the vote, within 0.1 points of the best
mean AP@[.50:.95], at a better AP@.50 than 0.6 (research/experiments.md, "Boxes that vote")."""

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
    iou_threshold=0.95,
    max_detections=1000,
    max_per_class=1000,
    max_candidates=5000,
    mask_size="network",
)
"""For tuning: everything that another setting might keep must come through."""
