"""Losses, task weighting, schedule and the training loop."""

__all__ = [
    "config",
    "keras_model",
    "losses",
    "runs",
    "state",
    "torch_backend",
    "trained",
    "trainer",
    "validation",
]
