"""From pixels to metres: where detections stand, how large they are.

And what of the floor is free.
"""
