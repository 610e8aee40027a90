"""The zones node and its parts."""

__all__ = ["conversions", "node"]
