"""Pictures on the robot: overlays and colour masks. One palette everywhere (see labels)."""
