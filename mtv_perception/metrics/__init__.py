"""Scores of detections and masks against the truth, in NumPy (and OpenCV for distances and erosion) alone."""
