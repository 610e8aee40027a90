"""Losses, task weighting, schedule and the training loop."""

__all__ = [
    "config",
    "initial",
    "keras_model",
    "losses",
    "runs",
    "state",
    "torch_backend",
    "trained",
    "trainer",
    "validation",
]
