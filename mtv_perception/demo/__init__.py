"""`make demo`: a drive through a hall and a real clip, through real nodes over real DDS."""

__all__ = ["hall", "main", "people", "pictures"]
