"""Labelled images: readers (formats/), statistics, augmentation, targets and the training pipeline."""
