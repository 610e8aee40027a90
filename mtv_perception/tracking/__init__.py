"""Ids that stay with an object from frame to frame. NumPy only, no ROS here."""
