"""Runs of the network over the same images: what changed, golden runs, the truth in bags."""

__all__ = ["compare", "golden", "report", "runs", "truth"]
