"""Choosing the frames most worth labelling, and writing them with the model's labels."""

__all__ = ["choose", "mine", "signals", "survey"]
