"""Losses, task weighting, schedule and the training loop."""
