"""Labelled images: one reader a format, statistics, augmentation, targets and the training pipeline."""
