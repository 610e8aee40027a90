"""Scores of detections and masks against the truth.

In NumPy (and OpenCV for distances and erosion) alone.
"""

__all__ = ["boundary", "calibration", "detection", "legacy", "matching", "segmentation"]
