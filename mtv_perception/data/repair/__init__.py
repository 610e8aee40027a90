"""Data sets made better before training: tighter boxes, masks from teachers."""
