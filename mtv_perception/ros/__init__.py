"""The ROS 2 shell around the runtime; the only place that knows rclpy and messages."""

__all__ = ["conversions", "middleware", "perception", "process", "qos", "ranging", "tools", "zones"]
