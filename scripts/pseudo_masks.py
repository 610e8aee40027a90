#!/usr/bin/env python3
"""Gives images with boxes masks of their own, from teachers; or measures the teachers on images
with true masks.

scripts/pseudo_masks.py BOXES --teacher FILE.tflite --model warehouse --classes person --out DIR
scripts/pseudo_masks.py MASKS --teacher FILE.tflite --model warehouse --measure
"""

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mtv_perception.data.formats.open import DatasetConfig, expand, open_dataset
from mtv_perception.data.pseudo_masks import (
    CROP_SIDE,
    Opinion,
    compose,
    forklifts,
    people,
    write_dataset,
)
from mtv_perception.data.sample import sample_image, sample_mask
from mtv_perception.labels import UNLABELED_ID, WAREHOUSE
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver

PERSON, FORKLIFT = WAREHOUSE.id_of("person"), WAREHOUSE.id_of("forklift")


class LiteRtTeacher:
    """A LiteRT network from a crop to a person mask; logits and shares both do."""

    def __init__(self, path: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        wanted = (1, CROP_SIDE, CROP_SIDE, 1)
        found = [d for d in self._interpreter.get_output_details() if tuple(d["shape"]) == wanted]
        if tuple(self._input["shape"]) != (1, CROP_SIDE, CROP_SIDE, 3) or len(found) != 1:
            raise SystemExit(
                f"{path}: expected a network from (1, 256, 256, 3) to one mask {wanted}."
            )
        self._output = found[0]["index"]

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._input["index"], crop[None])
        self._interpreter.invoke()
        values = self._interpreter.get_tensor(self._output)[0, ..., 0]
        if values.min() >= 0 and values.max() <= 1:
            return values.copy()
        return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def opinions_of(image, sample, teachers, perceiver) -> dict[str, Opinion]:
    """What the teachers say of every class, the nearer class last."""
    person = people(image, sample.boxes_xyxy[sample.class_ids == PERSON], teachers)
    found = {}
    if perceiver is not None:
        boxes = sample.boxes_xyxy[sample.class_ids == FORKLIFT]
        maybe = person.boxed & ~person.denied
        found["forklift"] = forklifts(image, boxes, perceiver(image).segmentation, FORKLIFT, maybe)
    return {**found, "person": person}


class Tally:
    """Right and wrong labels inside the boxes of one class."""

    def __init__(self) -> None:
        self.counts = np.zeros(7, np.int64)
        self.ious = []

    def add(self, opinion: Opinion, truth: np.ndarray, class_id: int) -> None:
        known = opinion.boxed & (truth != UNLABELED_ID)
        true = known & (truth == class_id)
        likely, sure, denied = (
            known & part for part in (opinion.likely, opinion.sure, opinion.denied)
        )
        parts = (known, likely & true, likely | true, sure, sure & true, denied, denied & ~true)
        counts = np.array([part.sum() for part in parts])
        if counts[2]:
            self.counts += counts
            self.ious.append(counts[1] / counts[2])

    def figures(self) -> dict[str, float]:
        known, shared, union, sure, sure_right, denied, denied_right = self.counts.tolist()
        values = {
            "images": len(self.ious),
            "iou": shared / max(union, 1),
            "median_iou": float(np.median(self.ious)) if self.ious else 0.0,
            "labelled": (sure + denied) / max(known, 1),
            "right_as_class": sure_right / max(sure, 1),
            "right_as_other": denied_right / max(denied, 1),
            "right": (sure_right + denied_right) / max(sure + denied, 1),
        }
        return {name: round(value, 3) for name, value in values.items()}


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--teacher", type=Path, action="append", required=True, help="a person network; repeatable"
    )
    parser.add_argument(
        "--model",
        help="a model of ours, for forklifts; without it they stay unknown in their boxes",
    )
    parser.add_argument("--classes", nargs="+", default=["person"], choices=WAREHOUSE.foreground)
    parser.add_argument("--take", default="all", help="fold:K/N or not-fold:K/N")
    parser.add_argument(
        "--max-side",
        type=int,
        default=0,
        help="with --measure, leaves out images with larger boxes",
    )
    parser.add_argument("--threads", type=int, default=1)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--out", type=Path)
    task.add_argument("--measure", action="store_true")
    args = parser.parse_args()
    dataset = open_dataset(DatasetConfig(args.data, take=args.take), WAREHOUSE)
    teachers = [LiteRtTeacher(path, args.threads) for path in args.teacher]
    perceiver = Perceiver(load_artefact(find_model(args.model))) if args.model else None
    tallies = {name: Tally() for name in (("forklift", "person") if args.model else ("person",))}
    masks = []
    for sample in tqdm(dataset.samples):
        sides = sample.boxes_xyxy[:, 2:] - sample.boxes_xyxy[:, :2]
        truth = sample_mask(sample) if args.measure else None
        if args.measure and (
            truth is None or (args.max_side and sides.max(initial=0) > args.max_side)
        ):
            continue
        opinions = opinions_of(sample_image(sample), sample, teachers, perceiver)
        if truth is None:
            masks.append(compose(opinions, WAREHOUSE, args.classes))
        else:
            for name, tally in tallies.items():
                tally.add(opinions[name], truth, WAREHOUSE.id_of(name))
    if args.measure:
        print(json.dumps({name: tally.figures() for name, tally in tallies.items()}, indent=2))
        return 0
    write_dataset(expand(args.data), args.out, dataset.samples, masks)
    shares = {n: np.mean([(m == v).mean() for m in masks]) for v, n in enumerate(WAREHOUSE.names)}
    shares["ignored"] = 1 - sum(shares.values())
    print(json.dumps({name: round(float(share), 4) for name, share in shares.items()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
