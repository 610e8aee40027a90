"""Boxes, default boxes, box codec, non-maximum suppression and letterboxing, in NumPy alone."""
