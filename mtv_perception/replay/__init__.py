"""Bags, videos and image folders through the perceiver, bags out; no rclpy."""

__all__ = ["camera_input", "inputs", "jobs", "predictions", "replay", "results"]
