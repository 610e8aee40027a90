#!/usr/bin/env python3
"""Choose the thresholds of both operating points on all images that may choose.

    research/people/tune.py MODEL --data $MTV_DATA --folds $MTV_V5/folds --synthetic DIR --write

`mtv tune` does the same on one data set. Here are several, of which each is labelled for some of
the classes: the `check` images of FOLDS, fold 0/10 of forklift_person/train, fold 4/5 of coco_person
and DIR, rendered images that train nothing (`mtv synth --seed 77 --count 60`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from mtv_perception.cli.tune import show
from mtv_perception.data.formats.open import DatasetConfig, open_dataset
from mtv_perception.evaluation.settings import COLLECTING
from mtv_perception.evaluation.tune import (
    FEW_ALARMS,
    NMS_OVERLAPS,
    Goal,
    collect,
    tune,
)
from mtv_perception.labels import WAREHOUSE
from mtv_perception.runtime.artefact import (
    BALANCED,
    FEW_FALSE_ALARMS,
    load_artefact,
    no_lower,
    write_thresholds,
)
from mtv_perception.runtime.perceiver import Perceiver

PEOPLE = (
    "indoor_nir", "people_coco416", "people_street416", "construction_clean",
    "people_openimages416", "people_posed416", "ccp_people",
)  # fmt: skip
NOTHING_ELSE = ("coco_mini", "things_empty")
BALANCED_PERSON = Goal("fppi", 0.2)
# At the best F1, rails are seen on photographs that show none.
BALANCED_RAIL = FEW_ALARMS
# A lower overlap drops the second of two people who stand close, for a few tenths of F1.
NO_LOWER_OVERLAPS: Sequence[float] = tuple(o for o in NMS_OVERLAPS if o >= 0.4)


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--synthetic", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="put the outcome into model.yaml")
    args = parser.parse_args()
    both = ("person", "forklift")
    sets = [DatasetConfig(args.folds / name / "check", box_classes=("person",)) for name in PEOPLE]
    sets += [DatasetConfig(args.folds / name / "check", box_classes=both) for name in NOTHING_ELSE]
    sets += [
        DatasetConfig(args.data / "forklift_person/train", take="fold:0/10"),
        DatasetConfig(args.data / "coco_person", take="fold:4/5", box_classes=both),
        DatasetConfig(args.synthetic),
    ]
    artefact = load_artefact(args.model)
    perceiver = Perceiver(artefact, replace(COLLECTING, backend="litert"))
    records = [
        record for config in sets for record in collect(perceiver, open_dataset(config, WAREHOUSE))
    ]
    goals = {
        BALANCED: {"person": BALANCED_PERSON, "rail": BALANCED_RAIL},
        FEW_FALSE_ALARMS: dict.fromkeys(WAREHOUSE.foreground, FEW_ALARMS),
    }
    balanced: dict[str, float] = {}
    overlaps = NO_LOWER_OVERLAPS
    for point, wished in goals.items():
        tuning = tune(records, WAREHOUSE, wished, overlaps)
        thresholds = no_lower(tuning.thresholds, balanced)
        print(point, len(records), "images")
        show(tuning, Console())
        if args.write:
            overlap = tuning.iou_threshold if point == BALANCED else None
            write_thresholds(args.model, thresholds, overlap, point)
        # The other point is held to what the balanced one has chosen.
        balanced, overlaps = thresholds, (tuning.iou_threshold,)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
