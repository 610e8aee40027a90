"""Measuring a model on labelled images, tuning its thresholds, and writing the report."""
