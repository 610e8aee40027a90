"""Scores of detections and masks against the truth.

In NumPy (and OpenCV for distances and erosion) alone.
"""
