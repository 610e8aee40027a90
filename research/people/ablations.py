#!/usr/bin/env python3
"""Five choices of the recipe, each changed alone, with equal budgets and several seeds.

    research/people/ablations.py --out DIR [--seeds 1 2] [--only NAME ...] [--begin RUN]

Reads the folders of research/stages/people-stage1.yaml ($MTV_DATA, $MTV_PSEUDO, $MTV_V5,
$MTV_SYNTH). RUN is what research/people/open_images_backbone.py wrote, $MTV_VERSION5 a folder of
version 5. Every run sees 200 batches of 16 images at 224x288. It is judged in float32 at the same
size on the `check` images of version 5's folds, on fold 0/10 of forklift_person/train and on
$MTV_SYNTH/tune. Runs that are judged already are kept. Prints a table: mean of the seeds, lowest
and highest.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

SIZE = (224, 288)
STEPS = 200
RECIPE = Path(__file__).parents[1] / "stages" / "people-stage1.yaml"
FIGURES = {
    "people_coco416, AP@.50": ("people_coco416", "person"),
    "indoor_nir, AP@.50": ("indoor_nir", "person"),
    "forklift_person fold 0/10, person": ("forklift_person", "person"),
    "forklift": ("forklift_person", "forklift"),
    "coco_person, person IoU": ("coco_person", "iou person"),
    "synthetic, rail IoU": ("synthetic", "iou rail"),
    "forklift IoU": ("synthetic", "iou forklift"),
}


def focal(config: dict[str, Any]) -> None:
    """Focal loss instead of scores that learn how well their box fits."""
    config["losses"]["classes"] = "focal"


def four_candidates(config: dict[str, Any]) -> None:
    """Four default boxes an object instead of nine."""
    config["match"] = {"best_boxes": 4, "best_iou": 0.25}


def person_backbone(config: dict[str, Any]) -> None:
    """Version 5 as it is instead of version 5 on the backbone of Open Images."""
    config["initial"] = "$MTV_VERSION5"


def half_rendered(config: dict[str, Any]) -> None:
    """Half of the images rendered instead of a fifth."""
    for part in config["train"]:
        if part["path"].startswith("$MTV_SYNTH"):
            part["weight"] = 4 * part.get("weight", 1)


def clean_images(config: dict[str, Any]) -> None:
    """Images without blur, noise, dirt, glare, casts and low resolution."""
    config["augment"] |= {"degrade": 0.0, "cast": 0.0, "low_resolution": 0.0}


CHOICES = {
    "recipe": lambda config: None,
    "focal": focal,
    "four_candidates": four_candidates,
    "version5": person_backbone,
    "half_rendered": half_rendered,
    "clean_images": clean_images,
}


def recipe(begin: Path) -> dict[str, Any]:
    """The configuration that every run shares."""
    config: dict[str, Any] = yaml.safe_load(RECIPE.read_text())
    for key in ("minutes", "freeze", "validation", "pretrained"):
        config.pop(key, None)
    config["network"]["size_hw"] = list(SIZE)
    config["initial"] = str(begin)
    config["optimiser"] |= {"warmup": 20, "ema": 0.98}
    config["losses"]["classes"] = "aligned_focal"
    config["match"] = {"best_boxes": 9, "best_iou": 0.2}
    config |= {
        "batch_size": 16,
        "steps": STEPS,
        "validate_every": 10 * STEPS,
        "validate_first": False,
        "checkpoint_every": STEPS,
    }
    return config


def trained(name: str, seed: int, out: Path, begin: Path) -> Path:
    """The run of one choice and seed; one that ended is not repeated."""
    run = out / f"{name}-{seed}"
    if not (run / "best.npz").exists():
        config = copy.deepcopy(recipe(begin))
        CHOICES[name](config)
        config = yaml.safe_load(os.path.expandvars(yaml.safe_dump(config | {"seed": seed})))
        file = out / f"{run.name}.yaml"
        file.write_text(yaml.safe_dump(config, sort_keys=False))
        with (out / f"{run.name}.log").open("w") as log:
            command = ["mtv", "train", str(file), "--run", str(run)]
            subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
    return run


def judged(run: Path) -> dict[str, float]:
    """Every figure of a run, also kept beside it."""
    kept = run.parent / f"{run.name}.json"
    if not kept.exists():
        command = [sys.executable, __file__, "--judge", str(run), "--json", str(kept)]
        subprocess.run(command, check=True)
    return json.loads(kept.read_text())  # type: ignore[no-any-return]


def judge(run: Path) -> dict[str, float]:
    """Evaluate a run's averaged weights; in a process of its own, because memory grows."""
    from mtv_perception.data.formats.open import DatasetConfig, open_dataset
    from mtv_perception.evaluation.evaluate import evaluate
    from mtv_perception.evaluation.settings import SCORING
    from mtv_perception.export.source import load_network
    from mtv_perception.labels import WAREHOUSE
    from mtv_perception.network.loading import load_tensorflow
    from mtv_perception.runtime.perceiver import Perceiver
    from mtv_perception.training.keras_model import KerasModel

    load_tensorflow()
    data, folds, person = (
        Path(os.environ["MTV_DATA"]),
        Path(os.environ["MTV_V5"]) / "folds",
        ("person",),
    )
    sets = {
        "people_coco416": DatasetConfig(folds / "people_coco416" / "check", box_classes=person),
        "indoor_nir": DatasetConfig(folds / "indoor_nir" / "check", box_classes=person),
        "forklift_person": DatasetConfig(data / "forklift_person" / "train", take="fold:0/10"),
        "coco_person": DatasetConfig(
            data / "coco_person", take="fold:4/5", box_classes=person, mask_classes=person
        ),
        "synthetic": DatasetConfig(Path(os.environ["MTV_SYNTH"]) / "tune"),
    }
    _, network = load_network(run, SIZE)
    perceiver = Perceiver(KerasModel(network), SCORING)
    found: dict[str, dict[str, Any]] = {}
    for name, config in sets.items():
        report = evaluate(
            perceiver, open_dataset(config, WAREHOUSE), with_boundaries=False, quiet=True
        ).to_json()
        found[name] = {key: value["ap50"] for key, value in report["per_class"].items()}
        found[name] |= {f"iou {key}": value for key, value in report["iou"].items()}
    return {title: round(found[part][key], 4) for title, (part, key) in FIGURES.items()}


def table(figures: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: a row for each choice."""
    lines = [
        "| choice | " + " | ".join(FIGURES) + " |",
        "|---" * (len(FIGURES) + 1) + "|",
    ]
    for name, runs in figures.items():
        cells = []
        for title in FIGURES:
            values = [run[title] for run in runs]
            mean = sum(values) / len(values)
            cells.append(f"{mean:.3f} ({min(values):.3f} to {max(values):.3f})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of the runs")
    parser.add_argument(
        "--begin", type=Path, help="run that research/people/open_images_backbone.py wrote"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", choices=CHOICES, default=list(CHOICES))
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.judge:
        args.json.write_text(json.dumps(judge(args.judge), indent=1))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in args.only}
    for seed in args.seeds:
        for name in args.only:
            figures[name].append(judged(trained(name, seed, args.out, args.begin)))
            print(name, seed, figures[name][-1], flush=True)
    print(table(figures))


if __name__ == "__main__":
    main()
