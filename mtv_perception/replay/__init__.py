"""Bags, videos and image folders through the perceiver, bags out; no rclpy."""
