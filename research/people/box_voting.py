#!/usr/bin/env python3
"""What soft suppression gains: boxes that overlap fade, and each box that is kept moves to those that agree.

    research/people/box_voting.py MODEL --data $MTV_DATA --folds $MTV_V5/folds --synthetic DIR [--fold check|judge]

The arguments are those of judge.py. The way of the product is `mtv_perception.geometry.nms.soft_nms`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from judge import judged

from mtv_perception.data.formats.open import open_dataset
from mtv_perception.data.sample import Dataset, sample_image
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.evaluation.settings import SCORING
from mtv_perception.geometry.boxes import pairwise_iou
from mtv_perception.labels import WAREHOUSE
from mtv_perception.runtime import perceiver as perceiver_module
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.boxes import suppress
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.types import Detections

OVERLAPS = (0.4, 0.5, 0.55, 0.6, 0.7, 0.8)
MATCH_IOU, NEAR = 0.5, 0.05


def suppression_alone(*arguments: Any, thresholds: np.ndarray) -> Detections:
    """In place of `runtime.boxes.suppress`: nothing fades, nothing votes."""
    return suppress(*arguments)


def mean_figures(perceive: Perceiver, datasets: list[Dataset]) -> tuple[float, float]:
    """AP@[.50:.95] and AP@.50, the means over the sets."""
    found = [evaluate(perceive, d, with_boundaries=False, quiet=True).to_json() for d in datasets]
    return float(np.mean([f["map"] for f in found])), float(np.mean([f["map50"] for f in found]))


def near_edges(perceive: Perceiver, datasets: list[Dataset]) -> tuple[int, float]:
    """Boxes that match an object, and the share of them whose lower edge is off by less than NEAR of its height."""
    errors = []
    for sample in (sample for dataset in datasets for sample in dataset.samples):
        found = perceive(sample_image(sample)).detections
        objects, ids = sample.boxes_xyxy[~sample.crowd], sample.class_ids[~sample.crowd]
        iou = pairwise_iou(found.boxes_xyxy, objects) * (found.class_ids[:, None] == ids)
        for row, box in zip(iou, found.boxes_xyxy, strict=True):
            best = int(row.argmax()) if len(row) else 0
            if len(row) and row[best] >= MATCH_IOU:
                top, bottom = objects[best][[1, 3]]
                errors.append(abs(box[3] - bottom) / (bottom - top))
    return len(errors), float(np.mean(np.array(errors) < NEAR))


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--synthetic", type=Path, required=True)
    parser.add_argument("--fold", default="check", choices=("check", "judge"))
    args = parser.parse_args()
    model = load_artefact(find_model(args.model))
    datasets = [open_dataset(config, WAREHOUSE) for config in judged(args).values()]
    ways: dict[str, Callable[..., Detections]] = {
        "suppression alone": suppression_alone,
        "soft, with the vote": suppress,
    }
    for name, way in ways.items():
        with patch.object(perceiver_module, "suppress", way):
            for overlap in OVERLAPS:
                ap, ap50 = mean_figures(
                    Perceiver(model, replace(SCORING, iou_threshold=overlap)), datasets
                )
                figures = f"AP@[.50:.95] {ap:.4f}, AP@.50 {ap50:.4f}"
                print(f"{name}, overlap {overlap}: {figures}", flush=True)
            count, share = near_edges(Perceiver(model, PerceiverConfig()), datasets)
            print(
                f"{name}: {count} boxes match, {share:.1%} end within {NEAR:.0%} of the height",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
