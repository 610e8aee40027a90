"""Scores of what a model was trained for alone.

Of other classes nothing is said, and nothing counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mtv_perception.data.sample import Dataset
from mtv_perception.labels import LabelSet
from mtv_perception.runtime.artefact import ModelSpec, Trained


@dataclass(frozen=True)
class NotTrained:
    """What a model was not trained for.

    Attributes:
        boxes: names of classes that it was not trained to box.
        masks: names of classes that it was not trained to mask.
    """

    boxes: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: ModelSpec) -> NotTrained:
        """What a model's description leaves out."""
        return cls.of_trained(spec.trained, spec.labels)

    @classmethod
    def of_trained(cls, trained: Trained, labels: LabelSet) -> NotTrained:
        """The classes that are not named."""
        left = (
            tuple(n for n in labels.foreground if names is not None and n not in names)
            for names in (trained.boxes, trained.masks)
        )
        return cls(*left)

    def restrict(self, dataset: Dataset) -> Dataset:
        """A data set that says nothing of these classes, so that they are not scored."""
        boxes, masks = (
            {dataset.labels.id_of(name) for name in names} for names in (self.boxes, self.masks)
        )
        if not boxes and not masks:
            return dataset
        samples = tuple(
            replace(
                sample,
                box_classes=tuple(c for c in sample.box_classes if c not in boxes),
                mask_classes=tuple(c for c in sample.mask_classes if c not in masks),
            )
            for sample in dataset.samples
        )
        return replace(dataset, samples=samples)
