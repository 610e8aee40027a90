"""Synthetic warehouse images with exact boxes and masks."""

from mtv_perception.data.synthetic.dataset import generate

__all__ = ["generate"]
