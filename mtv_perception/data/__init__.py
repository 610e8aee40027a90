"""Labelled images: readers (formats/), statistics, augmentation.

Targets and the training pipeline.
"""

__all__ = [
    "augment",
    "check",
    "coco_writer",
    "faults",
    "formats",
    "pipeline",
    "repair",
    "sample",
    "scene",
    "source",
    "statistics",
    "targets",
]
