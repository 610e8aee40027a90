"""Bags, videos and image folders through the perceiver, bags out; no rclpy."""

__all__ = [
    "camera_input",
    "inputs",
    "jobs",
    "label_files",
    "predictions",
    "replay",
    "results",
    "resume",
]
