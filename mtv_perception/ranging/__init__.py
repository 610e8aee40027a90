"""From pixels to metres: where detections stand, how large they are, and what of the floor is free."""
