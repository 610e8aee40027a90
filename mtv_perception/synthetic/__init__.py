"""Synthetic warehouse images with exact boxes and masks."""

from mtv_perception.synthetic.scene.dataset import generate

__all__ = ["generate"]
