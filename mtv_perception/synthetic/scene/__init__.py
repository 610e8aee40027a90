"""Whole scenes: where everything stands, its light, its labels, the data set."""

__all__ = ["annotate", "dataset", "lighting"]
