"""The ranging node: detections in metres and the floor map."""

__all__ = ["node", "settings"]
