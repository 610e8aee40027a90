"""Forklifts of every kind."""

__all__ = ["forklift_types", "forklifts"]
