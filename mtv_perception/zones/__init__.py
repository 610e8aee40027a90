"""Zones on the floor or in the image: is one occupied, free, or unknown? No ROS here."""
