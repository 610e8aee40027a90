"""Reading, rescuing, writing and playing rosbag2 bags, without ROS."""

__all__ = ["beside", "files", "playback", "reader", "storage", "topics", "writer"]
