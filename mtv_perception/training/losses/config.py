"""What a run minimises: a loss a task, and how the tasks are balanced."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from mtv_perception.config import Rule, setting
from mtv_perception.labels import LabelSet
from mtv_perception.training.losses.detection import BOX_LOSSES, CLASS_LOSSES
from mtv_perception.training.losses.segmentation import SEGMENTATION_LOSSES
from mtv_perception.training.losses.weighting import WEIGHTINGS

# Of the classes of the shipped model: those that matter more than their number of pixels says.
_CLASS_WEIGHTS = {"rail": 2.0, "person": 2.0, "forklift": 1.5}
TASKS = ("classes", "boxes", "segmentation")


@dataclass(frozen=True)
class LossConfig:
    """What is minimised.

    Raises:
        ValueError: an unknown task or segmentation loss, a negative weight, or nothing to minimise.
    """

    classes: str = setting("focal", "Loss of class logits.", choices=tuple(CLASS_LOSSES))
    boxes: str = setting("giou", "Loss of box offsets.", choices=tuple(BOX_LOSSES))
    segmentation: dict[str, float] = field(default_factory=lambda: {"cross_entropy": 1.0})
    mask_scale: int = setting(
        1,
        "How many times finer than the logits masks are compared; logits are upsampled as on the robot.",
        low=1,
        high=2,
    )
    class_weights: dict[str, float] | tuple[float, ...] = field(
        default_factory=dict,
        metadata={
            "rule": Rule(
                "Weight of classes in segmentation by name, `background` too; 1 where none is given, "
                "but 2 for rail and person and 1.5 for forklift. A list gives all by position.",
                low=0,
            )
        },
    )
    weighting: str = setting("fixed", "How tasks are balanced.", choices=WEIGHTINGS)
    task_weights: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TASKS, 1.0))

    def __post_init__(self) -> None:
        _check_names("tasks", self.task_weights, TASKS)
        _check_names("segmentation losses", self.segmentation, SEGMENTATION_LOSSES)
        object.__setattr__(self, "task_weights", {**dict.fromkeys(TASKS, 1.0), **self.task_weights})
        if not any(self.task_weights.values()):
            raise ValueError(f"Expected a task weight above 0, got {self.task_weights!r}.")
        if self.task_weights["segmentation"] and not any(self.segmentation.values()):
            raise ValueError(
                f"Expected a segmentation loss of weight above 0, got {self.segmentation!r}."
            )

    def weights_of(self, labels: LabelSet) -> tuple[float, ...]:
        """The segmentation weight of each class id.

        Raises:
            ValueError: a weight of a class that there is not, or a list of another length.
        """
        given = self.class_weights
        if isinstance(given, tuple):
            if len(given) != len(labels):
                raise ValueError(f"Expected {len(labels)} class weights, got {given!r}.")
            return given
        _check_names("class weights", given, labels.names)
        weights = {**_CLASS_WEIGHTS, **given}
        return tuple(weights.get(name, 1.0) for name in labels.names)


def _check_names(what: str, weights: Mapping[str, float], known: Collection[str]) -> None:
    """ValueError for a name that is not known, or a weight that is none."""
    unknown = [name for name in weights if name not in known]
    if unknown:
        raise ValueError(f"Expected {what} of {', '.join(known)}, got {unknown[0]!r}.")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights.values()):
        raise ValueError(f"Expected weights of {what} of at least 0, got {dict(weights)!r}.")
