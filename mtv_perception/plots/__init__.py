"""Plots for reports and model cards, on a workstation."""

__all__ = ["curves", "scores", "statistics"]
