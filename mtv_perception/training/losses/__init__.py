"""Losses of the three tasks and their weighting, on any backend of Keras."""

__all__ = ["config", "multitask", "replicas", "weighting"]
