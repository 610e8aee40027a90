"""Ids that stay with an object from frame to frame. NumPy only, no ROS here."""

from mtv_perception.tracking.tracker import Tracker, TrackerConfig

__all__ = ["Tracker", "TrackerConfig"]
