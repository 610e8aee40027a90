"""The ROS 2 shell around the runtime; the only place that knows rclpy and messages."""
