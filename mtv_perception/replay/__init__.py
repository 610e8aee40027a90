"""Bags, videos and image folders in, bags out; no rclpy."""
