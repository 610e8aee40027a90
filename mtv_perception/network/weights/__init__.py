"""Weights of others, and of our own exported files, read into our layers."""

__all__ = ["litert", "pretrained", "tf_detection"]
