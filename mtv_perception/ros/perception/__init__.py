"""The perception node and its parts."""

__all__ = ["config", "main", "node"]
