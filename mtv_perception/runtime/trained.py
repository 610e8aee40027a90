"""What a model was never trained for does not appear in its results."""

from __future__ import annotations

import numpy as np

from mtv_perception.labels import UNLABELED_ID
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.runtime.boxes import Candidates
from mtv_perception.types import Segmentation


class KnownClasses:
    """The classes that a model was trained to box and to mask.

    Args:
        spec: of the model; one that says nothing of it was trained for all classes.

    Attributes:
        boxed: whether the model was trained to box each class id, `(C,)` bool.
        masks: whether it was trained to mask any class.
    """

    def __init__(self, spec: ModelSpec) -> None:
        foreground = spec.labels.foreground
        self.boxed = np.array([True, *(name in spec.box_classes for name in foreground)])
        table = np.full(256, UNLABELED_ID, np.uint8)
        masked = [0, *(spec.labels.id_of(name) for name in spec.mask_classes)]
        table[masked] = masked
        self._table = None if len(masked) == len(foreground) + 1 else table
        self.masks = bool(spec.mask_classes)

    def candidates(self, candidates: Candidates) -> Candidates:
        """Those of classes that the model was trained to box."""
        rows, class_ids, scores = candidates
        keep = self.boxed[class_ids]
        return candidates if keep.all() else (rows[keep], class_ids[keep], scores[keep])

    def known(self, segmentation: Segmentation) -> Segmentation:
        """A mask in which the pixels of classes that the model was never shown are unlabelled (255)."""
        if self._table is None:
            return segmentation
        class_ids = self._table[segmentation.class_ids]
        return Segmentation(class_ids, segmentation.confidence)


def unlabelled(size_hw: tuple[int, int]) -> Segmentation:
    """The mask of a model that was trained for none: every pixel 255, without confidence."""
    return Segmentation(np.full(size_hw, UNLABELED_ID, np.uint8), np.zeros(size_hw, np.uint8))
