"""Weights of others and of our own exported files, read into our layers; channels that do nothing."""

__all__ = ["idle_channels", "litert", "pretrained", "tf_detection"]
