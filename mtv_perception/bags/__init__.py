"""Reading, rescuing, writing and playing rosbag2 bags, without ROS."""
