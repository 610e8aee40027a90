#!/usr/bin/env python3
"""Measures which share of labelled people a model hides with `anonymise`, and what else it hides.

    python tools/measure_anonymise.py DATA... --model warehouse --scores 0.08 0.2

Where some images have masks only those count, else the pixels of boxes. A person counts as missed if
less than half of the box is hidden.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mtv_perception.data.formats.open import DatasetConfig, open_dataset
from mtv_perception.data.sample import Sample, sample_image, sample_mask
from mtv_perception.labels import UNLABELED_ID
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.visual.anonymise import anonymised

_HALF = 0.5


@dataclass
class Tally:
    """Pixels and people so far."""

    people: int = 0
    hidden_people: int = 0
    others: int = 0
    hidden_others: int = 0
    boxes: int = 0
    missed: int = 0

    def add(self, sample: Sample, hidden: np.ndarray, ids: list[int]) -> None:
        """Count an image; `hidden` is `(H, W)` bool."""
        person, other = truth(sample, ids)
        self.people += int(person.sum())
        self.hidden_people += int((hidden & person).sum())
        self.others += int(other.sum())
        self.hidden_others += int((hidden & other).sum())
        for area in areas(sample, ids):
            self.boxes += 1
            self.missed += hidden[area].mean() < _HALF

    def row(self, name: str, score: float) -> str:
        """A row of the table."""
        people = self.hidden_people / max(1, self.people)
        others = self.hidden_others / max(1, self.others)
        missed = f"{self.missed} of {self.boxes}"
        return f"| {name} | {score} | {people:.4f} | {others:.3f} | {missed} |"


def areas(sample: Sample, ids: list[int]) -> list[tuple[slice, slice]]:
    """Rows and columns of the boxes of people that are not empty."""
    boxes = sample.boxes_xyxy[np.isin(sample.class_ids, ids) & ~sample.crowd]
    corners = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], 1).astype(int)
    whole = np.clip(corners, 0, [*sample.size_hw[::-1]] * 2).tolist()
    return [(slice(y0, y1), slice(x0, x1)) for x0, y0, x1, y1 in whole if x1 > x0 and y1 > y0]


def truth(sample: Sample, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of people, and those that are known to be none, each `(H, W)` bool."""
    mask = sample_mask(sample)
    if mask is not None:
        person = np.isin(mask, ids)
        return person, ~person & (mask != UNLABELED_ID)
    person = np.zeros(sample.size_hw, bool)
    for area in areas(sample, ids):
        person[area] = True
    return person, ~person


def measure(perceiver: Perceiver, samples: Sequence[Sample], ids: list[int]) -> Tally:
    """What is hidden in labelled images: noise changes where it is pixelated."""
    tally, rng = Tally(), np.random.default_rng(0)
    for sample in tqdm(samples, unit="image"):
        before = rng.integers(0, 256, (*sample.size_hw, 3), np.uint8)
        people = perceiver(sample_image(sample)).people
        tally.add(sample, (anonymised(before, people) != before).any(2), ids)
    return tally


def main() -> None:
    """Print a row for each data set and score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", nargs="+", type=Path, help="labelled data sets")
    parser.add_argument("--model", default="warehouse", help="model folder or name")
    scores = [PerceiverConfig().anonymise_score]
    parser.add_argument("--scores", nargs="+", type=float, default=scores, help="anonymise_score")
    args = parser.parse_args()
    artefact = load_artefact(find_model(args.model))
    print("| data | score | of people | of the rest | people missed |\n|---|---|---|---|---|")
    for path in args.data:
        dataset = open_dataset(DatasetConfig(path), artefact.labels)
        for score in args.scores:
            config = PerceiverConfig(anonymise=True, anonymise_score=score)
            ids = [artefact.labels.id_of(name) for name in config.people(artefact.spec)]
            masked = [item for item in dataset.samples if item.mask_path or item.regions]
            tally = measure(Perceiver(artefact, config), masked or dataset.samples, ids)
            print(tally.row(path.name, score), flush=True)


if __name__ == "__main__":
    main()
