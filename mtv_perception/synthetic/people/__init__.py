"""People: bodies, clothes, poses, and cut-outs of real ones."""

__all__ = ["cutouts", "outfits", "people", "poses"]
