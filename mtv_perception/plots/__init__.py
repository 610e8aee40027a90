"""Plots for reports and model cards, on a workstation."""
