"""Results as ROS messages, with rclpy's message classes or those that bags are written with."""

__all__ = ["boxes", "builder", "foxglove", "typestore"]
