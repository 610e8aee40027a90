#!/usr/bin/env python3
"""The figures of the model card: a model on every set of images that taught it nothing.

    research/people/judge.py MODEL --data $MTV_DATA --folds $MTV_V5/folds --synthetic DIR
        [--fold judge|check] [--backend litert|openvino] [--json FILE]

FOLDS is what research/version5/folds.py wrote; DIR is `mtv synth --split heldout --seed 2 --count 60`.
`--fold check` judges on the images that choose checkpoints and thresholds; give it other rendered
ones, such as those of tune.py.
Also counts the pictures without people or forklifts, of both folds, in which the model sees one,
at both operating points.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtv_perception.data.formats.open import DatasetConfig, open_dataset
from mtv_perception.data.sample import Sample, read_image
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.evaluation.settings import SCORING
from mtv_perception.labels import WAREHOUSE
from mtv_perception.runtime.artefact import OPERATING_POINTS, load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig

PEOPLE_SETS = (
    "indoor_nir", "people_coco416", "people_street416", "construction_clean",
    "people_openimages416", "people_posed416", "coco_mini", "ccp_people",
)  # fmt: skip
WITH_MASKS = {"coco_mini", "ccp_people"}
SETS_WITH_EMPTY_PICTURES = ("things_empty", "coco_mini", "construction_clean")
ALARMING = {WAREHOUSE.id_of("person"), WAREHOUSE.id_of("forklift")}
PERSON = ("person",)


def judged(args: argparse.Namespace) -> dict[str, DatasetConfig]:
    """How to read each set, by the name that the table shows."""
    part, take = ("val", "all") if args.fold == "judge" else ("train", "fold:0/10")
    sets = {
        f"forklift_person/{part}": DatasetConfig(
            args.data / "forklift_person" / part, take=take, box_classes=("person", "forklift")
        )
    }
    for name in PEOPLE_SETS:
        masks = PERSON if name in WITH_MASKS else None
        path = args.folds / name / args.fold
        sets[name] = DatasetConfig(path, box_classes=PERSON, mask_classes=masks)
    sets["coco_person 4/5"] = DatasetConfig(
        args.data / "coco_person", take="fold:4/5", box_classes=PERSON, mask_classes=PERSON
    )
    sets["synthetic"] = DatasetConfig(args.synthetic)
    return sets


def empty_pictures(folds: Path) -> list[Sample]:
    """Those of both folds that show neither people nor forklifts."""
    found: list[Sample] = []
    for name in SETS_WITH_EMPTY_PICTURES:
        for fold in ("check", "judge"):
            samples = open_dataset(DatasetConfig(folds / name / fold), WAREHOUSE).samples
            found += [sample for sample in samples if not ALARMING & set(sample.class_ids.tolist())]
    return found


def alarms(model: Any, backend: str, samples: list[Sample]) -> dict[str, int]:
    """How many of the pictures have a detection of ALARMING, by operating point."""
    counts = {}
    for point in OPERATING_POINTS:
        perceive = Perceiver(model, PerceiverConfig(operating_point=point, backend=backend))
        seen = (
            set(perceive(read_image(sample.image_path)).detections.class_ids.tolist())
            for sample in samples
        )
        counts[point] = sum(bool(ALARMING & ids) for ids in seen)
    return counts


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--synthetic", type=Path, required=True)
    parser.add_argument("--fold", default="judge", choices=("judge", "check"))
    parser.add_argument("--backend", default="litert", choices=("litert", "openvino"))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    model = load_artefact(find_model(args.model))
    perceive = Perceiver(model, replace(SCORING, backend=args.backend))
    figures: dict[str, Any] = {}
    for name, config in judged(args).items():
        dataset = open_dataset(config, WAREHOUSE)
        scores = evaluate(perceive, dataset, with_boundaries=False, quiet=True).to_json()
        figures[name] = scores
        cells = {
            "mAP": scores["map"],
            "mAP@.50": scores["map50"],
            "person AP@.50": scores["per_class"]["person"]["ap50"],
            "recall": scores["person_recall_at_0.1fppi"],
            **{
                f"IoU {name}": value
                for name, value in scores["iou"].items()
                if name != "background"
            },
        }
        shown = (f"{key} {value:.3f}" for key, value in cells.items() if value is not None)
        print(f"{name} ({len(dataset)}):", ", ".join(shown), flush=True)
    samples = empty_pictures(args.folds)
    figures["alarms"] = {"pictures": len(samples), **alarms(model, args.backend, samples)}
    print(figures["alarms"])
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
