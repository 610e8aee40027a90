"""Data sets made better before training: tighter boxes, masks from teachers."""

__all__ = ["pseudo_masks", "teachers", "upright"]
