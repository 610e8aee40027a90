"""Labelled images: readers (formats/), statistics, augmentation.

Targets and the training pipeline.
"""
